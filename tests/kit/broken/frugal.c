/* Broken: says that it holds no memory, and keeps values in it. */
#include "rend/plugin.h"

static uint64_t
frugal_memory(void *store)
{
	return 0;
}

#define CAN  REND_FORGETS
#define MORE .memory = frugal_memory,
#include "small.h"

SMALL();
