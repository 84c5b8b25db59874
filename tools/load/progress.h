/* The line on a terminal that says how it goes. */
#ifndef LOAD_PROGRESS_H
#define LOAD_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct progress {
	double seconds, share; /* how long, and how much of it all is done (0..1; negative: not known) */
	double rate;	       /* requests a second, lately */
	uint64_t hits, misses, faults, p99;
};

/* Is standard error a terminal? */
bool progress_wanted(void);

/* Only if it is wanted. */
void progress_show(const struct progress *p);

/* Removes the line, if there is one: something else is to be said. */
void progress_clear(void);

#endif
