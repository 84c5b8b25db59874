/*
 * RocksDB, as far as it is used here: the one place that knows its C interface.
 *
 *	rocks_common ── cache, filter, limits, options		one per store
 *	     └─► rocks ── one open database			one per bin
 *
 * Everything here may wait for the disk, as long as the disk likes; nothing of it may be called on a worker.
 */
#ifndef MNEMONIC_ROCKS_H
#define MNEMONIC_ROCKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rend/value.h"

enum rocks_compaction { ROCKS_FIFO, ROCKS_LEVEL, ROCKS_UNIVERSAL };
enum rocks_filter { ROCKS_BLOOM, ROCKS_RIBBON, ROCKS_NO_FILTER };
enum rocks_compression { ROCKS_LZ4, ROCKS_ZSTD, ROCKS_PLAIN };
enum rocks_wal { ROCKS_WAL_ON, ROCKS_WAL_SYNC, ROCKS_WAL_OFF };

struct rocks_options {
	enum rocks_compaction compaction;
	enum rocks_filter filter;
	enum rocks_compression compression;
	enum rocks_wal wal;
	uint64_t bin_size;     /* bytes of files; of FIFO alone */
	uint64_t write_buffer; /* bytes */
	uint64_t cache;	       /* bytes, of all databases together */
	uint64_t block;	       /* bytes */
	unsigned filter_bits;
	unsigned jobs; /* threads in the background, of all databases together */
	bool direct;   /* past the system's cache */
};

/* WHY_MAX bytes of a sentence: what RocksDB said. */
#define WHY_MAX 400

enum rocks_status {
	ROCKS_OK,
	ROCKS_MISS,
	ROCKS_CORRUPT, /* what is there is not what was written */
	ROCKS_BUSY,
	ROCKS_IO,
	ROCKS_SHUT, /* it was not asked */
};

struct rocks_common;
struct rocks;

/* 0, or -1: RocksDB refuses the options, and why says how. */
int rocks_common_new(struct rocks_common **cp, const struct rocks_options *o, char why[WHY_MAX]);
void rocks_common_free(struct rocks_common **cp);

/* At an end: so many databases may write a file at once from now on, each by a thread of its own, so that one which hangs keeps none of the
 * others.  Of the whole process, as `jobs` is. */
void rocks_hurry(struct rocks_common *c, unsigned databases);

/* Bytes in the shared cache, and those of them that are in use right now. */
uint64_t rocks_cache_usage(const struct rocks_common *c);
uint64_t rocks_cache_pinned(const struct rocks_common *c);

/* Is this of no use to anybody any more?  For compactions: RocksDB's threads; must not block. */
typedef bool rocks_dead_f(void *arg, const char *key, size_t keylen, const char *p, size_t len);

/* Opens it, or makes it.  dead and arg must live until rocks_close() is over. */
enum rocks_status rocks_open(
    struct rocks **rp, struct rocks_common *c, const char *dir, rocks_dead_f *dead, void *arg, char why[WHY_MAX]);

/* What is only in memory and in no log (wal = off) is written first, if `keeps`. */
enum rocks_status rocks_close(struct rocks **rp, bool keeps, char why[WHY_MAX]);

/* How many changes were written to it, ever: it rises with each.  What is in its files and its log when it is opened counts, what failed does not. */
uint64_t rocks_written(const struct rocks *r);

/* Removes its files.  0 or -1. */
int rocks_destroy(struct rocks_common *c, const char *dir, char why[WHY_MAX]);

/* ---- reading ---- */

/* What lies at a key, held until rocks_found_drop(). */
struct rocks_found {
	enum rocks_status status;
	const char *p;
	size_t len;
	void *pinned;
};

#define ROCKS_MANY 32

/* One key, or up to ROCKS_MANY at once; why is of the last that is neither OK nor MISS.  passes: blocks that had to be read are not kept in the cache. */
void rocks_read(struct rocks *r, const char *key, size_t keylen, struct rocks_found *found, char why[WHY_MAX]);
void rocks_read_many(struct rocks *r, bool passes, size_t count, const char *const *keys, const size_t *keylens,
    struct rocks_found *found, char why[WHY_MAX]);
void rocks_found_drop(struct rocks_found *found);

/* ---- writing ---- */

struct rocks_batch;

struct rocks_batch *rocks_batch_new(void);
void rocks_batch_free(struct rocks_batch **bp);

/* Empty again, and without the memory of one that was large. */
void rocks_batch_clear(struct rocks_batch *b);

/* head, and behind it len bytes of the value from `from` on.  0, or -1: no memory, nothing was added. */
int rocks_batch_put(struct rocks_batch *b, const char *key, size_t keylen, const char *head, size_t headlen,
    const struct rend_value *value, size_t from, size_t len);
void rocks_batch_delete(struct rocks_batch *b, const char *key, size_t keylen);

/* What is added from now on is all in it, or nothing of it: that is said by _end(), once for each _begin(). */
void rocks_batch_begin(struct rocks_batch *b);
void rocks_batch_end(struct rocks_batch *b, bool all);

/* All of it or nothing. */
enum rocks_status rocks_write(struct rocks *r, struct rocks_batch *b, char why[WHY_MAX]);

/* Merges all of its files, which leaves out what is dead.  BUSY: it was told to stop.  May take hours. */
enum rocks_status rocks_merge(struct rocks *r, char why[WHY_MAX]);

/*
 * rocks_merge() stops soon, and does nothing from now on.  Waits, without a bound, until one that runs has seen it: for the next value that it writes,
 * or for as long as the disk does not answer.  So only threads call it that no op waits for.
 */
void rocks_merge_no_more(struct rocks *r);

/* ---- for people ---- */

/* A number that RocksDB knows by that name, without its "rocksdb."; 0: it does not. */
uint64_t rocks_number(const struct rocks *r, const char *name);

/* Links to what is there now, in a folder that is not there yet. */
enum rocks_status rocks_checkpoint(struct rocks *r, const char *dir, char why[WHY_MAX]);

#endif
