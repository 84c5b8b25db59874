/*
 * What a tool does: which request comes next, and what it thinks of the answer.  Each tool embeds a struct plan at its beginning.
 *
 * What is the same for all is done elsewhere: whether the outcome was one of request.may, and the value what request.check says.
 */
#ifndef LOAD_PLAN_H
#define LOAD_PLAN_H

#include <stdio.h>

#include "request.h"

struct answer;
struct inspect;
struct json;

struct plan {
	/* Fills in *r, which is all-zero but for width 1 and flagged, for connection number `wire`; slots takes the keys, if they are
	 * several.  false: nothing more for this connection. */
	bool (*next)(struct plan *p, uint32_t wire, struct request *r, uint32_t *slots);

	/* The value of one of its keys came; i says which it is, and what is known to be wrong with it.  Returns NULL, or what else is
	 * (good until the next call).  May be NULL. */
	const char *(*value)(struct plan *p, const struct request *r, const struct inspect *i);

	/* It is answered; r->wrong: and something of that is known to be wrong.  Returns NULL, or what else is (good until the next
	 * call).  May be NULL. */
	const char *(*answered)(struct plan *p, const struct request *r, const struct answer *a);

	/* It was sent, or begun to be, and no answer will come.  May be NULL. */
	void (*lost)(struct plan *p, const struct request *r);

	/* At the end: what only this tool knows.  Returns false if something of it is wrong.  May be NULL. */
	bool (*report)(struct plan *p, FILE *to, struct json *j);

	/* In the measured time, once an interval; ns since its beginning.  May be NULL. */
	void (*tick)(struct plan *p, uint64_t since);

	/* The measured time is over.  May be NULL. */
	void (*over)(struct plan *p, uint64_t since);

	void (*free)(struct plan *p);

	uint64_t largest; /* bytes that a request of it may store */
};

#endif
