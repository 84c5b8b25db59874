/* Ops as a backend wants to read them.  No I/O. */
#ifndef MEMCACHED_REQUEST_H
#define MEMCACHED_REQUEST_H

#include <stdbool.h>

#include "rend/op.h"
#include "sendq.h"

/* What a backend understands. */
struct dialect {
	bool meta;     /* mg, ms, md, ma as memcached has them since 1.6.13; else classic text */
	bool sets_cas; /* the flag E; and N of append and prepend: since 1.6.27 */
};

/* Which answers fit: one bit each, for the tables in answer.c. */
enum {
	FORM_MG = 1 << 0,
	FORM_MS = 1 << 1,
	FORM_MD = 1 << 2,
	FORM_MA = 1 << 3,
	FORM_GET = 1 << 4, /* classic from here on */
	FORM_STORE = 1 << 5,
	FORM_DELETE = 1 << 6,
	FORM_TOUCH = 1 << 7,
	FORM_ARITH = 1 << 8,
	FORM_FLUSH = 1 << 9,
	FORM_VERSION = 1 << 10,
	FORM_META = FORM_MG | FORM_MS | FORM_MD | FORM_MA,
};

/* An opaque, as it stands in a line.  All are equally long, so they are neither printed nor parsed, but copied and compared. */
#define TOKEN_LEN 4
struct token {
	char digits[TOKEN_LEN];
};

/* What was asked, as far as its answer is checked against it. */
struct question {
	uint16_t form;
	uint8_t verb;
	struct token token; /* meta: comes back in the answer */
	const char *key;    /* the op's */
	size_t keylen;
	uint32_t want, mode;
	int64_t exptime;
	uint64_t cas;
	int64_t wall; /* unix seconds, when it was asked */
};

/*
 * Puts the op into q and fills *asked.  wall: unix seconds now.  REND_OK; or what to end the op with, and nothing was
 * put: UNSUPPORTED, NO_MEMORY.
 */
enum rend_status request_put(struct sendq *q, const struct rend_op *op, struct dialect dialect, struct token token,
    int64_t wall, struct question *asked);

/*
 * memcached's way with times: what is over is -1, up to 30 days are seconds from now, what is further away is unix
 * time, at most as late as it can read: 2038.  exptime: unix seconds, 0 never.
 */
int64_t request_exptime(int64_t exptime, int64_t wall);

#endif
