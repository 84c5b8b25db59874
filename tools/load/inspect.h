/* Looks at the value of a hit as its bytes come, in pieces of any length: is it what was stored?  Keeps nothing of it. */
#ifndef LOAD_INSPECT_H
#define LOAD_INSPECT_H

#include "request.h"

enum fault {
	FAULT_NONE,
	FAULT_LENGTH,  /* of the whole value */
	FAULT_HEAD,    /* where a value should begin there is none of ours */
	FAULT_KEY,     /* another key's */
	FAULT_VERSION, /* another version */
	FAULT_SHORT,   /* it ends before it should */
	FAULT_BYTES,   /* a byte is another */
	FAULT_NUMBER,  /* another number */
	FAULT_DIGITS,  /* no number */
	FAULT_FLAGS,   /* the client flags are not those that were stored */
};

struct inspect {
	const struct keys *keys;
	const struct request *asked;
	uint32_t key;
	uint32_t piece;	       /* of asked */
	uint64_t at, len;      /* in the whole value */
	struct stamp stamp;    /* of the piece at hand */
	uint64_t done;	       /* bytes of it; 0: none is at hand */
	char head[STAMP_HEAD]; /* as far as it came */
	uint32_t head_len;
	uint64_t number; /* what the digits so far say */
	bool padded;	 /* spaces came behind them */

	enum fault fault;   /* the first one */
	uint64_t fault_at;  /* byte of the value */
	uint64_t heard;	    /* length, number or flags */
	bool headed;	    /* of a value of another length: its head is known */
	struct stamp found; /* instead of the expected one */
};

/* A value of len bytes comes, for key, which is one of *asked's. */
void inspect_begin(struct inspect *i, const struct keys *k, const struct request *asked, uint32_t key, uint64_t len);

void inspect_take(struct inspect *i, const char *p, size_t n);

/* That was all.  Returns what is wrong. */
enum fault inspect_end(struct inspect *i);

/* It came with these client flags. */
void inspect_flags(struct inspect *i, uint32_t flags);

/* A sentence for a fault: what was expected, and what came. */
void inspect_tell(const struct inspect *i, char *buf, size_t size);

#endif
