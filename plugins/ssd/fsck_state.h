/* What the parts of fsck share. */
#ifndef SSD_FSCK_STATE_H
#define SSD_FSCK_STATE_H

#include "fsck.h"
#include "index.h"

/* A piece of a value: that there is, or that a manifest names. */
struct fsck_piece {
	uint64_t seq, khash, version;
	uint32_t segment, start, len, nth;
};

struct fsck_pieces {
	struct fsck_piece *piece;
	size_t count, room;
};

/* One of the store's folders. */
struct fsck_path {
	const char *dir;
	struct io_file *supers[2];
	struct super super; /* the newer one */
	struct geometry g;
	bool valid[2];
};

struct fsck {
	struct io *io;
	struct fsck_path paths[FORMAT_PATHS_MAX]; /* as they were given; then each at its number */
	unsigned path_count;
	fsck_say_f *say;
	void *arg;
	struct fsck_found *found;
	bool same_boot;		   /* nothing was lost for want of power since the store was used */
	struct io_file *bank;	   /* that is looked at; NULL: it cannot be */
	struct index *index;	   /* NULL: there is none to be trusted */
	struct snap_segment *snap; /* of each segment, as index.snap has it; NULL: there is none to be trusted */
	uint64_t *seqs;		   /* of each segment that is in use; 0: it is not */
	uint64_t *sealed;	   /* of each segment whose rows are right; 0: it is not, or they are not */
	struct fsck_pieces pieces; /* there are */
	struct fsck_pieces named;  /* by manifests */
	bool pieces_unknown;	   /* for want of memory */
	uint64_t live;		   /* entries that a row was found for */
	char *segment;		   /* memory for one */
};

void fsck_wrong(struct fsck *f, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void fsck_note(struct fsck *f, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* What is wrong unless there was a power cut; that may tear what was not synced. */
void fsck_doubt(struct fsck *f, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* A file in one of the store's folders. */
enum io_status fsck_open(struct fsck *f, unsigned path, const char *name, int flags, struct io_file **file);

/* index.snap, into f->index and f->snap.  -1: no memory. */
int fsck_index(struct fsck *f);

/* One segment, with all that is in it. */
void fsck_segment(struct fsck *f, uint32_t number);

/* ---- fsck_pieces.c ---- */

/* A valid PIECE. */
void fsck_piece(struct fsck *f, uint32_t segment, uint32_t start, const struct record_head *h);

/* What a valid MANIFEST has behind its key.  false: that is no manifest. */
bool fsck_manifest(struct fsck *f, const struct record_head *h, const char *body);

/* When all were seen: are they where they should be? */
void fsck_pieces(struct fsck *f);
void fsck_pieces_free(struct fsck *f);

#endif
