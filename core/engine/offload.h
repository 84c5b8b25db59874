/* Disk threads: they run what would block a worker.  One queue, bounded; threads start with the first job. */
#ifndef ENGINE_OFFLOAD_H
#define ENGINE_OFFLOAD_H

#include <stdbool.h>

/* How many threads there may be, at least 1.  Main thread, before the first job. */
void offload_set_threads(int threads);

/*
 * Ends the threads: jobs that have begun are waited for, five seconds at most; those that have not end with BUSY.  The workers are still there
 * to take the answers, and give no more jobs.  true, or false: a thread hangs in its job.  Main thread.
 */
bool offload_stop(void);

#endif
