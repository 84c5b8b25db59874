/* Disk threads: they run what would block a worker.  One queue, bounded; threads start with the first job. */
#ifndef ENGINE_OFFLOAD_H
#define ENGINE_OFFLOAD_H

/* How many threads there may be, at least 1.  Main thread, before the first job. */
void offload_set_threads(int threads);

/* Ends the threads when they have done what is queued.  No worker submits any more.  Main thread. */
void offload_stop(void);

#endif
