/* The words of a line of text: what lies between spaces. */
#ifndef PROTO_WORDS_H
#define PROTO_WORDS_H

#include <stdbool.h>
#include <stddef.h>

struct word {
	const char *p;
	size_t len;
};

/* The first word in p..end; one of length 0, at end, if there is none. */
struct word word_first(const char *p, const char *end);

/* The one behind w. */
struct word word_next(const struct word *w, const char *end);

/* The last word in p..end; one of length 0 if there is none. */
struct word word_last(const char *p, const char *end);

bool word_is(const struct word *w, const char *s, size_t len);
#define WORD_IS(w, literal) word_is(w, literal, sizeof(literal) - 1)

/* Can it be a key?  1 to REND_KEY_MAX bytes, none of them a control character. */
bool word_is_key(const struct word *w);

#endif
