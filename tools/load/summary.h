/* What a run came to, in numbers that have names: for tables, JSON and assertions. */
#ifndef LOAD_SUMMARY_H
#define LOAD_SUMMARY_H

#include "drive.h"

struct summary {
	const struct drive *drive;
	double seconds;
	struct tally all;
	double rate, key_rate;				   /* a second */
	uint64_t looked_for;				   /* keys that were asked for */
	double hit_ratio;				   /* of them; 0 if there were none */
	double cpu_request, cpu_key;			   /* us of the watched processes' CPU time */
	double own_request, own_key;			   /* us of ours */
	uint64_t rss_start, rss_end, rss_before, rss_idle; /* bytes, of all watched processes */
};

void summary_make(struct summary *s, const struct drive *d);

/* Is there nothing to complain of? */
bool summary_clean(const struct summary *s);

enum summary_unit { SUMMARY_COUNT, SUMMARY_TIME, SUMMARY_RATIO, SUMMARY_BYTES };

/* The number with this name: p99 (ns), requests, get.hits, ...; *unit says what it is.  NAN: of nothing, as the p99 of no requests, or the
 * memory of no --pid.  false: there is no such name. */
bool summary_find(const struct summary *s, const char *name, size_t len, double *value, enum summary_unit *unit);

#endif
