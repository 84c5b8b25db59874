/* What a backend answers, checked against what it was asked.  No I/O. */
#ifndef MEMCACHED_ANSWER_H
#define MEMCACHED_ANSWER_H

#include <stdbool.h>

#include "recvq.h"
#include "rend/op.h"
#include "request.h"

/* A longer line is none. */
#define ANSWER_LINE_MAX 2048

/* A longer value is a lie: memcached's own items end at 1 GiB. */
#define ANSWER_VALUE_MAX ((1ULL << 30) + (1ULL << 20))

enum answer_parse {
	ANSWER_MORE,	/* it is not all there yet */
	ANSWER_READY,	/* *a is one */
	ANSWER_GARBAGE, /* not an answer to this question; a->why says why.  What follows cannot be trusted either. */
	ANSWER_MEMORY,	/* no memory for it; a->why says so */
};

/* All-zero is the beginning of the next one. */
struct answer {
	enum { ANSWER_LINE, ANSWER_BODY, ANSWER_BODY_END, ANSWER_TAIL } stage;
	size_t left;	/* bytes of the value still to come */
	bool hit;	/* there is, or will be, an item */
	uint8_t status; /* enum rend_status */
	bool suspect; /* this answer holds, but the backend may take the value we sent for commands: close afterwards */
	bool meta;    /* the probe: it answered as a backend that speaks meta */
	unsigned version; /* the probe: 1.6.18 is 10618; 0: something else */
	struct rend_item item;
	const char *why; /* static */
};

/*
 * Goes on reading an answer to *asked.  wall: unix seconds when it was asked, which the backend's answer cannot be older than: so a time
 * to live, told in seconds, is never taken for a later one.
 */
enum answer_parse answer_read(struct answer *a, struct recvq *q, const struct question *asked, int64_t wall);

/* Writes a ready answer into the op; a is empty afterwards.  Returns what to end the op with. */
enum rend_status answer_give(struct answer *a, struct rend_op *op);

/* Drops what it holds; *a is all-zero afterwards. */
void answer_drop(struct answer *a);

#endif
