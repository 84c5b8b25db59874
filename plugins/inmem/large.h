/*
 * A value that is too large for the log: in pages of the arena (pages.h), as a whole or in a few runs, with this in front of its bytes.
 *
 *	first run: [ struct large | bytes ... ]	further runs: [ bytes ... ]
 *
 * It has *owners*, the records in the log that lead to it and whoever is making one, and *pins*, those who read it without a lock: answers on
 * their way to clients, above all.  Its bytes do not change from when a record leads to it until the last of both is gone; then its pages are
 * free.
 */
#ifndef INMEM_LARGE_H
#define INMEM_LARGE_H

#include "arena.h"
#include "record.h"

struct large {
	uint64_t users; /* atomic; owners << 32 | pins */
	uint64_t len;	/* of the value */
	uint32_t units;
	uint16_t runs_count;
	uint16_t head;	/* bytes before the value */
	uint32_t since; /* atomic; second in which it was pinned, when nobody else had it so */
	uint16_t key;	/* of the hash of the record's: see large_key() */
	uint16_t sum;	/* of what does not change in this and runs */
	struct pages_run runs[];
};

/* A second that none is. */
#define LARGE_NEVER UINT32_MAX

/* What it knows of a hash. */
static inline uint16_t
large_key(uint32_t hash)
{
	return (uint16_t)(hash * 0x9e3779b1U >> 16);
}

#define LARGE_OWNER	  (1ULL << 32)
#define LARGE_PINS(users) ((uint32_t)(users))

/* Bytes behind the key in the record of a large value: its location. */
#define LARGE_LEN sizeof(uint64_t)

/* Pages to be claimed for one. */
uint64_t large_pages(size_t len);

/* One of len bytes, that nobody knows of, with one owner, the caller, who has claimed large_pages(); in any case that claim is over.  NULL: there is
 * no place that is not in too many pieces. */
struct large *large_new(struct pages *p, size_t len);

/* Is it one, as large_new() made it, in pages that are in use?  For what another process left; at any address in the region. */
bool large_is_sound(struct pages *p, const struct large *l);

/* One owner less; *lp becomes NULL.  NULL in it is fine.  Any thread. */
void large_drop(struct pages *p, struct large **lp);

/* One owner more, for who is one or holds the lock of its home. */
static inline void
large_own(struct large *l)
{
	__atomic_add_fetch(&l->users, LARGE_OWNER, __ATOMIC_RELAXED);
}

/* One pin more, on the same terms: true if it is the only one.  And one less; any thread. */
bool large_pin(struct pages *p, struct large *l);
void large_unpin(struct pages *p, struct large *l);

/* Bytes of those that are pinned since this second or the one before.  Any thread. */
uint64_t large_young(const struct pages *p);

/* Does nobody but its record use it?  Under the lock of its home, where alone new users come from. */
static inline bool
large_alone(const struct large *l)
{
	return __atomic_load_n(&l->users, __ATOMIC_ACQUIRE) == LARGE_OWNER;
}

/* Bytes of the region that it takes. */
static inline uint64_t
large_cost(const struct large *l)
{
	return (uint64_t)l->units * PAGES_UNIT;
}

/* The nth piece of its bytes, in order; NULL: there are no more. */
char *large_piece(const struct pages *p, const struct large *l, unsigned n, size_t *len);

/* Copies len bytes there, or from there: from byte `at` on, as many as there are. */
void large_write(const struct pages *p, const struct large *l, size_t at, const char *from, size_t len);
void large_read(const struct pages *p, const struct large *l, size_t at, char *to, size_t len);

/* ---- records ---- */

/* The one of a record, if it has one; else NULL. */
static inline struct large *
large_of(const struct arena *a, const struct record *r)
{
	uint64_t location;

	if ((record_state(r) & RECORD_LARGE) == 0)
		return NULL;
	memcpy(&location, r->key + r->keylen, sizeof location);
	return arena_at(a, location);
}

/* Bytes of a record's value. */
static inline size_t
large_or_len(const struct arena *a, const struct record *r)
{
	const struct large *l = large_of(a, r);

	return l == NULL ? r->len : l->len;
}

/* ---- values that are to be dropped when a lock is no longer held, since that may take a while ---- */

#define GONE_MAX 4
struct gone {
	unsigned count;
	struct large *values[GONE_MAX];
};

/* Takes over an owner's part. */
static inline void
gone_add(struct gone *g, struct pages *p, struct large *l)
{
	if (g->count < GONE_MAX)
		g->values[g->count++] = l;
	else
		large_drop(p, &l);
}

static inline void
gone_drop(struct gone *g, struct pages *p)
{
	while (g->count > 0)
		large_drop(p, &g->values[--g->count]);
}

#endif
