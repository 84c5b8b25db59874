/* What a store is made of; for the files that make it. */
#ifndef SSD_STATE_H
#define SSD_STATE_H

#include <pthread.h>
#include <stdatomic.h>

#include "format.h"
#include "store.h"

#define STREAMS 4

enum stream { STREAM_HOUR, STREAM_DAY, STREAM_LONG, STREAM_MOVED };

#define IMAGE_WRITERS 64   /* records that are being copied into one image at once */
#define TOMBS_MAX     4096 /* that wait for room in the log */
#define FREE_MODEST   3	   /* that no piece of a value gets */
#define FREE_KEPT     1	   /* free segments that no value gets: so that what is gone can be noted, and segments freed */
#define EXPTIME_NEVER UINT32_MAX

/*
 *	FREE ─► OPEN ─► SEALING ─► SEALED ─► FREEING ─► FREE
 *	          └──────────┴─► BAD ──────────┘
 * FREEING: nothing leads to it, but the disk does not know that yet.
 */
enum segment_state { SEGMENT_FREE, SEGMENT_OPEN, SEGMENT_SEALING, SEGMENT_SEALED, SEGMENT_FREEING, SEGMENT_BAD };

struct segment {
	_Atomic uint64_t seq; /* 0: free.  Read without the lock */
	_Atomic uint32_t exptime_max;
	_Atomic(enum segment_state) state;
	uint32_t rows, used, touches;
	uint64_t version_max;
	uint64_t since; /* io_now(): BAD */
	uint32_t left;	/* rows that have gone: of one that leaves */
	bool owes;	/* tombs for what it hid may be in RAM only: it cannot be FREE before those */
	bool leaving;	/* the checkpoint under way makes it FREE */
	bool untold;	/* some of it is not in the index any more; the disk has it all, until it is FREE */
	bool lost;	/* BAD for good: a place of it cannot be read */
	_Atomic(struct image *) image;
};

/* A segment in RAM, as it is going to be on the disk.  Rows grow down from its trailer. */
struct image {
	struct image *next; /* of those that are free */
	char *data;
	uint32_t segment;
	uint64_t seq;
	uint32_t used; /* chunks */
	uint32_t rows, touches;
	uint64_t version_max;
	uint32_t written; /* bytes, from the begin */
	uint32_t safe;	  /* bytes of these that no crash takes that `sync` is for; under the lock */
	bool failed;	  /* the disk does not take it */
	bool parted;	  /* off its segment, and free when the last reader has gone */
	/* Who reads out of it just now; others than the keeper look for it by segment.image (fetch.c). */
	_Atomic uint32_t readers __attribute__((aligned(64)));
	struct { /* records that are being copied; from 0: none */
		uint32_t from, to;
	} busy[IMAGE_WRITERS];
};

struct tomb {
	uint64_t khash, version;
};

struct admission {
	pthread_mutex_t lock;
	int64_t left;	/* bytes of write_budget that may be spent; below 0: owed */
	uint64_t since; /* io_now(): counted up to then */
};

enum goes { GOES_OLDEST, GOES_EXPIRED, GOES_BAD };

/* A segment whose rows go, some in each step (leave.c). */
struct leaving {
	bool active;
	uint32_t segment;
	enum goes how;
	bool hides;		/* it may have hidden something that is still there */
	uint64_t flush_seq;	/* it is no older than that: nothing is moved over a later one */
	int64_t budget;		/* bytes that may be moved */
	const struct row *rows; /* as in an image, the last one first; NULL: they cannot be read */
	uint32_t count;
	uint64_t swept; /* bucket; without rows */
	/* What of the segment is in scratch, where it would be in an image; rows are behind it. */
	uint32_t have_from, have_to;
	uint32_t rows_left, bytes_left; /* of this step's share */
	int64_t wall;
};

/* One of its folders, and what the keeper asked of the disk that it is on (path.c). */
struct path {
	struct io *io;
	char *dir;
	struct breaker *breaker;
	struct io_file *supers[2];
	uint32_t banks_before; /* that the super had that was found; 0: none was */
	uint32_t *free;	       /* a ring of free segments; under the lock, as the next two */
	uint32_t free_first;
	_Atomic uint32_t free_count;
	_Atomic bool out; /* no segment of it begins; written by the keeper */

	/* The keeper's. */
	char *block;	 /* PATH_BLOCK bytes: for a super, or what is read besides */
	uint64_t got;	 /* the generation of the super that it took last */
	int torn;	 /* which of its supers may be; -1: none */
	uint64_t failed; /* io_now() when a write or sync failed; 0: none has since a super was written */
	struct io_queue *queue;
	struct io_request request;
	bool done;
	bool waits;		   /* the disk has not let go of what it was asked */
	const struct image *image; /* that it may be writing yet */
	char *spare;		   /* for s->scratch, should it be reading into that yet */
};

#define PATH_BLOCK (2 * FORMAT_BLOCK)

struct bank {
	struct io_file *file;
	unsigned path;
	bool unsynced;	/* the keeper's */
	bool was_empty; /* at this start */
};

struct store {
	struct io *io; /* of the first path; its clock and boot are those of all */
	struct store_options options;
	char *dir; /* of the first path */
	struct path *paths;
	unsigned path_count;
	struct geometry g;
	struct super super;	/* as it was written last: the keeper's */
	struct super_lost lost; /* segments that are not used; from its opening on */
	uint32_t lost_found;	/* of these, the last ones: when it was opened */
	uint64_t seed;		/* that of super, which does not change */
	struct bank *banks;
	bool banks_cut;	 /* files were not there, or shorter than they were made */
	uint32_t cut;	 /* one of these, and */
	uint64_t cut_to; /* its bytes */
	struct index *index;
	struct keys *keys;
	struct segment *segments;

	pthread_mutex_t lock; /* of all below, unless it is atomic */
	struct image *images; /* all of them, image_count */
	struct image *free_images;
	uint32_t image_count;
	struct image *open[STREAMS];
	unsigned next_path; /* that a segment begins in */
	uint64_t next_seq, next_version;
	uint64_t version_limit, seq_limit; /* as the disk knows them */
	uint64_t discard_below;
	_Atomic uint64_t flush_seq;
	_Atomic bool super_due;	 /* something in it has changed */
	_Atomic uint32_t untold; /* segments that are; written by the keeper */
	struct tomb *tombs;
	_Atomic uint32_t tomb_count;
	uint64_t steps;		/* store_step() ended so often */
	pthread_cond_t stepped; /* by io_now() */
	_Atomic bool write_due; /* somebody waits for what was stored to be on the disk */

	/* The keeper's. */
	char *scratch; /* a segment's bytes, aligned */
	bool opened;   /* store_step() may be called: there is a keeper */
	bool stuck;    /* a disk never let go of memory */
	struct leaving leaving;
	uint32_t freeing, bad;		      /* segments in that state */
	bool refills;			      /* until there are some more free ones than there have to be */
	bool ends;			      /* no segment begins to leave that need not */
	uint64_t swept;			      /* bucket */
	uint64_t flush_swept, flush_sweeping; /* bucket; the flush_seq it is for, 0 none */
	int64_t ttl_looked;		      /* wall: when segments were asked whether they have expired */
	uint32_t ttl_next;		      /* segment, of those that are to be asked yet */
	uint64_t flush_done;		      /* the flush_seq that was swept last */
	_Atomic int64_t wall;		      /* as of the last step */
	bool behind;			      /* this flush leaves something over */
	_Atomic uint64_t flushed;	      /* io_now() when the last one began that did not */

	/* Flushes, counted: SYNC_ALWAYS. */
	_Atomic uint64_t commit_begun; /* by the keeper */
	_Atomic uint64_t commit_done;  /* the last one that left nothing over */
	_Atomic uint64_t commit_asked; /* for the highest one */
	_Atomic bool commit_due;
	_Atomic uint64_t given_up; /* images, so far */

	struct admission admission;

#define STORE_COUNT(name, doc) _Atomic uint64_t name;
	struct {
		STORE_COUNTS(STORE_COUNT)
	} counts;
#undef STORE_COUNT
};

#define COUNT(s, name, n) atomic_fetch_add_explicit(&(s)->counts.name, (n), memory_order_relaxed)

static inline bool
exptime_passed(uint32_t exptime, int64_t wall)
{
	return exptime != 0 && exptime <= wall;
}

/* As exptime_max has it. */
static inline uint32_t
exptime_as_max(uint32_t exptime)
{
	return exptime == 0 ? EXPTIME_NEVER : exptime;
}

void segment_expires(struct segment *g, uint32_t exptime); /* no earlier than that */

/* ---- log.c: records into images ---- */

/* What is to be written. */
struct append {
	struct record_head head; /* type, flags, keylen, len, cflags, exptime, khash; version and cas, 0: new ones */
	enum stream stream;
	bool newest; /* into the newest open segment instead */
	bool modest; /* leaves some images and segments to the others */
	uint32_t
	    least; /* so many bytes would do, if that is what has room: head.len says then how many it are.  0: all of them */
	uint64_t after_seq; /* in no segment older than this */
	/* It is made of what was there under this flush_seq: not after another flush_all.  0: it is not. */
	uint64_t flush_seq;
	bool flushed; /* out: that is why there is no room */
	/* Out. */
	struct image *image;
	unsigned writer;
	uint32_t start;
	char *at;
};

/* Finds room.  false: there is none.  Then fill the body at at + RECORD_HEAD, log_seal_record(), make it known, and log_done(). */
bool log_reserve(struct store *s, struct append *a);
void log_seal_record(struct store *s, struct append *a);
void log_done(struct store *s, struct append *a);
struct place log_place(const struct append *a);

/* Notes that what this hash leads to is gone: version 0 is a new one, higher than all.  after_seq as above.  false: in RAM only, for now. */
bool log_tomb(struct store *s, uint64_t khash, uint64_t version, uint64_t after_seq);

/* A new version, higher than all: for the tomb of what is removed next, so that it is not of what the key becomes after that.  0: there is none now. */
uint64_t log_version(struct store *s);

bool log_touch(struct store *s, uint64_t khash, uint64_t version, uint32_t exptime, uint64_t after_seq);

/* Bytes of the longest record. */
uint32_t log_longest(const struct store *s);

/* Under the lock: the stream's segment takes no more. */
void log_close_stream(struct store *s, unsigned stream);

/* Under the lock: is there room for a tomb? */
bool log_takes_tombs(const struct store *s);

/* Under the lock: up to which byte an image may be written; flush: a FILL closes its last block. */
uint32_t log_settled(struct store *s, struct image *im, bool flush);

/* ---- store.c ---- */

/* A record of this type, VALUE or MANIFEST, with item->value behind the key.  false: there is no room, and nothing was done; or *flushed. */
bool store_append(
    struct store *s, const struct store_item *item, enum record_type type, int64_t wall, uint64_t *cas, bool *flushed);

/* index_may_go_f of a store: takes the key's lock, so that nobody changes it before its tomb is noted. */
bool store_may_evict(void *arg, uint64_t khash);

/* ---- admit.c ---- */

void admit_init(struct store *s);
void admit_fini(struct store *s);

/* Something that nobody asked admit for has been written. */
void admit_written(struct store *s, uint64_t bytes);

/* ---- pieces.c ---- */

/*
 * This PIECE's segment goes: the value, if it is that of its key still, does too.  The seq of its manifest's segment, and the version of its tomb, if it
 * gets one; 0: it is not.  The keeper.
 */
uint64_t pieces_leave(struct store *s, const struct row *r, uint64_t *version);

/* store_step() has ended: who waits looks again. */
void pieces_stepped(struct store *s);

/* Before anybody can wait. */
void pieces_init(struct store *s);

/* ---- fetch.c: who reads out of an image that others may let go ---- */

struct image *fetch_hold_image(struct segment *g);
void fetch_let_go(struct image *im);

/* ---- free.c: which segments go, and when ---- */

bool free_step(struct store *s, bool flush, int64_t wall);

/* How many free segments there are to be. */
uint32_t free_wanted(const struct store *s);

/* All that is on the disk is given up, should the index ever have to be rebuilt. */
void free_discard(struct store *s);

/* ---- leave.c: what becomes of what is in one that goes ---- */

/* SEALED, or, if BAD, with its image still. */
void leave_begin(struct store *s, uint32_t segment, enum goes how);

/* A share of it.  true: it is over, and the segment FREEING, or BAD as before; or, if it cannot go as EXPIRED, SEALED. */
bool leave_step(struct store *s, int64_t wall);

/* It goes on with where it was when it is begun again. */
void leave_put_off(struct store *s);

/* Nothing leads to it any more. */
void leave_over(struct store *s, uint32_t segment);

/*
 * The head of the record that an entry leads to, and what it says if it is a MANIFEST (else zeros): out of its image, or with a read of the disk.
 * false: it cannot be read, or is none.
 */
bool leave_read_head(struct store *s, const struct place *p, struct record_head *h, struct manifest *m);

/* The rows of a sealed segment, at their place in s->scratch.  NULL: they cannot be read. */
const struct row *leave_read_rows(struct store *s, uint32_t segment);

/* ---- path.c: the disks ---- */

static inline unsigned
path_of(const struct store *s, uint32_t segment)
{
	return s->banks[geometry_bank(&s->g, segment)].path;
}

/* Segments that may begin.  And, under the lock, one of them, of each path in turn; there has to be one. */
uint32_t path_free(const struct store *s);
uint32_t path_take(struct store *s);

/* Under the lock: it is free again. */
void path_give(struct store *s, uint32_t segment);

/* Of all there are, those in paths that are not out. */
uint32_t path_segments(const struct store *s);

/* With each step: which ones are out?  What is open there takes no more, and what was out for a while is tried. */
void path_look(struct store *s);

/* What a path failed to do. */
void path_fails(struct store *s, unsigned path);

/*
 * What the keeper asks.  Of the only disk it waits for the answer; of one of several no longer than options.patience, and then it asks nothing until
 * that has let go: TIMEOUT.  Memory to read into is s->scratch, which may be another one afterwards, or the path's block.
 */
enum io_status path_read(struct store *s, uint32_t segment, void *to, size_t length, uint32_t from);
enum io_status path_write(struct store *s, const struct image *im, uint32_t from, size_t length);
enum io_status path_sync(struct store *s, uint32_t bank);

/* A super into the file of its generation, if the path takes one there now: not into one while the other may be torn. */
bool path_takes_super(const struct store *s, unsigned path, uint64_t generation);
enum io_status path_put_super(struct store *s, const struct super *super);

/* May a disk be writing this image yet? */
bool path_has(const struct store *s, const struct image *im);

/* From store_options; freed with all that is in them. */
int path_make(struct store *s);
void path_end(struct store *s);

/* ---- write.c: what reaches the disk ---- */

struct io_file *write_bank(const struct store *s, uint32_t segment);

/* What was written is durable, if that is asked for at all.  false: it is not. */
bool write_sync(struct store *s);
bool write_step(struct store *s, bool flush);

/* All that is known reaches the disk, then the super, then what is FREEING is free.  false: it failed. */
bool write_checkpoint(struct store *s);
enum io_status write_super(struct store *s, enum super_state state);

/* The rows of an image, and its trailer. */
enum io_status write_rows(struct store *s, struct image *im);

/* ---- open.c ---- */

/* A sentence about why it cannot be opened.  -1. */
int opened_fails(struct store_opened *o, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* What a store of these options is made with; all else is zero.  0, or -1 with a sentence. */
int store_plan_super(const struct store_options *o, struct super *p, struct geometry *g, struct store_opened *opened);

/* ---- identify.c ---- */

/* Which store this is: what is there, or a new one.  Fills s->super and s->g. */
int identify(struct store *s, struct store_opened *opened);

/* ---- files.c ---- */

/* In one path. */
struct supers_found {
	enum super_looks looks[2];
	struct super super; /* the newer one that is valid, if one is */
	struct geometry g;
	bool valid;
	bool lost; /* there was one, but it cannot be read */
	bool half; /* only one was ever written */
	struct super_lost segments;
	uint32_t format; /* it is of that one; 0: it is not */
};

/* The folders, and the supers in them, locked.  0, or -1 with a sentence. */
int files_open_supers(struct store *s, struct store_opened *opened);
void files_read_supers(struct path *p, struct supers_found *found);

/* As many as s->g says, as long as they should be; or else, if there is a store already, banks_cut. */
int files_open_banks(struct store *s, struct store_opened *opened);

/* There is no room for all of a new store: what this start made long is empty again, so that the disk is not left full of what nobody uses. */
void files_give_back(struct store *s);

/* When the super says that nothing in them counts: those that were cut get their length.  Not before, as that is what tells that something was lost. */
int files_lengthen_banks(struct store *s, struct store_opened *opened);

/* Is something in a file of this path that is called like a bank?  Also if that cannot be known. */
bool files_have_data(struct path *p);

/* Removes banks beyond those that the store before this one had, as its super says.  Others' files of such names stay. */
void files_remove_others(struct store *s);

/* ---- lost.c: segments of which a place cannot be read ---- */

/* Does the super that was found say so? */
bool lost_is(const struct store *s, uint32_t segment);

/* The store is going to begin empty because of these.  The next super says so, if it is not too many. */
void lost_note(struct store *s, const uint32_t *segments, uint32_t count);

/* The super is written: those that were noted are tried.  true: some are right, and may be used once the super says so, too. */
bool lost_mend(struct store *s);

/* The others are BAD. */
void lost_leave_out(struct store *s);

/* ---- at the start and the end ---- */

/* Fills index and segments from what the segments say.  0, or -1: no memory. */
int recover(struct store *s, int64_t wall, struct store_opened *opened);

/* As if nothing was there. */
void recover_nothing(struct store *s);

/* ---- recover_rows.c: what one segment says it has ---- */

struct found {
	uint64_t seq;
	uint32_t segment;
	bool sealed;
	struct segment_trailer trailer;
};

enum found_rows {
	ROWS_ALL,  /* that there ever were */
	ROWS_SOME, /* there may have been others, whose versions are at most trailer.version_max */
	ROWS_LOST, /* there may have been any */
};

/*
 * The rows of a segment, as in an image in s->scratch, the last one first: those that it was sealed with, or else made of its records.  im is filled in
 * but for next, failed and busy; made: they are not on the disk as they should be.
 */
enum found_rows recover_rows(struct store *s, const struct found *f, struct image *im, bool *made);

enum found_head {
	HEAD_FREE, /* nothing of it counts */
	HEAD_FOUND,
	HEAD_LOST, /* it cannot be known */
};

/* Whose segment is it, and of which seq?  Fills *f. */
enum found_head recover_head(struct store *s, uint32_t segment, struct found *f);

/* Later, when records can be written: what the index had no place for is noted as gone. */
void recover_lost(struct store *s);

/* From index.snap.  0, or -1: it is not to be trusted, and nothing has changed. */
int snapshot_load(struct store *s);
bool snapshot_write(struct store *s, uint64_t generation, uint64_t deadline, uint64_t *bytes, uint64_t *sum);

/* Gets the room that snapshot_write() is going to need. */
enum io_status snapshot_reserve(struct store *s);

#endif
