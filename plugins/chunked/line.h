/*
 * One worker's appends, prepends, incrs and decrs, one at a time for each key: the others would only find that somebody was faster.  Those of
 * other workers and processes are told apart by the meta's version.
 */
#ifndef CHUNKED_LINE_H
#define CHUNKED_LINE_H

#include <stdbool.h>

struct task;

#define LINE_SLOTS 256

/* Those that are at it, by hash; behind each, the oldest first, those that wait for it. */
struct line {
	struct task *slots[LINE_SLOTS];
};

/* true: it is its turn.  false: it has to wait, and go() is called when it is. */
bool line_enter(struct line *l, struct task *t, void (*go)(struct task *t));

/* The next one has its turn. */
void line_leave(struct line *l, struct task *t);

#endif
