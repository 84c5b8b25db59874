/*
 * How a number is drawn, for sizes of values and for TTLs:
 *
 *	100				always 100
 *	1KiB-10KiB			any of these, each as likely
 *	100:9,1KiB-4KiB:1		nine of ten are 100, one is of the second kind
 *	lognormal:200:1.5:64KiB		half are below 200; the logarithm's deviation is 1.5; none above 64 KiB
 */
#ifndef LOAD_SPREAD_H
#define LOAD_SPREAD_H

#include <stdint.h>

#include "quantity.h"
#include "random.h"

#define SPREAD_PARTS 8

struct spread {
	uint32_t count; /* of parts; all-zero is always 0 */
	double weight;	/* of all parts together */
	struct {
		uint64_t low, high;
		double weight, sigma; /* sigma > 0: lognormal, low is its median */
	} parts[SPREAD_PARTS];
};

/* No number of it may be above max.  Returns NULL, or what is wrong; the string is static. */
const char *spread_parse(struct spread *s, const char *text, enum quantity kind, uint64_t max);

uint64_t spread_draw(const struct spread *s, struct random *r);

/* The most that can be drawn, and the least. */
uint64_t spread_max(const struct spread *s);
uint64_t spread_min(const struct spread *s);

#endif
