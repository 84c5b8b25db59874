/* Lines, cut into words. */
#include "word.h"

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
word_number(struct word w, uint64_t max, uint64_t *n)
{
	uint64_t sum = 0;

	*n = 0;
	if (w.len == 0)
		return false;
	for (size_t i = 0; i < w.len; i++) {
		unsigned digit = (unsigned)(w.p[i] - '0');

		/* Nineteen digits always fit. */
		if (digit > 9 || (i >= 19 && sum > (UINT64_MAX - digit) / 10))
			return false;
		sum = sum * 10 + digit;
	}
	*n = sum;
	return sum <= max;
}
