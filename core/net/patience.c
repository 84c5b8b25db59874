/* How long a connection may take: see patience.h. */
#include "net/patience.h"

#include "base/clock.h"
#include "net/conn.h"
#include "net/server.h"

/* It is the client who has to go on, not we. */
static bool
is_quiet(const struct conn *c)
{
	return !c->blocked && c->answers.count == 0;
}

/* Half a request is there, or the client does not take what we say. */
static bool
is_stalled(const struct conn *c)
{
	bool half = c->body != NULL || c->in_len > 0 || c->dialog.swallow > 0 || c->dialog.swallow_line;

	return c->blocked || (half && is_quiet(c));
}

void
patience_update(struct conn *c, int progress)
{
	const struct server_settings *s = server_settings(c->loop->server);
	struct loop *l = c->loop;
	struct list *to = NULL;

	if (c->gone)
		to = NULL;
	else if (s->request_timeout != 0 && is_stalled(c))
		to = &l->stalled;
	else if (s->idle_timeout != 0 && is_quiet(c))
		to = &l->idle;
	if (to == NULL) {
		link_remove(&c->patience);
		return;
	}
	/* A request that comes a byte at a time gets no more time by it. */
	if (to == &l->stalled && c->in_stalled && link_listed(&c->patience) && !progress)
		return;
	link_remove(&c->patience);
	c->in_stalled = to == &l->stalled;
	c->since = clock_now();
	list_append(to, &c->patience);
}

static uint64_t
head_due(struct list *l, uint64_t timeout)
{
	struct link *k = list_first(l);

	return k == NULL ? UINT64_MAX : LIST_OBJ(k, struct conn, patience)->since + timeout;
}

/* While the worker holds nobody hears what a client says: only one that does not take what it is owed keeps us waiting. */
static bool
is_excused(const struct conn *c)
{
	return c->loop->holding && !c->blocked;
}

static void
expire_list(struct list *l, uint64_t timeout, uint64_t *kicks)
{
	uint64_t now = clock_now();

	while (head_due(l, timeout) <= now) {
		struct conn *c = LIST_OBJ(list_first(l), struct conn, patience);

		if (is_excused(c)) {
			link_remove(&c->patience);
			c->since = now;
			list_append(l, &c->patience);
			continue;
		}
		count_add(kicks, 1);
		conn_close(c);
	}
}

void
patience_expire(struct loop *l)
{
	const struct server_settings *s = server_settings(l->server);

	expire_list(&l->stalled, s->request_timeout, &l->counts.stall_kicks);
	expire_list(&l->idle, s->idle_timeout, &l->counts.idle_kicks);
}

uint64_t
patience_due(struct loop *l)
{
	const struct server_settings *s = server_settings(l->server);
	uint64_t stalled = head_due(&l->stalled, s->request_timeout);
	uint64_t idle = head_due(&l->idle, s->idle_timeout);

	return stalled < idle ? stalled : idle;
}
