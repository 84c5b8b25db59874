/* Makes room in a full store: see sweeper.h. */
#include "sweeper.h"

#include "job.h"

void
sweeper_init(struct sweeper *s, struct mnemonic *store)
{
	*s = (struct sweeper){ .store = store };
}

/* One that is not open has no files that could be merged. */
static bool
forgot_something(const struct sweeper *s, unsigned nth)
{
	return bin_state(&s->store->bins[nth]) == BIN_OPEN && versions_floor(&s->store->versions, nth) > s->swept[nth];
}

static void
sweep(struct sweeper *s, struct bin *b)
{
	uint64_t floor = versions_floor(b->versions, b->nth);
	enum rocks_status status;
	char why[WHY_MAX] = "";

	if (!bin_enter(b))
		return;
	status = rocks_merge(b->db, why);
	bin_leave(b);
	/* What failed is tried again, if there is no room still; a disk that cannot be written to lets the bin fail. */
	if (status == ROCKS_OK)
		s->swept[b->nth] = floor;
	else if (status != ROCKS_BUSY)
		rend_log(REND_LOG_WARN, "mnemonic: the files of %s cannot be merged: %s", b->dir, why);
}

static void *
run(void *arg)
{
	struct sweeper *s = arg;

	for (unsigned i = 0; i < s->store->plan.bins; i++)
		if (forgot_something(s, i) && !__atomic_load_n(&s->ends, __ATOMIC_ACQUIRE))
			sweep(s, &s->store->bins[i]);
	__atomic_store_n(&s->busy, 0, __ATOMIC_RELEASE);
	return NULL;
}

void
sweeper_look(struct sweeper *s)
{
	bool wanted = false;

	if (__atomic_load_n(&s->busy, __ATOMIC_ACQUIRE) || !keeper_is_full(&s->store->keeper))
		return;
	if (s->runs)
		pthread_join(s->thread, NULL);
	s->runs = false;
	for (unsigned i = 0; i < s->store->plan.bins; i++)
		wanted |= forgot_something(s, i);
	if (!wanted)
		return;
	s->busy = 1;
	s->runs = pthread_create(&s->thread, NULL, run, s) == 0;
	if (!s->runs)
		s->busy = 0; /* the next time */
	else
		pthread_setname_np(s->thread, "mnemonic-sweep");
}

void
sweeper_end(struct sweeper *s)
{
	__atomic_store_n(&s->ends, 1, __ATOMIC_RELEASE);
	if (!s->runs)
		return;
	for (unsigned i = 0; i < s->store->plan.bins; i++)
		if (s->store->bins[i].db != NULL)
			rocks_merge_no_more(s->store->bins[i].db);
	pthread_join(s->thread, NULL);
	s->runs = false;
}
