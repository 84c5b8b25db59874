/*
 * All items of one block of rend.conf: the log they lie in, the index that finds them, and what one worker has of it.
 *
 *	storing:   draft_new ── fill in ── visit_enter ── visit_put ── visit_leave	(or draft_waste)
 *	reading:   store_find, without a lock
 *
 * Who stores writes a record first, where nobody sees it, and publishes it under the lock of the key's home: a *visit*.
 */
#ifndef INMEM_STORE_H
#define INMEM_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arena.h"
#include "cleaner.h"
#include "ghost.h"
#include "grace.h"
#include "header.h"
#include "growth.h"
#include "index.h"
#include "large.h"
#include "log.h"
#include "outgoing.h"
#include "proof.h"
#include "rank.h"
#include "record.h"
#include "rend/metrics.h"
#include "rend/op.h"
#include "tenant.h"

/* An item may take this part of the limit; more is TOO_BIG. */
#define STORE_ITEM_SHARE 2

/* Items that this worker stored, less those that it saw go: only the sum over all workers is a number of items. */
struct store_count {
	int64_t items; /* atomic */
} __attribute__((aligned(64)));

struct store {
	struct arena arena;
	struct grace grace;
	struct index index;
	struct log log;
	struct ghost ghost;
	bool evict;
	unsigned workers;
	size_t small_max; /* bytes of value; longer ones lie in pages */
	struct store_count *counts;
	struct haulage *haulages; /* one of each worker */
	uint64_t epoch;		  /* atomic; flush_all adds one: items of an earlier one are gone */
	uint64_t version;	  /* atomic; the last one that was given */
	uint64_t swept;		  /* atomic; buckets that were looked through */
	bool quest;		  /* atomic; somebody seeks much memory: see quest.h */
	int64_t average;	  /* with which workers begin; 0: with another; see rank.h */
	struct proof proof;
	struct tenants tenants; /* under proof.lock */
	bool served;		/* atomic; false: it was taken over, and asked nothing yet */
	bool given;		/* atomic; to another process: nothing in the arena is changed */
	int claim_fd;		/* of the memory's file, if it was taken over: it is closed when the store ends; -1 */
	int given_fds[2];
	uint64_t given_bytes;
	struct store *spare; /* while it is given: an empty one, with which it begins if what was given is lost */
	struct store_counters {
		struct rend_counter *total_items, *evictions, *evicted_unfetched, *reclaimed, *expired_unfetched;
		struct rend_counter *audit_dropped;
	} counters;
};

/* What one worker has. */
struct shelf {
	struct store *store;
	unsigned worker;
	struct cleaner cleaner;
	struct outgoing outgoing;
	struct rank rank;
	uint64_t dice;
	unsigned inserts;
};

/* NULL: no memory, also if the limit is too small. */
struct store *store_new(uint64_t limit, bool evict, bool hand_over, unsigned workers);
void store_free(struct store **sp);

/* A store without an arena, and its end; and what follows when there is one.  For store_new() and store_take(). */
struct store *store_bare(bool evict, unsigned workers);
void store_bare_free(struct store **sp);
int store_fill_in(
    struct store *s, uint64_t limit, bool hand_over); /* an empty arena; 0, or -1: no memory, or too little */
void store_finish(struct store *s);

/* Bytes of the budget that it has: for what lies in the process; and with all segments, and the index. */
size_t store_own_bytes(const struct store *s);
uint64_t store_bytes(const struct store *s);

/* NULL: no memory. */
struct shelf *shelf_new(struct store *s, unsigned worker);
void shelf_free(struct shelf **sp);

/* It is this process's alone from now on.  Any worker. */
void store_begin(struct store *s);

/* The first op came, or memory is asked for: from here on it is not as it was taken.  Before anything in the arena is changed. */
static inline void
store_served(struct store *s)
{
	if (__builtin_expect(!__atomic_load_n(&s->served, __ATOMIC_RELAXED), 0))
		store_begin(s);
}

/* An op begins, on this worker: what it found before, it has forgotten. */
static inline void
shelf_enter(struct shelf *sh)
{
	store_served(sh->store);
	grace_enter(&sh->store->grace, sh->worker);
}

/* ---- what came from another process ---- */

/* Has it expired, or was it flushed, or can it not be believed? */
static inline bool
store_gone(struct store *s, const struct record *r, uint16_t epoch, int64_t wall)
{
	return (proof_looks(&s->proof) ? !proof_admits(s, r, epoch) : record_epoch(r) != epoch) ||
	       rend_expired(record_exptime(r), wall);
}

/* Are the records of a segment what they should be? */
static inline bool
store_believes_segment(struct store *s, uint32_t segment)
{
	return !proof_looks(&s->proof) || proof_of_segment(s, segment);
}

/* Can its sizes be believed, and where it says that a large value is? */
static inline bool
store_believes(struct store *s, uint64_t location, const struct record *r)
{
	return store_believes_segment(s, arena_segment(&s->arena, location)) &&
	       ((record_state(r) & RECORD_LARGE) == 0 || proof_of_value(s, r));
}

/* ---- reading ---- */

static inline struct index_key
store_key(const struct rend_op *op)
{
	return (struct index_key){ .key = op->key, .len = op->keylen, .hash = index_hash(op->hash) };
}

/* The record of the op's key if it is alive; NULL: none.  Good until the next shelf_enter().  Nothing is written to it if it is of another epoch than
 * the store: then it came from another process, and only what is told of it was looked at. */
struct record *store_find(struct store *s, const struct rend_op *op, int64_t wall, uint64_t **slot, uint64_t *entry);

/* Fetches into the cache what ops on the keys with these hashes, at most REND_PREFETCH_MAX, will look at. */
void store_warm(struct store *s, const uint64_t *hashes, size_t count);

/* ---- drafts: records that nobody sees yet ---- */

struct draft {
	struct record *record; /* NULL: none */
	uint64_t location;
	struct pages *pages;
	struct large *large; /* of a value that is too large for the log, else NULL */
	unsigned hits;	     /* that are remembered of its key */
	size_t len;	     /* of the value */
};

/* Could an item of this size ever be kept? */
bool store_fits(const struct store *s, size_t keylen, size_t len);

/*
 * A record for the op's key, with room for len bytes; others go for it.  Its flags, exptime and state are 0; exptime says what it will be, as far
 * as that is known.  Not in a visit, and the worker holds on to nothing that it found.  false: there is no room.
 */
bool draft_new(struct draft *d, struct shelf *sh, const struct rend_op *op, size_t len, int64_t exptime);

/* The same for a large value that is there already: the caller's part as an owner goes over to the draft, or is dropped. */
bool draft_of_large(struct draft *d, struct shelf *sh, const struct rend_op *op, struct large *large, int64_t exptime);

/* Writes len bytes of the value, from byte `at` on. */
void draft_write(const struct draft *d, size_t at, const char *from, size_t len);
void draft_write_value(const struct draft *d, size_t at, const struct rend_value *value);

/* Nobody will see it.  One that is none, or was put, is fine. */
void draft_waste(struct draft *d, struct shelf *sh);

/* ---- visits: the key's home is locked ---- */

struct visit {
	struct shelf *shelf;
	struct store *store;
	struct home home;
	struct record *found; /* alive; NULL: no such key */
	uint16_t epoch;
	int64_t wall;
	bool inserted;
	struct gone gone;
};

/* Locks the home of the op's key and looks for it.  An item that is expired or flushed is taken out and not found. */
void visit_enter(struct visit *v, struct shelf *sh, const struct rend_op *op);

/* Unlocks; drops what was taken out; lets the index grow if it wants to. */
void visit_leave(struct visit *v);

/*
 * Puts the draft where v->found is, or was not, under a new version.  One that has expired already only takes the place.  false: there is no
 * place for it in the index, and nothing was changed.
 */
bool visit_put(struct visit *v, const struct rend_op *op, struct draft *d);

/* Takes v->found out. */
void visit_take(struct visit *v);

/* Gives v->found another time; if that has passed, it is gone. */
void visit_touch(struct visit *v, int64_t exptime);

/* Gives a record that others can find another time, in a visit. */
void store_touch(struct store *s, struct record *r, int64_t exptime);

/* ---- all of it ---- */

/* Everything stored so far is gone. */
void store_flush(struct shelf *sh);

/* Looks through so many buckets more for what has expired. */
void store_sweep(struct shelf *sh, uint64_t buckets);

/* Once a second: sweeps, cleans, gives memory back. */
void store_tick(struct shelf *sh);

/* How many items there are, those included that are gone but not found yet. */
uint64_t store_count(const struct store *s);

/* For the cleaner and for growth: the record at this location is gone from the index.  Its large value, if it has one, is in *gone then. */
void store_drop(struct shelf *sh, uint64_t location, struct gone *gone);

/* One that had expired or was flushed. */
void store_reclaim(struct shelf *sh, uint64_t location, struct gone *gone);

/* One that had to make room. */
void store_evict(struct shelf *sh, uint64_t location, struct gone *gone);

#endif
