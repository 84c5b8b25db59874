/* Does the disk answer again?  See probe.h. */
#include "probe.h"

#include <stdlib.h>

#include "breaker.h"
#include "state.h"

/* It may be the disk's for longer than anybody waits for it. */
struct asked {
	struct io_request request;
	unsigned *count;
	void *block;
};

static void
came_back(struct io_request *r)
{
	struct asked *a = (struct asked *)(void *)r;

	--*a->count;
	free(a->block);
	free(a);
}

static void
look(struct probe *p, const struct fetcher *fetcher, unsigned path)
{
	struct store *s = fetcher->store;
	struct breaker *breaker = s->paths[path].breaker;
	struct asked *a;

	if (breaker == NULL || p->count[path] >= PROBES_MOST || !breaker_probe_due(breaker, io_now(s->io)))
		return;
	a = calloc(1, sizeof *a);
	if (a == NULL)
		return;
	a->count = &p->count[path];
	a->block = aligned_alloc(IO_ALIGN, IO_ALIGN);
	a->request = (struct io_request){
		.kind = IO_READ,
		.probe = BREAKER_PROBE_LAST,
		.file = s->banks[path].file, /* the first one there */
		.deadline = io_now(s->io) + fetcher->time,
		.release = came_back,
		.pieces = 1,
		.piece = { { a->block, IO_ALIGN } },
	};
	p->count[path]++;
	if (a->block == NULL || io_submit(fetcher->queues[path], &a->request) != IO_OK)
		came_back(&a->request);
}

void
probe_tick(struct probe *p, const struct fetcher *fetcher)
{
	for (unsigned i = 0; i < store_paths(fetcher->store); i++)
		look(p, fetcher, i);
}
