/* Lines, cut into words. */
#include "word.h"

#include <string.h>

struct word
line_word(struct line *l)
{
	struct word w = { .p = l->p };

	while (l->p < l->end && *l->p != ' ')
		l->p++;
	w.len = (size_t)(l->p - w.p);
	if (l->p < l->end)
		l->p++;
	return w;
}

bool
word_is(struct word w, const char *s)
{
	return w.len == strlen(s) && memcmp(w.p, s, w.len) == 0;
}

bool
word_number(struct word w, uint64_t max, uint64_t *n)
{
	*n = 0;
	if (w.len == 0)
		return false;
	for (size_t i = 0; i < w.len; i++) {
		unsigned digit = (unsigned)(w.p[i] - '0');

		if (digit > 9 || *n > (UINT64_MAX - digit) / 10)
			return false;
		*n = *n * 10 + digit;
	}
	return *n <= max;
}
