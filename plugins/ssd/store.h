/*
 * Keys and values on a disk, and what is known of them in RAM: a log of segments.
 *
 *	store_put() ──► image of an open segment ──► index		worker; nothing here waits
 *	                     │ store_step(): written, sealed, freed	one thread, the keeper, which may wait for the disk
 *	                     ▼
 *	store_find() ──► index ──► fetch.h: image, or one read of the disk	worker
 *
 * Who changes a key has its lock (store->keys, keys.h) from before store_find() until after the change.  Who reads needs none.
 *
 * After a crash every value that is found is bit-exact and was its key's at some moment since the last store_step() that flushed before it.
 */
#ifndef SSD_STORE_H
#define SSD_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "index.h"
#include "io.h"
#include "keys.h"
#include "rend/value.h"

struct breaker;
struct store;

enum store_sync {
	STORE_SYNC_NONE,   /* the system writes when it likes: a power cut may take anything */
	STORE_SYNC_SEAL,   /* each full segment is synced: a power cut takes what the open ones have */
	STORE_SYNC_FLUSH,  /* whatever is flushed is synced, too */
	STORE_SYNC_ALWAYS, /* and who changes something is told so after that: store_commit_at() */
};

#define STORE_PATHS_MOST 16

/* One of several folders, each on a disk of its own. */
struct store_path {
	const char *dir;
	struct io *io; /* another one for each: what hangs at one disk keeps no request to another waiting */
	struct breaker *breaker;
};

struct store_options {
	const char *dir;
	uint64_t capacity;     /* bytes of segments */
	uint32_t chunk;	       /* bytes; 0: 64 */
	uint32_t segment;      /* bytes; 0: by capacity, 4 to 64 MiB */
	uint64_t bank;	       /* bytes of one file at most; 0: 4 GiB, or more: there are at most 16 files */
	uint64_t objects;      /* that the index has room for */
	uint32_t images;       /* segments in RAM at once; 0: 16 of up to 8 MiB, or 8 */
	uint32_t moves;	       /* percent of a segment that may be written again when it is freed, because it was hit */
	uint64_t write_budget; /* bytes per second that store_admit() lets be written; 0: no bound */
	int64_t min_ttl;       /* seconds; it refuses what is gone sooner */
	uint64_t max_value;    /* bytes; and what is longer.  0: no bound */
	uint32_t share;	       /* rows of segments that go in one step; 0: 8192 */
	enum store_sync sync;
	uint64_t seed;		 /* of khash, and uuid; 0: random */
	bool empty;		 /* begin empty if what is there was made with other sizes; else that is an error */
	bool fresh;		 /* begin empty, whatever is there */
	struct breaker *breaker; /* of requests that read, and does not end before the store; NULL: none */
	/* Beside dir, io and breaker; always the same ones, in the same order.  `capacity` is spread over all. */
	struct store_path others[STORE_PATHS_MOST - 1];
	unsigned other_count;
	uint64_t
	    patience; /* ns that store_step() waits for one of several disks; 0: 5 s.  For a single one it waits as long as it takes */
	/* There is something that store_step() should do soon.  Any thread, which holds none of the store's locks; NULL: nobody wants to know. */
	void (*wake)(void *arg);
	void *wake_arg;
	/* SYNC_ALWAYS: a flush has ended.  The keeper's thread, which holds none of the store's locks; NULL: nobody wants to know. */
	void (*flushed)(void *arg);
	void *flushed_arg;
};

/* How it was found.  sentence: what is to be said about it, or why it failed. */
struct store_opened {
	enum { STORE_NEW, STORE_CLEAN, STORE_REBUILT } how;
	bool damaged; /* something could not be read; what may be older than what was there is gone, too */
	uint64_t objects, rows;
	uint32_t files; /* that it keeps open */
	char sentence[512];
};

/* Can there be one of these sizes?  Touches nothing; -1 with a sentence: no. */
int store_plan(const struct store_options *options, struct store_opened *opened);

/* Opens or makes one.  Waits for the disk, long perhaps.  0, or -1 with a sentence. */
int store_open(
    struct store **sp, struct io *io, const struct store_options *options, int64_t wall, struct store_opened *opened);

/*
 * Writes all there is, and the index, so that the next start is quick; by io_now() `deadline`, 0: however long it takes.  Nobody changes
 * anything from then on.  false: the next start has to rebuild.  store_abandon() comes next.
 */
bool store_leave(struct store *s, uint64_t deadline);

/*
 * The thread that calls store_step() does so no more: of several disks each gets `time` ns to let go of what it was asked.  false: one did not, and
 * what was asked of it stays in memory for ever, with its io.  store_abandon() does the same, should nobody have.
 */
bool store_stop(struct store *s, uint64_t time);

/* Ends it: as a crash would, but for store_leave(). */
void store_abandon(struct store **sp);

/* khash of a key. */
uint64_t store_khash(const struct store *s, const void *key, size_t len);

struct keys *store_keys(struct store *s);

/* ---- workers ---- */

/* What is there and has not expired.  Only that the hash leads to it is known of it: who must be sure reads it. */
bool store_find(struct store *s, uint64_t khash, int64_t wall, struct entry *e);

/* Changes with each flush_all; never 0. */
uint64_t store_flushes(const struct store *s);

/* What is to be kept. */
struct store_item {
	uint64_t khash;
	const char *key;
	uint8_t keylen;
	uint32_t cflags;
	uint32_t exptime; /* store_exptime() */
	uint64_t cas;	  /* 0: the store's own */
	bool sent;	  /* RECORD_SENT */
	bool stale;	  /* RECORD_STALE */
	const struct rend_value *value;
	/* Made of what was found under this: store_flushes().  0: not. */
	uint64_t flushes;
	/* For store_admit(). */
	bool keeps_time; /* its exptime is that of what was there before */
	bool needed;	 /* it is not refused */
};

enum stored {
	STORED,
	STORE_TOO_BIG,	    /* never; nothing was done */
	STORE_NOT_ADMITTED, /* the disk is behind; an older one was removed */
	STORE_FLUSHED,	    /* what it was made of is gone since; nothing was done */
	STORE_WAITS,	    /* for store_step(): only a value in pieces does (pieces.h) */
};

/* Unix seconds as they are kept: 0 is never; what has passed is 1. */
uint32_t store_exptime(int64_t exptime);

/* Can a value of so many bytes be in one record? */
bool store_fits(const struct store *s, size_t keylen, size_t len);

/* false: the options say that it is not to be stored, and it was refused (store_refuse()).  Once, before it is put, in pieces or not. */
bool store_admit(struct store *s, const struct store_item *item, int64_t wall);

/* It was not stored after all: what was spent for it is there again. */
void store_admit_back(struct store *s, const struct store_item *item);

enum stored store_put(struct store *s, const struct store_item *item, int64_t wall, uint64_t *cas);

/* What cannot be stored leaves nothing older. */
void store_refuse(struct store *s, uint64_t khash);

/* Removes what the hash leads to, whatever it is; if it leads to nothing, as store_is_gone(). */
void store_remove(struct store *s, uint64_t khash);

/*
 * Somebody was told that there is nothing.  What left the index, and is on the disk for some more steps, does not come back then, either.
 * true: that had to be noted.
 */
bool store_is_gone(struct store *s, uint64_t khash);

/* Gives the record of this version at this place another exptime.  false: it is not there, or cannot be noted now; then it was removed. */
bool store_touch(struct store *s, uint64_t khash, const struct entry *e, uint64_t version, uint32_t exptime);

/* Of what was found there: is it this client's to fill? */
enum index_win store_win(struct store *s, uint64_t khash, const struct entry *e);

/* Nothing that is there now is found from now on.  Costs the same whatever is there. */
void store_flush_all(struct store *s);

/* What is at this place turned out to be unreadable.  With the key's lock, as all changes. */
void store_erase(struct store *s, uint64_t khash, const struct place *at);

/* ---- what is told only when it is on the disk (SYNC_ALWAYS) ---- */

/* Is it asked for? */
bool store_commits(const struct store *s);

/* The flush after which all is on the disk that this thread has changed so far: when store_committed() is no less.  Any thread. */
uint64_t store_commit_at(const struct store *s);

/* ... which is to begin soon. */
void store_commit_ask(struct store *s);

/* The last flush that left nothing over. */
uint64_t store_committed(const struct store *s);

/*
 * Rises when the disk did not take something, and what was written with it is given up.  If it did between a change and the flush that it waited
 * for, that change may be gone, although the flush left nothing over.
 */
uint64_t store_given_up(const struct store *s);

/* ---- the keeper ---- */

/*
 * Writes, seals, frees.  flush: also what does not fill a block yet, and what was removed when there was no room to note it; only while the disk
 * takes nothing, or all images are in use, does that wait for the next flush.  Waits for the disk.  true: there was something to do.
 */
bool store_step(struct store *s, bool flush, int64_t wall);

/* Is a flush asked for?  Once for each store_commit_ask(), or for several. */
bool store_commit_due(struct store *s);

/* Is there one that somebody waits for still, because it left something over? */
bool store_commit_missed(const struct store *s);

/*
 * io_now() of a moment: all that was answered before it is on the disk, as far as `sync` says.  When the last flush began that left nothing over; at
 * first when the store was opened.  Any thread.
 */
uint64_t store_flushed(const struct store *s);

/* How many paths there are, and is one of them not written to, because its disk fails, is late, or has not answered yet?  Any thread. */
unsigned store_paths(const struct store *s);
bool store_path_is_out(const struct store *s, unsigned path);

/* ---- for people ---- */

#define STORE_COUNTS(X)                                                                             \
	X(evictions, "Records that were freed with their segment before they expired.")             \
	X(moves, "Records that were written again when their segment was freed, because of a hit.") \
	X(index_evictions, "Objects that were evicted because the index had no place.")             \
	X(not_admitted, "Stores that were refused, for whatever reason.")                           \
	X(refused_budget, "Those of them that write_budget had nothing left for.")                  \
	X(refused_ttl, "Those of them that would have lived for less than min_ttl.")                \
	X(refused_size, "Those of them that were longer than max_value.")                           \
	X(tombs, "Records written because something is gone.")                                      \
	X(touches, "Records written because an exptime changed.")                                   \
	X(read_errors, "Reads of the disk that failed.")                                            \
	X(lost_segments, "Segments of which, when the index was rebuilt, not all could be read.")   \
	X(check_errors, "Records that were not what was written.")                                  \
	X(write_errors, "Writes to the disk that failed twice.")                                    \
	X(bad_segments, "Segments that were given up because they could not be written.")           \
	X(expired_segments, "Segments that were freed because all in them had expired.")            \
	X(freed_segments, "Segments that were freed because they were the oldest.")                 \
	X(bytes_written, "Bytes written to segments.")                                              \
	X(syncs, "Times that a file of segments was synced.")                                       \
	X(user_bytes, "Bytes of records as they came.")                                             \
	X(discards, "Times that what is on the disk was given up for the next rebuild.")

struct store_counts {
#define STORE_COUNT(name, doc) uint64_t name;
	STORE_COUNTS(STORE_COUNT)
#undef STORE_COUNT
};

void store_counts(const struct store *s, struct store_counts *counts);

struct store_sizes {
	uint64_t objects, capacity, ram;
	uint32_t segments, free, open, sealed, bad;
};

void store_sizes(struct store *s, struct store_sizes *sizes);

/* Looks at everything: does each entry lead to one valid record, and do the segments add up?  Quiet store; reads the whole disk.  false: *why says. */
bool store_audit(struct store *s, char *why, size_t size);

#endif
