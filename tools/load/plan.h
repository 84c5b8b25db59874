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
struct json;

struct plan {
	/* Fills in *r, which is all-zero but for width 1 and flagged, for connection number `wire`; slots takes the keys, if they are
	 * several.  false: nothing more for this connection. */
	bool (*next)(struct plan *p, uint32_t wire, struct request *r, uint32_t *slots);

	/* It is answered.  Returns NULL, or what is wrong with the answer (good until the next call).  May be NULL. */
	const char *(*answered)(struct plan *p, const struct request *r, const struct answer *a);

	/* It was sent, or begun to be, and no answer will come.  May be NULL. */
	void (*lost)(struct plan *p, const struct request *r);

	/* At the end: what only this tool knows.  Returns false if something of it is wrong.  May be NULL. */
	bool (*report)(struct plan *p, FILE *to, struct json *j);

	void (*free)(struct plan *p);
};

#endif
