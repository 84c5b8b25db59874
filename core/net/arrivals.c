/* Connections on their way to a worker: see arrivals.h. */
#include "net/arrivals.h"

#include <stdlib.h>

#include "net/conn.h"
#include "net/legacy_sockets.h"
#include "net/passage.h"
#include "net/server.h"

/* How many get their seat in a turn: those who have one are not to wait for all others. */
#define AT_ONCE 64

struct arrival {
	const struct listener_settings *listener;
	struct passenger passenger;
};

struct arrivals {
	struct rend_call call;
	struct loop *loop;
	struct link waits; /* loop.arrivals */
	size_t count, seated;
	struct arrival all[];
};

static void
seat(struct loop *l, struct arrival *a)
{
	struct conn *c;

	if (l->stop) {
		server_conn_closed(l->server, a->listener);
		passage_drop(&a->passenger);
		return;
	}
	c = passage_end(&a->passenger, l, a->listener);
	/* What it has said, there or since, is answered, as any other's is at the end. */
	if (c != NULL && l->draining)
		conn_drain(c);
}

static void
seat_some(struct loop *l, size_t most)
{
	struct link *k;

	while (most > 0 && (k = list_first(&l->arrivals)) != NULL) {
		struct arrivals *as = LIST_OBJ(k, struct arrivals, waits);

		for (; as->seated < as->count && most > 0; most--)
			seat(l, &as->all[as->seated++]);
		if (as->seated == as->count) {
			link_remove(k);
			free(as);
		}
	}
}

/* What they have said may be carried out at once, so nobody is seated while nothing is carried out. */
static void
arrive(struct rend_call *call)
{
	struct arrivals *as = LIST_OBJ(call, struct arrivals, call);

	list_append(&as->loop->arrivals, &as->waits);
}

void
arrivals_go_on(struct loop *l)
{
	seat_some(l, AT_ONCE);
}

void
arrivals_seat_all(struct loop *l)
{
	seat_some(l, SIZE_MAX);
}

void
arrivals_seat(
    struct server *s, struct loop *l, const struct inherited *from, struct passenger *all, size_t count, size_t step)
{
	struct arrivals *as = malloc(sizeof *as + (count + step - 1) / step * sizeof *as->all);

	/* There may be for each. */
	if (as == NULL && count > 1) {
		for (size_t i = 0; i < count; i += step)
			arrivals_seat(s, l, from, &all[i], 1, 1);
		return;
	}
	if (as != NULL)
		*as = (struct arrivals){ .call.fn = arrive, .loop = l };
	for (size_t i = 0; i < count; i += step) {
		const struct listener_settings *listener = legacy_listener(s, from, all[i].listener);

		/* Nobody would answer it. */
		if (as == NULL || listener == NULL) {
			passage_drop(&all[i]);
			continue;
		}
		as->all[as->count++] = (struct arrival){ listener, all[i] };
		server_conn_resumed(s, listener);
	}
	if (as != NULL)
		rend_post(&l->worker, &as->call);
}
