/*
 * A value in pieces that is being read: a few reads of the disk at a time, each of one piece, into memory that was taken for all of them before the
 * first one was begun.
 *
 *	manifest ──► gather_new() ──► gather_begin() ──► pieces, checked ──► done(): a value, or why not
 */
#ifndef SSD_GATHER_H
#define SSD_GATHER_H

#include "fetch.h"

enum gathered {
	GATHER_ALL,	   /* the value is the caller's */
	GATHER_GONE,	   /* a piece's segment has been freed */
	GATHER_WRONG,	   /* a piece is not what was written */
	GATHER_UNREADABLE, /* the disk does not give it */
	GATHER_FAILED,	   /* it may be there: status says why not now */
};

struct gather {
	struct fetcher *fetcher;
	uint64_t khash;
	void (*done)(struct gather *g); /* from io_poll() */
	void *arg;

	/* The answer. */
	enum gathered how;
	enum io_status status;
	struct rend_value value;

	/* Its own. */
	struct manifest manifest;
	uint64_t deadline;
	uint32_t next, at_disk;
	struct part *parts; /* manifest.count */
};

/* What a manifest's bytes say.  *g is NULL without memory.  false: they are none. */
bool gather_new(struct gather **g, struct fetcher *fetcher, uint64_t khash, const void *manifest, uint32_t len);

/* Are all its pieces' segments there still? */
bool gather_stands(const struct gather *g);

struct manifest_piece gather_piece(const struct gather *g, uint32_t nth);

/* Reads them.  true: it is known how it ended, and done() is not called. */
bool gather_begin(struct gather *g);

/* It has ended, or was not begun.  *g is NULL afterwards; NULL before is fine. */
void gather_free(struct gather **g);

/* ns that a value of so many bytes may take, if a read may take `time`. */
uint64_t gather_time(uint64_t time, uint64_t len);

#endif
