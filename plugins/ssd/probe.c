/* Does the disk answer again?  See probe.h. */
#include "probe.h"

#include <stdlib.h>

#include "breaker.h"
#include "state.h"

/* It may be the disk's for longer than anybody waits for it. */
struct asked {
	struct io_request request;
	struct probe *probe;
	void *block;
};

static void
came_back(struct io_request *r)
{
	struct asked *a = (struct asked *)(void *)r;

	a->probe->count--;
	free(a->block);
	free(a);
}

void
probe_tick(struct probe *p, const struct fetcher *fetcher)
{
	struct breaker *breaker = fetcher->store->options.breaker;
	struct asked *a;

	if (breaker == NULL || p->count >= PROBES_MOST || !breaker_probe_due(breaker, io_now(fetcher->store->io)))
		return;
	a = calloc(1, sizeof *a);
	if (a == NULL)
		return;
	a->probe = p;
	a->block = aligned_alloc(IO_ALIGN, IO_ALIGN);
	a->request = (struct io_request){
		.kind = IO_READ,
		.probe = BREAKER_PROBE_LAST,
		.file = fetcher->store->banks[0],
		.deadline = io_now(fetcher->store->io) + fetcher->time,
		.release = came_back,
		.pieces = 1,
		.piece = { { a->block, IO_ALIGN } },
	};
	p->count++;
	if (a->block == NULL || io_submit(fetcher->queue, &a->request) != IO_OK)
		came_back(&a->request);
}
