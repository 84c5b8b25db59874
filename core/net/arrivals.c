/* Connections on their way to a worker: see arrivals.h. */
#include "net/arrivals.h"

#include <stdlib.h>

#include "net/legacy_sockets.h"
#include "net/passage.h"
#include "net/server.h"

struct arrival {
	const struct listener_settings *listener;
	struct passenger passenger;
};

struct arrivals {
	struct rend_call call;
	struct loop *loop;
	struct arrivals *next; /* of those that wait until it goes on */
	size_t count;
	struct arrival all[];
};

static void
seat(struct arrivals *as)
{
	struct loop *l = as->loop;

	for (size_t i = 0; i < as->count; i++) {
		struct arrival *a = &as->all[i];

		if (l->stop || l->draining) {
			server_conn_closed(l->server, a->listener);
			passage_drop(&a->passenger);
		} else {
			passage_end(&a->passenger, l, a->listener);
		}
	}
	free(as);
}

/* What they have said may be carried out at once, so nobody comes while nothing is carried out. */
static void
arrive(struct rend_call *call)
{
	struct arrivals *as = LIST_OBJ(call, struct arrivals, call);
	struct loop *l = as->loop;

	if (l->holding) {
		as->next = l->arrivals;
		l->arrivals = as;
	} else {
		seat(as);
	}
}

void
arrivals_go_on(struct loop *l)
{
	struct arrivals *as = l->arrivals, *next;

	for (l->arrivals = NULL; as != NULL; as = next) {
		next = as->next;
		seat(as);
	}
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
