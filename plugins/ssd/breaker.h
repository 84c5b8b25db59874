/*
 * Keeps requests from a disk that answers none.  One per disk, shared by all threads.
 *
 *	         `errors` within `window`,
 *	         or the device is gone
 *	CLOSED ────────────────────────────► OPEN ──── after `pause`: a probe ────► HALF-OPEN
 *	   ▲                                  ▲                                        │
 *	   │                                  └────────────── it failed ───────────────┤
 *	   └───────────────────────────────────────────────── it succeeded ───────────┘
 *
 * CLOSED lets all requests pass, OPEN and HALF-OPEN only probes.  io.h asks and tells it; who is above asks breaker_probe_due() now and then, and sends a
 * probe when told so.  Slowness counts because what is not answered by its deadline is an error.
 */
#ifndef SSD_BREAKER_H
#define SSD_BREAKER_H

#include <stdbool.h>
#include <stdint.h>

#include "io_status.h"

enum breaker_state { BREAKER_CLOSED, BREAKER_OPEN, BREAKER_HALF_OPEN };

/* Zero means the default. */
struct breaker_limits {
	uint32_t errors; /* FAILED, NO_SPACE, DENIED or TIMEOUT, within window; default 10 */
	uint64_t window; /* ns; default 10 s */
	uint64_t pause;	 /* ns between probes; default 5 s */
};

/* Any thread may read, relaxed. */
struct breaker_counts {
	uint64_t errors, timeouts; /* that were told; timeouts are errors too */
	uint64_t opened, closed;   /* changes of state */
	uint64_t refused;	   /* requests */
	uint64_t probes;
};

/* limits may be NULL.  NULL: no memory. */
struct breaker *breaker_new(const struct breaker_limits *limits);

/* No file that was opened with it is open. */
void breaker_free(struct breaker **b);

/* Any thread. */
enum breaker_state breaker_state(const struct breaker *b);
struct breaker_counts breaker_counts(const struct breaker *b);

/* What a request is to the breaker. */
enum breaker_probe {
	BREAKER_NO_PROBE,
	BREAKER_PROBE,	    /* passes always; if it fails, the probe has failed */
	BREAKER_PROBE_LAST, /* and if it succeeds, the disk is well */
	BREAKER_ASIDE,	    /* it is no business of the breaker's: that is neither asked nor told */
};

/* May a request go out?  Counts it as refused if not.  Any thread. */
bool breaker_allows(struct breaker *b, enum breaker_probe probe);

/* How a request ended.  GONE opens it at once.  CANCELLED says nothing, but that the probe, if it was one, is over.  Any thread. */
void breaker_ended(struct breaker *b, enum io_status status, enum breaker_probe probe, uint64_t now);

/*
 * Is it time for a probe?  true for one caller, who sends one; not again before another pause is over, however it goes.  Any thread.
 */
bool breaker_probe_due(struct breaker *b, uint64_t now);

#endif
