/* Broken: takes its time to drain, whatever time there is. */
#include <time.h>

#include "rend/plugin.h"

static int
dawdling_drain(void *store, uint64_t deadline, struct rend_error *err)
{
	struct timespec pause = { .tv_sec = 12 };

	nanosleep(&pause, NULL);
	return 0;
}

#define MORE .drain = dawdling_drain,
#include "small.h"

SMALL();
