/* What a worker counts of its clients: see counts.h. */
#include "net/counts.h"

#include <stddef.h>

#include "rend/op.h"

enum count_slot
count_slot(unsigned verb, uint32_t mode)
{
	static const uint8_t of[REND_VERB_COUNT] = {
		[REND_GET] = COUNT_GET,
		[REND_SET] = COUNT_STORE,
		[REND_ADD] = COUNT_STORE,
		[REND_REPLACE] = COUNT_STORE,
		[REND_APPEND] = COUNT_STORE,
		[REND_PREPEND] = COUNT_STORE,
		[REND_INCR] = COUNT_INCR,
		[REND_DECR] = COUNT_DECR,
		[REND_DELETE] = COUNT_DELETE,
		[REND_TOUCH] = COUNT_TOUCH,
		[REND_FLUSH_ALL] = COUNT_FLUSH,
	};

	if (verb == REND_GET && (mode & REND_ALSO_TOUCH))
		return COUNT_GAT;
	if (verb == REND_SET && (mode & REND_IF_CAS))
		return COUNT_CAS;
	return of[verb];
}

const char *
count_slot_name(enum count_slot slot)
{
	static const char *const names[] = {
		[COUNT_GET] = "get",
		[COUNT_GAT] = "gat",
		[COUNT_STORE] = "store",
		[COUNT_CAS] = "cas",
		[COUNT_INCR] = "incr",
		[COUNT_DECR] = "decr",
		[COUNT_DELETE] = "delete",
		[COUNT_TOUCH] = "touch",
		[COUNT_FLUSH] = "flush",
	};
	_Static_assert(sizeof names / sizeof *names == COUNT_SLOTS, "a command has no name");

	return names[slot];
}

/* All of either is uint64_t.  What is added to may be read by others meanwhile, and is written by this thread alone. */
static void
merge(void *to, const void *from, size_t bytes)
{
	uint64_t *t = to;
	const uint64_t *f = from;

	for (size_t i = 0; i < bytes / sizeof *t; i++)
		__atomic_store_n(&t[i], t[i] + __atomic_load_n(&f[i], __ATOMIC_RELAXED), __ATOMIC_RELAXED);
}

void
counts_merge(struct counts *to, const struct counts *from)
{
	merge(to, from, sizeof *to);
}

void
tally_merge(struct tally *to, const struct tally *from)
{
	merge(to, from, sizeof *to);
}
