/*
 * Asks a disk now and then whether it answers again, while its breaker (breaker.h) keeps everybody else from it: reads one block.
 * A worker's; all on its thread.
 */
#ifndef SSD_PROBE_H
#define SSD_PROBE_H

#include "fetch.h"

#define PROBES_MOST 4 /* that the disk has not let go of */

struct probe {
	unsigned count; /* under way */
};

/* Once a second or so.  The fetcher's store has a breaker, or nothing happens.  The caller calls io_flush() afterwards. */
void probe_tick(struct probe *p, const struct fetcher *fetcher);

#endif
