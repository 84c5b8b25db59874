/* Seeks pages for large values: see quest.h. */
#include "quest.h"

#include "store.h"

/* Bytes that are gone through at once for pages. */
#define SLICE_BYTES (256 * 1024)

/* What needs more than this part of the limit is one at a time. */
#define ALONE_PART 8

/* Segments that are given back in one step, and bytes gone through in vain beyond those that it wants. */
#define GIVE_BACK  16
#define MORE_BYTES (1024 * 1024)

/* Claims what is missing, but for what the log needs: small values are not refused because large ones wait.  true: it has all. */
static bool
claim(struct store *s, struct quest *q)
{
	uint64_t room = log_spare_room(&s->log) / PAGES_PAGE, more = q->wanted - q->got;

	q->got += pages_claim(s->arena.pages, more < room ? more : room);
	return q->got == q->wanted;
}

static bool
needs_much(const struct store *s, uint64_t pages)
{
	return pages * PAGES_PAGE > s->arena.limit / ALONE_PART;
}

/* Of what needs much there is one at a time, else each would hold what the others wait for. */
static bool
has_turn(struct store *s, struct quest *q)
{
	if (needs_much(s, q->wanted) && !q->alone)
		q->alone = !__atomic_exchange_n(&s->quest, true, __ATOMIC_ACQUIRE);
	return q->alone || !needs_much(s, q->wanted);
}

bool
quest_has_queue(const struct shelf *sh, uint64_t pages)
{
	return needs_much(sh->store, pages) && __atomic_load_n(&sh->store->quest, __ATOMIC_RELAXED);
}

/* Goes through some bytes for it. */
static size_t
clean_for(struct shelf *sh, struct quest *q)
{
	uint64_t bytes = (q->wanted - q->got) * PAGES_PAGE;
	struct cleaner_work work = {
		.most = bytes < SLICE_BYTES ? bytes : SLICE_BYTES,
		.enough = SIZE_MAX,
		.records = CLEANER_RECORDS,
	};
	bool evict = sh->store->evict, hard = q->met > q->wanted * PAGES_PAGE;

	cleaner_clean(sh, &work, evict ? LOG_OLDEST : LOG_ALL, hard);
	q->met += work.met;
	if (!evict)
		q->vain += work.met;
	else if (hard)
		q->vain += work.met - work.held;
	return work.met;
}

enum quest_come
quest_seek(struct shelf *sh, struct quest *q)
{
	struct store *s = sh->store;
	uint64_t most;
	size_t one;

	if (!has_turn(s, q))
		return QUEST_QUEUES;
	log_reclaim(&s->log);
	for (unsigned i = 0; i < GIVE_BACK; i++) {
		if (claim(s, q))
			return QUEST_HAS;
		if (!log_give_back(&s->log, s->log.least))
			break;
	}
	/* As in cleaner_room(). */
	if (segments_count(&s->log.limbo) != 0)
		return QUEST_WAITS;
	one = clean_for(sh, q);
	if (claim(s, q))
		return QUEST_HAS;
	/* Others may have taken what went, and what may not be evicted frees nothing, however often it is met. */
	most = (s->evict ? 4 : 1) * q->wanted * PAGES_PAGE + log_least_bytes(&s->log) + MORE_BYTES;
	if (q->vain > most)
		return QUEST_NEVER;
	return one != 0 ? QUEST_MORE : cleaner_is_coming(sh) ? QUEST_WAITS : QUEST_NEVER;
}

void
quest_end(struct shelf *sh, struct quest *q)
{
	pages_unclaim(sh->store->arena.pages, q->got);
	if (q->alone)
		__atomic_store_n(&sh->store->quest, false, __ATOMIC_RELEASE);
	q->got = 0;
	q->alone = false;
}

bool
quest_pages(struct shelf *sh, uint64_t pages)
{
	struct quest q = { .wanted = pages };
	unsigned waits = 0;

	for (;;) {
		enum quest_come come = quest_seek(sh, &q);

		if (come == QUEST_HAS)
			q.got = 0; /* the caller's */
		if (come == QUEST_HAS || come == QUEST_NEVER || (come != QUEST_MORE && ++waits == CLEANER_WAITS_MAX)) {
			quest_end(sh, &q);
			return come == QUEST_HAS;
		}
		cleaner_wait(sh, waits);
	}
}
