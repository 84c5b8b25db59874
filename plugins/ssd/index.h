/*
 * Where on the disk an object is, in RAM: 64 bytes per 5 objects, and nothing else.
 *
 *	hash ──► bucket ┐	tag: 17 bits of the hash.  The other bucket follows from bucket and tag alone, so an entry can be moved
 *	  └────► other ─┴─ 5 entries each		to it without the key.
 *
 * An entry is known by its two buckets and its tag, not by its key: two keys that have both in common are one to the index, and the later one
 * takes the place of the earlier.  Who finds an entry compares the key that is on the disk.
 *
 * The size is fixed.  When there is no place for an entry even after moving others, one of the ten is evicted, if it may be, and the caller is told.
 *
 * Finding takes no lock: a bucket's head is a version, odd while somebody writes.  Who writes locks the two buckets of the hash.
 */
#ifndef SSD_INDEX_H
#define SSD_INDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define INDEX_SLOTS 5 /* entries in a bucket */

/* Where a record lies.  On the disk and in RAM it is one word with the tag: see place_pack(). */
struct place {
	uint32_t seg;	/* segment; at most PLACE_SEGS */
	uint32_t start; /* chunk in it; never 0, where the segment's header is */
	uint8_t size;	/* which of the sizes in size_class.h */
	bool hit;	/* somebody got it since it was written */
	bool touched;	/* its exptime is not that of the record */
	bool won;	/* somebody was told that it is his to fill */
};

#define PLACE_SEGS   (1U << 17)
#define PLACE_STARTS (1U << 20)

/* An entry, as it was at one moment. */
struct entry {
	struct place place;
	uint32_t exptime; /* unix seconds; 0 never */
};

struct index;

/* How old is what lies there?  What has the lowest age is evicted first.  Called under locks: it may not call the index. */
typedef uint64_t index_age_f(void *arg, const struct entry *e);

/* An empty one of that many buckets, at least one.  age may be NULL.  NULL: no memory. */
struct index *index_new(uint64_t buckets, index_age_f *age, void *arg);
void index_free(struct index **ixp);

/*
 * May what this hash leads to be evicted?  Called under locks, as its age is.  true: it goes, and index_put() says so.  From now on each is asked for,
 * before it goes; while the index is rebuilt, nobody is.
 */
typedef bool index_may_go_f(void *arg, uint64_t hash);
void index_ask(struct index *ix, index_may_go_f *may_go);

/* How many buckets so many objects need at the working fill, of which nothing is lost for want of place. */
uint64_t index_buckets_for(uint64_t objects);

size_t index_bytes(const struct index *ix);
uint64_t index_count(const struct index *ix);
uint64_t index_buckets(const struct index *ix);

/* Any thread.  *e may be NULL. */
bool index_find(const struct index *ix, uint64_t hash, struct entry *e);

enum index_put {
	INDEX_NEW,
	INDEX_REPLACED, /* *other is what was there */
	INDEX_EVICTED,	/* it is new, and *other had to go; *hash is one that leads to where that was */
	INDEX_FULL,	/* there is no place, and none of those that have one may go: nothing was done */
};

/* Puts it in, whatever is there.  Any thread. */
enum index_put index_put(
    struct index *ix, uint64_t hash, const struct entry *e, struct entry *other, uint64_t *other_hash);

/* These do it only if the entry is at that place (of seg and start) still.  Any thread; false: it is not. */
bool index_move(struct index *ix, uint64_t hash, const struct place *from, const struct place *to);
bool index_remove(struct index *ix, uint64_t hash, const struct place *at);
bool index_touch(struct index *ix, uint64_t hash, const struct place *at, uint32_t exptime);

enum index_win {
	INDEX_WON,  /* it is yours, and nobody else's */
	INDEX_SENT, /* somebody else was told that */
	INDEX_GONE, /* it is not at that place any more */
};

/* Who fills it?  The first who asks, once.  Any thread. */
enum index_win index_win(struct index *ix, uint64_t hash, const struct place *at);

/* Notes that it was hit. */
void index_hit(struct index *ix, uint64_t hash, const struct place *at);

/* Removes the entries of some buckets for which gone() says so, beginning with bucket `from`.  Returns how many went.  Any thread. */
typedef bool index_gone_f(void *arg, const struct entry *e);
uint64_t index_sweep(struct index *ix, uint64_t from, uint64_t buckets, index_gone_f *gone, void *arg);

/* ---- rebuilding: one thread, before anybody else uses it ---- */

/*
 * While an index is rebuilt each entry has a version, and there are dead ones: what was deleted has to keep older records out until all were
 * seen.  0, or -1: no memory.
 */
int index_rebuild_begin(struct index *ix);

/*
 * Offers what lies at e->place, or, if dead, that nothing does: it stays if there is nothing newer.  An equal version is newer than the one
 * before it, and a dead one is newer than a record.  What has no place is remembered, in as much memory as the index has at most; of more than that the
 * oldest are forgotten, and nothing that is no newer than those gets a place any more.
 */
void index_rebuild_offer(struct index *ix, uint64_t hash, uint64_t version, bool dead, const struct entry *e);

/* It is to be offered, or asked for, soon: what is looked at then begins to come from memory. */
void index_rebuild_expect(const struct index *ix, uint64_t hash);

/* Is this the version that stands, and where?  *e may be NULL. */
bool index_rebuild_stands(const struct index *ix, uint64_t hash, uint64_t version, struct entry *e);

/* What has a lower version is dead. */
void index_rebuild_discard(struct index *ix, uint64_t below);

/* Removes the dead, and forgets versions. */
void index_rebuild_end(struct index *ix);

/* The highest version of a record that would stand if it had not been forgotten: the next rebuild must believe none up to it.  0: none was. */
uint64_t index_rebuild_forgotten(const struct index *ix);

/* Then, once: names the other records that would stand if there had been place for them, each by a hash that leads there; the newest first. */
typedef void index_lost_f(void *arg, uint64_t hash, uint64_t version);
void index_rebuild_lost(struct index *ix, index_lost_f *lost, void *arg);

/* ---- as it is kept in a file ---- */

/* A bucket is 64 bytes; those of a quiet index, from first on.  Loading trusts nobody: it skips what ok() does not know. */
#define INDEX_BUCKET_BYTES 64
void index_save(const struct index *ix, uint64_t first, uint64_t buckets, void *to);
void index_load(struct index *ix, uint64_t first, uint64_t buckets, const void *from, index_gone_f *bad, void *arg);

#endif
