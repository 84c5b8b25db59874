/* What a new connection is asked first, to learn what its backend understands.  No I/O. */
#ifndef MEMCACHED_PROBE_H
#define MEMCACHED_PROBE_H

#include <stdbool.h>

#include "answer.h"
#include "request.h"
#include "sendq.h"

#define PROBE_QUESTIONS 3

/* All-zero is the beginning. */
struct probe {
	struct question asked[PROBE_QUESTIONS];
	unsigned answered;
	bool meta;     /* it answers as one that speaks meta */
	bool sets_cas; /* ... and takes the flag E */
	unsigned version;
};

/* Puts the questions into q.  0, or -1: no memory. */
int probe_put(struct probe *p, struct sendq *q);

/* What is to be answered next. */
const struct question *probe_next(const struct probe *p);

/* One was answered.  true: that was the last. */
bool probe_answered(struct probe *p, const struct answer *a);

/* What the answers say. */
struct dialect probe_dialect(const struct probe *p);

#endif
