/* Makes room in a full store: see sweeper.h. */
#include "sweeper.h"

#include "job.h"

#define PAUSE_FIRST 500000000ULL   /* ns until files that could not be merged are tried again */
#define PAUSE_MOST  60000000000ULL /* and after many times */

void
sweeper_init(struct sweeper *s, struct mnemonic *store)
{
	*s = (struct sweeper){ .store = store };
}

/* It forgot something, and its turn has come.  One that is not open has no files that could be merged. */
static bool
is_due(const struct sweeper *s, unsigned nth)
{
	const struct swept *swept = &s->swept[nth];
	uint64_t floor = versions_floor(&s->store->versions, nth);

	return bin_state(&s->store->bins[nth]) == BIN_OPEN && floor > swept->floor &&
	       (floor > swept->tried || rend_now() >= swept->at);
}

/* Said once, until it goes well again.  Who flushes once more wants room now, and does not wait for the pauses of an earlier time. */
static void
failed(struct swept *swept, const struct bin *b, uint64_t floor, const char *why)
{
	bool anew = floor > swept->tried;

	if (swept->pause == 0)
		rend_log(REND_LOG_WARN,
		    "mnemonic: the files of %s cannot be merged (%s): it is tried again, if there is no room still",
		    b->dir, why);
	swept->pause = anew ? PAUSE_FIRST : swept->pause * 2 < PAUSE_MOST ? swept->pause * 2 : PAUSE_MOST;
	swept->tried = floor;
	swept->at = rend_now() + swept->pause;
}

static void
went_well(struct swept *swept, const struct bin *b, uint64_t floor)
{
	if (swept->pause != 0)
		rend_log(REND_LOG_INFO, "mnemonic: the files of %s could be merged", b->dir);
	*swept = (struct swept){ .floor = floor };
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
	/* A disk that cannot be written to lets the bin fail. */
	if (status == ROCKS_OK)
		went_well(&s->swept[b->nth], b, floor);
	else if (status != ROCKS_BUSY)
		failed(&s->swept[b->nth], b, floor, why);
}

static void *
run(void *arg)
{
	struct sweeper *s = arg;

	for (unsigned i = 0; i < s->store->plan.bins; i++)
		if (is_due(s, i) && !__atomic_load_n(&s->ends, __ATOMIC_ACQUIRE))
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
		wanted |= is_due(s, i);
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
