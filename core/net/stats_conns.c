/* `stats conns`: every connection of every worker, in memcached's lines and by its names for states. */
#include "net/stats_groups.h"

#include <inttypes.h>
#include <stdio.h>

#include "net/conn.h"
#include "net/listener.h"
#include "net/peer.h"
#include "net/server.h"

/* Four lines of the longest kind. */
#define CONN_BYTES (4 * 64 + 2 * PEER_NAME_MAX)

static const char *
conn_state(const struct conn *c)
{
	if (c->finishing)
		return "conn_closing";
	if (c->blocked)
		return "conn_mwrite";
	if (c->body != NULL)
		return "conn_nread";
	if (c->dialog.swallow > 0 || c->dialog.swallow_line)
		return "conn_swallow";
	if (c->answers.count > 0)
		return "conn_io_queue";
	return "conn_read";
}

static void
write_conn(struct page *p, const struct conn *c)
{
	char name[32], peer[PEER_NAME_MAX];

	peer_of(c->fd, peer);
	snprintf(name, sizeof name, "%d:addr", c->fd);
	page_line(p, name, "%s", peer);
	peer_self(c->fd, peer);
	snprintf(name, sizeof name, "%d:listen_addr", c->fd);
	page_line(p, name, "%s", peer);
	snprintf(name, sizeof name, "%d:state", c->fd);
	page_line(p, name, "%s", conn_state(c));
	snprintf(name, sizeof name, "%d:secs_since_last_cmd", c->fd);
	page_line(p, name, "%" PRIu32, (uint32_t)(rend_now() / 1000000000) - c->heard);
}

/* Its descriptor is the main thread's; what is known of it from its start is anybody's. */
static void
write_listener(struct page *p, const struct server *s, const struct listener *l)
{
	const char *how = l->settings->path != NULL ? "" : l->name[0] == '[' ? "tcp6:" : "tcp:";
	char name[32];

	snprintf(name, sizeof name, "%d:addr", l->number);
	page_line(p, name, "%s%s", how, l->name);
	snprintf(name, sizeof name, "%d:state", l->number);
	page_line(p, name, "%s", "conn_listening");
	snprintf(name, sizeof name, "%d:secs_since_last_cmd", l->number);
	page_line(p, name, "%" PRIu64, (rend_now() - s->began) / 1000000000);
}

/* The cursor counts the first worker's listeners, then seats. */
bool
stats_conns(struct loop *at, struct page *page, uint64_t *cursor)
{
	const struct server *s = at->server;
	bool draining = __atomic_load_n(&s->draining, __ATOMIC_RELAXED);
	uint64_t listeners = at->worker.index == 0 ? server_listeners(s) : 0, seat;
	const struct conn *c;

	for (; *cursor < listeners; ++*cursor) {
		if (!page_has_room(page, CONN_BYTES))
			return true;
		if (!draining && !__atomic_load_n(&s->listeners[*cursor].closed, __ATOMIC_RELAXED))
			write_listener(page, s, &s->listeners[*cursor]);
	}
	seat = *cursor - listeners;
	while (page_has_room(page, CONN_BYTES)) {
		c = roster_next(&at->roster, &seat);
		*cursor = listeners + seat;
		if (c == NULL)
			return false;
		if (!c->gone)
			write_conn(page, c);
	}
	return true;
}
