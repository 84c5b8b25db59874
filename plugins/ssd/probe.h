/*
 * Asks a disk now and then whether it answers again, while its breaker (breaker.h) keeps everybody else from it: reads one block.
 * A worker's; all on its thread.
 */
#ifndef SSD_PROBE_H
#define SSD_PROBE_H

#include "fetch.h"

#define PROBES_MOST 4 /* that the disk has not let go of */

struct probe {
	unsigned count[STORE_PATHS_MOST]; /* under way, to each path */
};

/* Once a second or so.  Only paths that have a breaker are asked.  The caller calls fetcher_flush() afterwards. */
void probe_tick(struct probe *p, const struct fetcher *fetcher);

#endif
