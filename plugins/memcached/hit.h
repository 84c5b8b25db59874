/*
 * What is answered most, read in one go instead of line, words and value after each other: a value that was asked for with nothing but v, f
 * and perhaps c, and is all there.
 *
 *	VA 100 f0 c7 O1234\r\n |value| \r\n
 */
#ifndef MEMCACHED_HIT_H
#define MEMCACHED_HIT_H

#include "request.h"

struct hit {
	size_t len;
	uint64_t cas; /* 0 without one */
	uint32_t flags;
	bool has_cas;
};

/* Returns where the value begins; NULL: this is something else, or not all of it, or not plain enough. */
const char *hit_read(struct hit *hit, const char *p, size_t len, const struct token *token);

#endif
