/* Somebody's turn at a stripe: waited for, or had.  Belongs to the worker it was made on; it is in place in what it is about. */
#ifndef LOCKED_TURN_H
#define LOCKED_TURN_H

#include <stdbool.h>
#include <stdint.h>

#include "ring.h"

struct turn {
	struct ring at;		       /* the stripe's queue, then its home's list */
	void (*go)(struct turn *turn); /* it waited, and has come: called on its home, once; the turn is held */
	uint32_t stripe;
	uint16_t home; /* which worker's */
	bool shared;   /* with others that are */
	bool waits;    /* in the stripe's queue; under the stripe's lock */
	bool held;     /* its home's to know: to be given back */
};

#endif
