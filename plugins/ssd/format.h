/*
 * What is on the disk, exactly enough for another program to read a store.  All numbers are little-endian; all structs are as they lie there.
 *
 *	folder/	super.a super.b		4 KiB each, the same in both: which store this is, and how it was left
 *		index.snap		the index, valid only if the newer super says CLEAN and names its sum
 *		data.000 data.001 ...	banks: `bank` bytes each, of segments one behind the other
 *
 * A store in several folders, its paths, has supers in each, which say which path that is; bank n is in path n modulo their number, and index.snap in
 * the first one.  The newest super of all paths counts.  One that has an older super than that one knows it to have is not what was left.
 *
 *	segment	[ head 4 KiB | records, each a run of whole chunks ... | (unused) ... | rows | trailer 4 KiB ]
 *		               start: in chunks, from the segment's begin ┘         row 0 is the last ┘
 *
 * A segment is written from its begin on, once, and freed as a whole.  What was written of it is never written again, but for another generation
 * of the segment under a higher seq.  Rows and trailer are written when it is sealed; before that, its records are found one behind the other:
 * the first that is not valid is the end.
 *
 * A record:	[ head 64 | key | value | zeros up to the next chunk ]
 * A value that is too large for one is in several, each with a PIECE of it; a MANIFEST, which is written when they are on the disk, has the key, and
 * says where they are.  It is the value's record; a PIECE by itself is nothing.  If one of them is not there any more, the value is not.
 * To the store two records are of one thing if the index takes their khash for one: if both lead to the same pair of buckets with the same tag
 * (index_state.h: the tag is the lower 17 bits; the first bucket is khash * super.buckets / 2^64, and the other follows from that one, the tag and
 * super.buckets).  The key says no more than whether what is found is what was asked for.
 * Of the records of one thing the one with the highest version is the truth; of equal versions, the one of the higher (seq, start).  A TOMB
 * of that version says that there is nothing.  A TOUCH changes the exptime of the record of its version, if it has a higher (seq, start) than that; the
 * last one counts.  What has an exptime that has passed is not there.
 *
 * A change of the super is written to one file, synced, then to the other, and holds once it is in both: so when one of them cannot be read the other
 * has all that was relied on since.
 *
 * A store that has to be read without its index: take the newer valid super.  Of all segments with a valid head of this uuid take those with
 * seq >= both super.flush_seq and super.min_seq, but for those that are lost (super_lost).  Those with a valid trailer of that seq have rows; of the others read the records.  Leave out what
 * has a version < super.discard_below.  khash is XXH3-64 of the key with super.seed.  What cannot be read may have had something newer than any record
 * of a version up to the highest that it can have had: trailer.version_max, or else super.version_limit.
 */
#ifndef SSD_FORMAT_H
#define SSD_FORMAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the structs below are as they lie on the disk");

#define FORMAT_VERSION	   3 /* 1 has no MANIFEST and no PIECE, 2 no STALE: what was made with them is read */
#define FORMAT_PATHS	   4 /* the same, of a store in several folders */
#define FORMAT_OLDEST	   1
#define FORMAT_NEWEST	   FORMAT_PATHS
#define FORMAT_BLOCK	   4096 /* bytes; nothing smaller is written */

#define FORMAT_CHUNK_MIN   64
#define FORMAT_CHUNK_MAX   4096
#define FORMAT_SEGMENT_MIN (128U << 10)
#define FORMAT_SEGMENT_MAX (64U << 20)
#define FORMAT_UUID	   16
#define FORMAT_VERSION_MAX ((1ULL << 48) - 1) /* of records */
#define FORMAT_SEQ_MAX	   (1ULL << 60)
#define FORMAT_BUCKETS_MAX (1ULL << 40)
#define FORMAT_PATHS_MAX   16

/* ---- super ---- */

enum super_state {
	SUPER_DIRTY = 1, /* in use, or left without an end */
	SUPER_CLEAN,	 /* ended: all segments are sealed, and index.snap is the index */
};

#define SUPER_MAGIC 0x31445353444e4552ULL /* "RENDSSD1" */

struct super {
	uint64_t magic;
	uint32_t format; /* FORMAT_OLDEST to FORMAT_NEWEST */
	uint32_t state;
	uint64_t
	    generation; /* rises with each write; the higher one counts; even ones are in super.a, odd ones in super.b */
	uint8_t uuid[FORMAT_UUID];
	/* What the store was made with. */
	uint64_t seed;	  /* of khash */
	uint64_t bank;	  /* bytes; a multiple of segment */
	uint64_t buckets; /* of the index */
	uint32_t banks;
	uint32_t segment; /* bytes; a multiple of FORMAT_BLOCK */
	uint32_t chunk;	  /* bytes; a power of two */
	uint32_t boot;	  /* io_boot() when this was written */
	/* What holds of it. */
	uint64_t version_limit; /* no record has one as high */
	uint64_t seq_limit;	/* nor a segment such a seq */
	uint64_t flush_seq;	/* segments below are empty: flush_all */
	uint64_t min_seq;	/* segments below are free */
	uint64_t discard_below; /* records with a lower version are not there */
	/* CLEAN: of index.snap. */
	uint64_t snap_bytes;
	uint64_t snap_sum; /* XXH3-64 of its last MiB, seeded with that of the MiB before, and so on from 0 */
	uint64_t sum;	   /* XXH3-64 of all before; but for FORMAT_PATHS, zeros up to FORMAT_LOST follow */
	/* Only FORMAT_PATHS has these; of others there is one path. */
	uint32_t paths, path;		/* how many there are, and which this one is, from 0 on */
	uint64_t got[FORMAT_PATHS_MAX]; /* the generation of a super that each had for certain, when this was written */
	uint64_t paths_sum;		/* XXH3-64 of all before; zeros up to FORMAT_LOST follow */
};

/*
 * In the same block, at FORMAT_LOST: segments of which a place could not be read, nor written, when the store began empty for that.  They are not used,
 * so nothing that counts was ever in them since.  It holds only with the super that it was written with; a program that does not know of it writes zeros.
 */
#define FORMAT_LOST	 2048 /* bytes from the block's begin */
#define FORMAT_LOST_MOST 60
#define LOST_MAGIC	 0x3154534c444e4552ULL /* "RENDLST1" */

struct super_lost {
	uint64_t magic;
	uint64_t generation; /* the super's */
	uint32_t count;
	uint32_t reserved;
	uint32_t number[FORMAT_LOST_MOST];
	uint64_t sum; /* as in super */
};

/* ---- segments ---- */

#define SEGMENT_MAGIC 0x31474553444e4552ULL /* "RENDSEG1" */

struct segment_head {
	uint64_t magic;
	uint64_t seq; /* rises with each segment that is begun, from 1 */
	uint8_t uuid[FORMAT_UUID];
	uint32_t number; /* which segment this is: bank * segments in a bank + place in it */
	uint32_t stream;
	uint64_t began; /* unix seconds */
	uint64_t sum;	/* as in super */
};

#define TRAILER_MAGIC 0x31434f54444e4552ULL /* "RENDTOC1" */

struct segment_trailer {
	uint64_t magic;
	uint64_t seq;
	uint8_t uuid[FORMAT_UUID];
	uint32_t number;
	uint32_t rows;
	uint32_t used;	      /* chunks, head and records */
	uint32_t touches;     /* rows of that type */
	uint64_t version_max; /* of its records */
	uint64_t rows_sum;    /* XXH3-64 of the rows as they lie there, the last one first */
	uint64_t sum;	      /* as in super */
};

/* ---- records ---- */

enum record_type {
	RECORD_VALUE = 1,
	RECORD_TOMB,	 /* deleted, or not kept: no older record of this khash is there */
	RECORD_TOUCH,	 /* exptime is that of the record with this version now */
	RECORD_FILL,	 /* nothing, up to a block's end; has no row */
	RECORD_MANIFEST, /* a value's, which is in pieces: a struct manifest is where the value would be */
	RECORD_PIECE,	 /* a part of a value.  It has the khash of the value's key, and never expires by itself */
};

/* Is it what is there for a key? */
static inline bool
record_is_value(unsigned type)
{
	return type == RECORD_VALUE || type == RECORD_MANIFEST;
}

enum {
	RECORD_OVERWRITES = 1 << 0, /* there may be an older one */
	RECORD_MOVED = 1 << 1,	    /* a copy of an older record, whose segment was to be freed */
	RECORD_SENT = 1 << 2,	    /* a client was sent to fill it: a get left it, empty, or it was so marked before */
	RECORD_STALE = 1 << 3,	    /* who gets it is told that it is stale */
};

#define RECORD_HEAD 64

struct record_head {
	uint32_t sum; /* lower half of XXH3-64, seeded with 1, of the rest of the head */
	uint8_t type;
	uint8_t flags;
	uint8_t reserved;
	uint8_t keylen;	  /* only VALUE and MANIFEST have a key */
	uint32_t len;	  /* of what follows the key, bytes; only these and PIECE have any */
	uint32_t cflags;  /* the client's; of a PIECE, which one it is, from 0 on */
	uint32_t exptime; /* unix seconds; 0 never */
	uint32_t chunks;  /* of the whole record */
	uint64_t khash;
	uint64_t version;  /* at most FORMAT_VERSION_MAX */
	uint64_t cas;	   /* what the client knows as its version */
	uint64_t seq;	   /* of the segment it was written to */
	uint64_t body_sum; /* XXH3-64 of key and value */
};

/* Bytes of a value in one PIECE at most: with its head, and up to whole blocks at both ends, it is read into a MiB. */
#define FORMAT_PIECE_MOST ((1U << 20) - 2 * FORMAT_BLOCK)

/* In a MANIFEST, and not aligned there; `count` manifest_pieces follow, in the order of the value. */
struct manifest {
	uint64_t len;	  /* of the value, bytes */
	uint64_t version; /* that its pieces have */
	uint32_t count;
	uint32_t reserved;
};

struct manifest_piece {
	uint64_t seq;	  /* of the segment */
	uint32_t segment; /* its number */
	uint32_t start;	  /* chunk in it */
	uint32_t len;	  /* of the piece, bytes */
	uint32_t reserved;
};

/* What a trailer's rows say of each record; a record that is not a VALUE counts, too. */
struct row {
	uint64_t khash;
	uint32_t exptime;
	uint8_t version[6];
	uint8_t start[3]; /* chunks */
	uint8_t type;
	uint8_t flags;
	uint8_t size; /* as the index knows it: size_class.h */
};

_Static_assert(sizeof(struct super) == 288 && offsetof(struct super, sum) == 136, "super");
_Static_assert(sizeof(struct super_lost) == 272, "super_lost");
_Static_assert(sizeof(struct segment_head) == 56, "segment_head");
_Static_assert(sizeof(struct segment_trailer) == 72, "segment_trailer");
_Static_assert(sizeof(struct record_head) == RECORD_HEAD, "record_head");
_Static_assert(sizeof(struct row) == 24, "row");
_Static_assert(sizeof(struct manifest) == 24, "manifest");
_Static_assert(sizeof(struct manifest_piece) == 24, "manifest_piece");

/* ---- the index in a file ---- */

#define SNAP_MAGIC 0x31504e53444e4552ULL /* "RENDSNP1" */

/* index.snap: this, zeros up to FORMAT_BLOCK, a snap_segment for each segment, zeros up to a block's end, then the buckets as they are in RAM. */
struct snap_head {
	uint64_t magic;
	uint8_t uuid[FORMAT_UUID];
	uint64_t generation; /* of the first super that says CLEAN; that of the second is higher by one */
	uint64_t buckets;
	uint32_t segments;
	uint32_t reserved;
};

struct snap_segment {
	uint64_t seq; /* 0: it is free */
	uint64_t version_max;
	uint32_t rows, used, touches; /* as in its trailer */
	uint32_t exptime_max; /* of its records, touches included; UINT32_MAX: one never expires; 0: it has no values */
};

_Static_assert(sizeof(struct snap_head) == 48, "snap_head");
_Static_assert(sizeof(struct snap_segment) == 32, "snap_segment");

/* ---- what follows from a super ---- */

struct geometry {
	uint32_t chunk, segment; /* bytes */
	uint32_t per_bank;	 /* segments */
	uint32_t segments;	 /* of all banks */
	uint32_t banks;
	uint64_t bank; /* bytes */
};

/* Which bank file a segment is in, and where. */
static inline uint32_t
geometry_bank(const struct geometry *g, uint32_t segment)
{
	return segment / g->per_bank;
}

static inline uint64_t
geometry_offset(const struct geometry *g, uint32_t segment)
{
	return (uint64_t)(segment % g->per_bank) * g->segment;
}

static inline uint32_t
geometry_chunks(const struct geometry *g, uint64_t bytes)
{
	return (uint32_t)((bytes + g->chunk - 1) / g->chunk);
}

/* The first chunk behind a segment's head. */
static inline uint32_t
geometry_first(const struct geometry *g)
{
	return FORMAT_BLOCK / g->chunk;
}

/* Bytes of whole blocks for so many. */
static inline uint64_t
format_blocks(uint64_t bytes)
{
	return (bytes + FORMAT_BLOCK - 1) / FORMAT_BLOCK * FORMAT_BLOCK;
}

/* ---- writing: each fills a block (but for records), sums included ---- */

void format_super(void *block, const struct super *s);
void format_lost(void *block, const struct super_lost *l); /* into a super's block; nothing, if there are none */
void format_segment_head(void *block, const struct segment_head *h);
void format_trailer(void *block, const struct segment_trailer *t);

/* Fills in sum; all else is set. */
void format_record(struct record_head *h);

/* khash of a key. */
uint64_t format_khash(const void *key, size_t len, uint64_t seed);

/* XXH3-64. */
uint64_t format_sum(const void *p, size_t len);
uint64_t format_sum_on(const void *p, size_t len, uint64_t before); /* seeded */

/* ---- reading: what the bytes say is believed only when their sum and all that follows from it is right ---- */

enum super_looks {
	SUPER_BLANK, /* zeros: none was ever written */
	SUPER_BROKEN,
	SUPER_OTHER, /* of another format, by what it says: s->format.  Its sum is not known how to make */
	SUPER_VALID,
};

/* Fills *s, but for BLANK, and *g, if VALID; paths is 1 then, if that is not said. */
enum super_looks format_super_look(const void *block, struct super *s, struct geometry *g);

/* Is it VALID? */
bool format_super_read(const void *block, struct super *s, struct geometry *g);

/* What a valid super's block says of them; none, if it says nothing that holds. */
void format_lost_read(const void *block, const struct super *s, const struct geometry *g, struct super_lost *l);

/* Not its sum, but numbers that a store can be made with?  Fills *g. */
bool format_super_sound(const struct super *s, struct geometry *g);

/* A whole head, of whatever store and segment. */
bool format_segment_head_any(const void *block, struct segment_head *h);

/* Of this one. */
bool format_segment_head_read(
    const void *block, const uint8_t uuid[FORMAT_UUID], uint32_t number, struct segment_head *h);

/* Also checks that rows and records share no block.  The rows lie at g->segment - FORMAT_BLOCK - rows * sizeof(struct row). */
bool format_trailer_read(const void *block, const struct geometry *g, const uint8_t uuid[FORMAT_UUID], uint32_t number,
    struct segment_trailer *t);

/* Does a valid record head of this segment begin at p, where `room` bytes are left in the segment?  Lengths and chunks are then consistent. */
bool format_record_read(const void *p, const struct geometry *g, uint64_t seq, size_t room, struct record_head *h);

/* The highest seq in [least, limit) of the valid record heads in `len` bytes of a segment, where chunks begin at p.  0: there are none. */
uint64_t format_seq_in(const void *p, size_t len, const struct geometry *g, uint64_t least, uint64_t limit);

/*
 * At byte `from` of a segment no whole record begins.  Is that a hole, and not the end of what was written?  It is if there is one of this seq behind
 * it, or if there was one whose block was written: only what reaches into the next block may have been cut there.  All up to byte `to` can be looked at.
 */
bool format_is_hole(const char *segment, uint32_t from, uint32_t to, const struct geometry *g, uint64_t seq);

/* Key and value are as they were written?  p: the record's begin; all of it is there. */
bool format_body_ok(const void *p, const struct record_head *h);

/* A MANIFEST's `len` bytes say what is possible in such a store?  The pieces are then read by format_piece(). */
bool format_manifest_read(const void *p, uint32_t len, const struct geometry *g, struct manifest *m);

/* The nth of a manifest at p. */
struct manifest_piece format_piece(const void *p, uint32_t nth);

/* Is this valid record head that of the manifest's nth piece? */
bool format_is_piece(const struct record_head *h, uint64_t khash, const struct manifest *m, uint32_t nth, uint32_t len);

/* A row, and is it possible in this segment?  version and start out of it. */
bool format_row_ok(const struct row *r, const struct geometry *g, uint32_t used);

/* A class of sizes (size_class.h) that a record of such a segment can be of? */
bool format_size_ok(uint8_t size, const struct geometry *g);

static inline uint64_t
row_version(const struct row *r)
{
	uint64_t v = 0;

	__builtin_memcpy(&v, r->version, sizeof r->version);
	return v;
}

static inline uint32_t
row_start(const struct row *r)
{
	uint32_t start = 0;

	__builtin_memcpy(&start, r->start, sizeof r->start);
	return start;
}

#endif
