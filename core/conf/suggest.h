/* Did you mean ...?  The nearest of some names to one that does not exist. */
#ifndef CONF_SUGGEST_H
#define CONF_SUGGEST_H

#include <stddef.h>

/* How many letters were added, left out, changed, or swapped with their neighbour; more than max counts as max + 1. */
unsigned suggest_distance(const char *a, const char *b, unsigned max);

/* Takes candidates one by one.  All-zero but for wrong is the beginning. */
struct suggest {
	const char *wrong;
	const char *best; /* NULL: none is near */
	unsigned distance;
};

/* name is kept, not copied. */
void suggest_try(struct suggest *s, const char *name);

/* "; did you mean memory?", or "" */
const char *suggest_text(const struct suggest *s, char *buf, size_t size);

#endif
