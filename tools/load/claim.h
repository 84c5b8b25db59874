/* Assertions about what a run came to: "p99<2ms", "errors=0", "get.hits>0", "hit_ratio>=90%". */
#ifndef LOAD_CLAIM_H
#define LOAD_CLAIM_H

#include "summary.h"

struct claim {
	const char *text; /* not terminated */
	size_t len;
	size_t name_len;
	char op[3]; /* < <= = != >= > */
	double limit;
};

/* The first claim of text, which goes on behind commas; *rest is what follows, or NULL.  Against s its name and unit are checked.
 * NULL, or what is wrong; the string is static. */
const char *claim_parse(struct claim *c, const char *text, const char **rest, const struct summary *s);

/* Does it hold?  *value is what it is about.  Nothing holds of what was not measured. */
bool claim_holds(const struct claim *c, const struct summary *s, double *value);

/* Writes the value as a person would. */
void claim_value(const struct claim *c, const struct summary *s, char *buf, size_t size);

#endif
