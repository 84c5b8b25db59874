/* The words of a line of text: what lies between spaces. */
#ifndef PROTO_WORDS_H
#define PROTO_WORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "rend/op.h"

/* Small enough to be returned in registers. */
struct word {
	const char *p;
	uint32_t len;
	bool printable; /* no control characters in it; of word_first() and word_next() only */
};

/* The first space, control character or DEL in p..end, or end. */
const char *word_printable(const char *p, const char *end);

/* Can every word in p..end be a key?  As word_is_key() of one after the other. */
bool words_are_keys(const char *p, const char *end);

/* The first word in p..end; one of length 0, at end, if there is none. */
struct word word_first(const char *p, const char *end);

/* The one behind w. */
struct word word_next(const struct word *w, const char *end);

/* The last word in p..end; one of length 0 if there is none. */
struct word word_last(const char *p, const char *end);

/* Most words differ in their first letter. */
static inline bool
word_is(const struct word *w, const char *s, size_t len)
{
	return w->len == len && (len == 0 || (*w->p == *s && memcmp(w->p, s, len) == 0));
}
#define WORD_IS(w, literal) word_is(w, literal, sizeof(literal) - 1)

/* Can it be a key?  1 to REND_KEY_MAX bytes, none of them a control character. */
static inline bool
word_is_key(const struct word *w)
{
	return w->printable && w->len > 0 && w->len <= REND_KEY_MAX;
}

#endif
