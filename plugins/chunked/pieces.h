/* Asks for all pieces of a value: a window of them at a time. */
#ifndef CHUNKED_PIECES_H
#define CHUNKED_PIECES_H

#include <stdbool.h>
#include <stdint.h>

#include "rend/status.h"

struct task;

enum pieces_what {
	PIECES_READ,  /* into t->assembly, those of t->was; with REND_ALSO_TOUCH they are touched too */
	PIECES_WRITE, /* those of t->is */
	PIECES_TOUCH, /* those of t->was, to t->exptime */
	PIECES_DELETE /* those of t->was */
};

struct pieces {
	uint8_t what;
	uint8_t status; /* OK, or the first that is none: nothing more is asked then */
	bool missing;	/* read, touch: one is not there */
	bool mixed;	/* read: one belongs to another value */
	bool pumping;
	uint32_t next, count, out;
	void (*over)(struct task *t);
};

/* Asks for all of them, or until one says no; then over(t). */
void pieces_run(struct task *t, enum pieces_what what, uint32_t count, void (*over)(struct task *t));

/* Is the value not there, although its meta is? */
static inline bool
pieces_broken(const struct pieces *p)
{
	return p->missing || p->mixed;
}

#endif
