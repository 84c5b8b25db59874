/*
 * Values that describe themselves: whoever gets one back can say whose it is, which version, how long it was, and that no byte changed.
 *
 *	0         8      12         20       24
 *	checksum  key    version    length   pattern ...
 *	   └── of the key's name, version and length; it also says where in the pattern the rest begins
 *
 * Numbers are little-endian.  A value too short for a head is pattern only, and follows from key and length alone.  The pattern is
 * the same for ever: what one run stored another can check.  In it are words of the protocols, for servers that look into values.
 */
#ifndef LOAD_STAMP_H
#define LOAD_STAMP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "keys.h"

#define STAMP_HEAD 24

struct stamp {
	uint32_t key, len;
	uint64_t version;
};

/* Makes the pattern.  Before all else. */
void stamp_init(void);

/* Writes the value, s->len bytes.  Returns its end. */
char *stamp_write(const struct keys *k, const struct stamp *s, char *to);

/* Writes the first STAMP_HEAD bytes of a value of at least that length. */
void stamp_head(const struct keys *k, const struct stamp *s, char to[STAMP_HEAD]);

/* What a head says.  false: it is none, or of a key under another prefix. */
bool stamp_read(const struct keys *k, const char head[STAMP_HEAD], struct stamp *s);

/* Compares bytes of a value, the first of which is byte `at` of it (behind its head, if it has one).  Returns how many are as they
 * should be: n, or fewer. */
size_t stamp_compare(const struct keys *k, const struct stamp *s, size_t at, const char *p, size_t n);

#endif
