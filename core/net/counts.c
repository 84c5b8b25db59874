/* What a worker counts of its clients: see counts.h. */
#include "net/counts.h"

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

/* All of it is uint64_t. */
void
counts_merge(struct counts *to, const struct counts *from)
{
	uint64_t *t = (uint64_t *)to;
	const uint64_t *f = (const uint64_t *)from;

	for (unsigned i = 0; i < sizeof *to / sizeof *t; i++)
		t[i] += __atomic_load_n(&f[i], __ATOMIC_RELAXED);
}
