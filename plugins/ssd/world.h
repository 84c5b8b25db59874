/*
 * For tests: a store on a simulated disk, and a clock.  Values say which key they are of and which write, so whoever reads one
 * knows at once whether it was made up.
 */
#ifndef SSD_WORLD_H
#define SSD_WORLD_H

#include "fetch.h"
#include "pieces.h"
#include "sim.h"

struct world {
	struct io *io;
	struct io_queue *queue;
	struct io *second; /* another disk, if there is one */
	struct io_queue *second_queue;
	struct buffers *buffers;
	struct fetcher fetcher;
	struct store *store;
	struct store_options options;
	struct store_opened opened;
	int64_t wall;
	char *buf;	  /* for values */
	bool kept;	  /* another thread calls store_step() */
	bool stale;	  /* world_set() stores it so */
	bool locked;	  /* this one has the lock of the key that it asks for: world_lock() */
	uint64_t flushes; /* store_item.flushes of what is set */
	uint64_t cas;	  /* that it got */
	uint64_t crashes;
};

#define WORLD_WALL 1000000000

/* Of the disks that are made from now on: sim_grain(). */
extern uint32_t world_grain;

/* Small: 128 KiB segments, so many of them.  Change w->options before world_open(), if need be. */
void world_init(struct world *w, uint32_t segments);
void world_fini(struct world *w);

/* Over two disks, with a folder on each: "store" and "other". */
void world_init_two(struct world *w, uint32_t segments);

/* false: w->opened says why. */
bool world_open(struct world *w);

/* As it should end. */
bool world_close(struct world *w);

/* As it should not. */
void world_crash(struct world *w, enum sim_crash how);
void world_crash_two(struct world *w, enum sim_crash how, enum sim_crash second);

/* Value n of a key, of len bytes (at least 32, or 0).  One in pieces is waited for; with nobody else to, the store is stepped, without a flush. */
enum stored world_set(struct world *w, unsigned key, uint64_t n, size_t len, uint32_t exptime);

/* true: found, *n and *head (if not NULL) say what.  Fails the test if it is not a value of that key. */
bool world_get(struct world *w, unsigned key, uint64_t *n, struct record_head *head);

/* As world_get(), but says how it ended. */
enum fetched world_fetch(struct world *w, unsigned key, bool whole, uint64_t *n, struct fetch *f);

/* All that follows is about this key, until world_unlock(). */
void world_lock(struct world *w, unsigned key);
void world_unlock(struct world *w, unsigned key);

bool world_delete(struct world *w, unsigned key);
bool world_touch(struct world *w, unsigned key, uint32_t exptime);

/* Another thread's view of a store that is open. */
void world_join(struct world *w, const struct world *of);
void world_leave(struct world *w);

/* Steps until nothing is left to do. */
void world_settle(struct world *w, bool flush);

/* Fails the test if it does not add up. */
void world_audit(struct world *w);

struct store_counts world_counts(struct world *w);

#endif
