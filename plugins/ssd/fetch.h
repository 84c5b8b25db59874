/*
 * One record, read: out of an image if its segment is still in RAM, else with one read of the disk.
 *
 *	store_find ── no ──► MISS
 *	    │ image ──► held, looked for again ──► copied out, at once
 *	    └ disk ──► io_request ──► is it what the index meant? ── yes ──► HIT, without a copy
 *	    │                             └── no: look again; twice the same: the record is broken, and erased
 *	    └ a manifest ──► gather.h: its pieces, with one deadline for all of them
 */
#ifndef SSD_FETCH_H
#define SSD_FETCH_H

#include "buffers.h"
#include "format.h"
#include "store.h"

enum fetched {
	FETCH_HIT,
	FETCH_MISS,
	FETCH_FAILED, /* status says why: it may be there or not */
};

/* A worker's. */
struct fetcher {
	struct store *store;
	struct io_queue *queues[STORE_PATHS_MOST]; /* to each of the store's paths */
	struct buffers *buffers;
	unsigned shelf; /* the worker's, in buffers */
	uint64_t time;	/* ns, of one read */
};

struct gather;

struct fetch {
	/* The question. */
	uint64_t khash;
	const char *key; /* has to stay until the answer */
	uint8_t keylen;
	bool whole;  /* with the value; else only the head is known to be right */
	bool locked; /* the key's lock is the caller's */
	bool quiet;  /* it is not noted as a hit */
	bool erased; /* an answer as well: what could not be read was taken out of the index */
	int64_t wall;
	void (*done)(struct fetch *f); /* from io_poll() */

	/* The answer.  HIT: */
	enum fetched result;
	enum io_status status;
	struct entry entry; /* with its exptime */
	struct record_head head;
	uint64_t len;	      /* of the value, bytes */
	struct rend_buf *buf; /* whole: the caller's reference; NULL: the value is in pieces */
	const char *value;    /* in it */
	struct rend_value pieces;

	/* Its own. */
	struct fetcher *fetcher;
	unsigned tries;
	bool all;	       /* of the record is read */
	uint64_t until;	       /* io_now() when it is late: of all its reads but those of pieces */
	uint64_t seq;	       /* of the segment, when it was looked for */
	struct gather *gather; /* the record is a manifest */
};

/* What was asked goes to the disks (io_flush()). */
void fetcher_flush(struct fetcher *fetcher);

/* true: answered, done() is not called.  false: done() will be.  The queues' thread, which calls fetcher_flush() afterwards. */
bool fetch_begin(struct fetcher *fetcher, struct fetch *f);

#endif
