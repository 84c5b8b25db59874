/* How a number is drawn: see spread.h. */
#include "spread.h"

#include <math.h>
#include <string.h>

static const char *
parse_lognormal(struct spread *s, const char *text, size_t len, enum quantity kind, uint64_t max)
{
	const char *sigma = memchr(text, ':', len), *most;
	size_t left;

	if (sigma == NULL)
		return "lognormal wants MEDIAN:SIGMA:MOST";
	left = len - (size_t)(sigma + 1 - text);
	most = memchr(sigma + 1, ':', left);
	if (most == NULL)
		return "lognormal wants MEDIAN:SIGMA:MOST";
	if (!quantity_whole(text, (size_t)(sigma - text), kind, max, &s->parts[0].low) || s->parts[0].low == 0)
		return "the median is no such number";
	if (!quantity_parse(sigma + 1, (size_t)(most - sigma - 1), QUANTITY_COUNT, &s->parts[0].sigma) ||
	    !(s->parts[0].sigma > 0) || s->parts[0].sigma > 10)
		return "sigma is a number above 0, up to 10";
	if (!quantity_whole(most + 1, (size_t)(text + len - most - 1), kind, max, &s->parts[0].high))
		return "the most is no such number";
	s->parts[0].weight = s->weight = 1;
	s->count = 1;
	return NULL;
}

static const char *
parse_part(struct spread *s, const char *text, size_t len, enum quantity kind, uint64_t max)
{
	const char *colon = memchr(text, ':', len), *dash;
	double weight = 1;
	uint64_t low, high;

	if (s->count == SPREAD_PARTS)
		return "more than 8 parts";
	if (colon != NULL) {
		if (!quantity_parse(colon + 1, len - (size_t)(colon + 1 - text), QUANTITY_SHARE, &weight))
			return "the weight behind : is no number";
		len = (size_t)(colon - text);
	}
	dash = memchr(text, '-', len);
	if (!quantity_whole(text, dash == NULL ? len : (size_t)(dash - text), kind, max, &low))
		return "no such number, or too large a one";
	high = low;
	if (dash != NULL && !quantity_whole(dash + 1, len - (size_t)(dash + 1 - text), kind, max, &high))
		return "no such number behind -, or too large a one";
	if (high < low)
		return "the larger number comes first";
	s->parts[s->count].low = low;
	s->parts[s->count].high = high;
	s->parts[s->count].weight = weight;
	s->weight += weight;
	s->count++;
	return NULL;
}

const char *
spread_parse(struct spread *s, const char *text, enum quantity kind, uint64_t max)
{
	const char *why;

	*s = (struct spread){ 0 };
	if (strncmp(text, "lognormal:", 10) == 0)
		return parse_lognormal(s, text + 10, strlen(text + 10), kind, max);
	for (;; text++) {
		size_t len = strcspn(text, ",");

		why = parse_part(s, text, len, kind, max);
		if (why != NULL)
			return why;
		text += len;
		if (*text == '\0')
			break;
	}
	return s->weight > 0 ? NULL : "all weights are 0";
}

static uint64_t
draw_lognormal(uint64_t median, double sigma, uint64_t most, struct random *r)
{
	/* Box and Muller; 1 - u, because a logarithm of 0 is none. */
	double u = 1 - random_real(r), v = random_real(r);
	double normal = sqrt(-2 * log(u)) * cos(2 * M_PI * v), x = (double)median * exp(sigma * normal);

	return x < (double)most ? (uint64_t)x : most;
}

uint64_t
spread_draw(const struct spread *s, struct random *r)
{
	uint32_t i = 0;

	if (s->count == 0)
		return 0;
	if (s->count > 1) {
		double at = random_real(r) * s->weight;

		while (i + 1 < s->count && at >= s->parts[i].weight)
			at -= s->parts[i++].weight;
	}
	if (s->parts[i].sigma > 0)
		return draw_lognormal(s->parts[i].low, s->parts[i].sigma, s->parts[i].high, r);
	if (s->parts[i].low == s->parts[i].high)
		return s->parts[i].low;
	return s->parts[i].low + random_below(r, s->parts[i].high - s->parts[i].low + 1);
}

uint64_t
spread_max(const struct spread *s)
{
	uint64_t max = 0;

	for (uint32_t i = 0; i < s->count; i++)
		if (s->parts[i].weight > 0 && s->parts[i].high > max)
			max = s->parts[i].high;
	return max;
}

uint64_t
spread_min(const struct spread *s)
{
	uint64_t min = UINT64_MAX;

	for (uint32_t i = 0; i < s->count; i++) {
		/* A lognormal one has nothing but a most. */
		uint64_t low = s->parts[i].sigma > 0 ? 0 : s->parts[i].low;

		if (s->parts[i].weight > 0 && low < min)
			min = low;
	}
	return s->count == 0 ? 0 : min;
}
