/* Did you mean ...?  Damerau and Levenshtein's distance, in its form without overlapping swaps. */
#include "conf/suggest.h"

#include <stdio.h>
#include <string.h>

#define NAME_MAX_LOOKED_AT 63
#define NEAR		   2

static unsigned
least(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

unsigned
suggest_distance(const char *a, const char *b, unsigned max)
{
	/* Three rows of the table of distances between beginnings: the one before last serves swaps. */
	unsigned rows[3][NAME_MAX_LOOKED_AT + 1];
	unsigned *before = rows[0], *last = rows[1], *row = rows[2];
	size_t alen = strlen(a), blen = strlen(b);

	if (alen > NAME_MAX_LOOKED_AT || blen > NAME_MAX_LOOKED_AT)
		return max + 1;
	for (size_t j = 0; j <= blen; j++)
		last[j] = j;
	for (size_t i = 1; i <= alen; i++) {
		unsigned *spare = before;

		row[0] = i;
		for (size_t j = 1; j <= blen; j++) {
			row[j] = least(least(last[j], row[j - 1]) + 1, last[j - 1] + (a[i - 1] != b[j - 1]));
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				row[j] = least(row[j], before[j - 2] + 1);
		}
		before = last;
		last = row;
		row = spare;
	}
	return least(last[blen], max + 1);
}

void
suggest_try(struct suggest *s, const char *name)
{
	unsigned d = suggest_distance(s->wrong, name, NEAR);

	/* Of two letters nothing is left if both may be wrong. */
	if (d > NEAR || d >= strlen(name) || (s->best != NULL && d >= s->distance))
		return;
	s->best = name;
	s->distance = d;
}

const char *
suggest_text(const struct suggest *s, char *buf, size_t size)
{
	if (s->best == NULL)
		return "";
	snprintf(buf, size, "; did you mean %s?", s->best);
	return buf;
}
