/* Lines, cut into words.  Nothing here is terminated: a length travels with each pointer. */
#ifndef MEMCACHED_WORD_H
#define MEMCACHED_WORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* One line without its end, and how far it was read. */
struct line {
	const char *p, *end;
};

struct word {
	const char *p;
	size_t len;
};

/* The next word; empty at the end of the line, and between two spaces. */
struct word line_word(struct line *l);

static inline bool
word_is(struct word w, const char *s, size_t len)
{
	return w.len == len && (len == 0 || (*w.p == *s && memcmp(w.p, s, len) == 0));
}
#define WORD_IS(w, literal) word_is(w, literal, sizeof(literal) - 1)

/* A number of digits and nothing else, at most max. */
bool word_number(struct word w, uint64_t max, uint64_t *n);

/* The next word is such a number: as word_number() of line_word(), without looking at it twice. */
static inline bool
line_number(struct line *l, uint64_t max, uint64_t *n)
{
	const char *p = l->p, *most = l->end - p > 19 ? p + 19 : l->end; /* so many digits always fit */
	uint64_t sum = 0;

	for (; p < most && *p >= '0' && *p <= '9'; p++)
		sum = sum * 10 + (unsigned)(*p - '0');
	if (p == l->p || (p < l->end && *p != ' '))
		return word_number(line_word(l), max, n);
	l->p = p < l->end ? p + 1 : p;
	*n = sum;
	return sum <= max;
}

#endif
