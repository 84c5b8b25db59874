/*
 * Keeps requests from a disk that answers none.  One per disk, shared by all threads.
 *
 *	          errors in `window`, or slow ones
 *	CLOSED ───────────────────────────────────► OPEN ──── every `pause`: one probe ────► HALF-OPEN
 *	   ▲                                         ▲                                          │
 *	   │                                         └───────────────── it failed ──────────────┤
 *	   └─────────────────────────────────────────────────────────── it succeeded ──────────┘
 *
 * What it is closed for passes.  OPEN and HALF-OPEN refuse with DOWN all but probes.  io.h asks and tells it; who is above asks breaker_probe()
 * now and then, and sends a probe if told so.
 */
#ifndef SSD_BREAKER_H
#define SSD_BREAKER_H

#include <stdbool.h>
#include <stdint.h>

#include "io_status.h"

enum breaker_state { BREAKER_CLOSED, BREAKER_OPEN, BREAKER_HALF_OPEN };

/* Zero means the default. */
struct breaker_limits {
	uint32_t errors; /* FAILED, NO_SPACE, SHORT writes and TIMEOUT within window; default 10 */
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

/* May a request go out?  Counts it as refused if not.  Any thread. */
bool breaker_allows(struct breaker *b, bool probe);

/* How a request ended.  GONE opens it at once.  Any thread. */
void breaker_ended(struct breaker *b, enum io_status status, bool probe, uint64_t now);

/* Is it time for a probe?  true for one caller per pause, who has to send requests with .probe set, or to call breaker_ended() with .probe. */
bool breaker_probe(struct breaker *b, uint64_t now);

#endif
