/* One request: what is asked, and what may be answered. */
#ifndef LOAD_REQUEST_H
#define LOAD_REQUEST_H

#include <stdbool.h>
#include <stdint.h>

#include "keys.h"
#include "stamp.h"

enum verb {
	VERB_GET,
	VERB_GETS,
	VERB_GAT,
	VERB_GATS,
	VERB_GETE,
	VERB_SET,
	VERB_ADD,
	VERB_REPLACE,
	VERB_APPEND,
	VERB_PREPEND,
	VERB_CAS,
	VERB_DELETE,
	VERB_INCR,
	VERB_DECR,
	VERB_TOUCH,
	VERB_VERSION,
	VERB_NOOP,
	VERB_FLUSH,
	VERB_COUNT
};

const char *verb_name(enum verb v);

/* By its name; VERB_COUNT if there is none. */
enum verb verb_find(const char *name, size_t len);

static inline bool
verb_reads(enum verb v)
{
	return v <= VERB_GETE;
}

static inline bool
verb_stores(enum verb v)
{
	return v >= VERB_SET && v <= VERB_CAS;
}

static inline bool
verb_counts(enum verb v)
{
	return v == VERB_INCR || v == VERB_DECR;
}

/* How a request ended, whatever the protocol calls it. */
enum outcome {
	OUTCOME_OK,	    /* a hit; stored; deleted; touched; counted */
	OUTCOME_MISS,	    /* there is no such key */
	OUTCOME_NOT_STORED, /* the verb forbids it: add and there is one, replace and there is none */
	OUTCOME_EXISTS,	    /* cas: another version */
	OUTCOME_TOO_LARGE,
	OUTCOME_NOT_A_NUMBER,
	OUTCOME_ERROR, /* the server says so, in words */
	OUTCOME_COUNT
};

#define MAY(outcome) (1U << OUTCOME_##outcome)

const char *outcome_name(enum outcome o);

/* How the value of a hit is looked at. */
enum check {
	CHECK_STAMPS, /* one value, or some behind each other, all of this key and whole; or a number, if the key is of numbers */
	CHECK_PIECES, /* exactly these */
	CHECK_NUMBER, /* exactly this one */
	CHECK_NOTHING,
};

#define PIECES_MAX 4

/* A part of a value: what one command stored. */
struct piece {
	uint64_t version;
	uint32_t len;
};

struct request {
	uint64_t due;	 /* when it was to be sent, ns */
	uint64_t number; /* incr, decr: by how much; storing a number: that */
	uint64_t expect; /* CHECK_NUMBER: this one; incr and decr: the outcome, if the plan knows it */
	uint64_t cas;
	uint32_t key;			/* the first, if there are several */
	uint32_t width;			/* how many keys */
	uint32_t heard;			/* of them, hits so far */
	uint32_t opaque;		/* this one's; with several keys each has its own, this is the last one's */
	uint32_t ttl;			/* seconds */
	uint32_t mark;			/* the plan's */
	uint8_t verb;			/* enum verb */
	uint8_t may;			/* MAY(...): what is no surprise; errors never are one */
	uint8_t check;			/* enum check */
	uint8_t pieces;			/* how many */
	bool flagged;			/* items have client flags that follow from their key; else 0 */
	bool filled;			/* CHECK_STAMPS: no value is empty */
	bool counted;			/* it is in the measured window */
	bool wrong;			/* the answer was */
	bool over;			/* it is answered already, and still being written */
	struct piece piece[PIECES_MAX]; /* storing: the first; CHECK_PIECES: all */
};

/* The client flags that an item under this key has. */
static inline uint32_t
request_flags(const struct request *r, uint32_t key)
{
	return r->flagged ? (uint32_t)random_mix(key + 1) & 0xffff : 0;
}

/* How many bytes it stores. */
uint32_t request_size(const struct request *r);

/* Writes what it stores.  Returns the end. */
char *request_value(const struct request *r, const struct keys *k, char *to);

#endif
