/* What is ready for the main thread: see news.h. */
#include "net/news.h"

#include <stdlib.h>
#include <sysexits.h>

#include "base/log.h"
#include "engine/generation.h"
#include "net/listener.h"
#include "net/server.h"
#include "rend/log.h"

/* The listener that is bound to what these settings say, open or closed; or listener_room. */
static size_t
slot_of(const struct server *s, const struct listener_settings *settings, const size_t *taken, size_t count)
{
	for (size_t i = 0; i < server_listeners(s); i++) {
		bool is_taken = false;

		for (size_t k = 0; k < count; k++)
			is_taken |= taken[k] == i;
		if (!is_taken && listener_is_at(&s->listeners[i], settings))
			return i;
	}
	return s->listener_room;
}

int
news_open(struct server *s, struct news *n, struct rend_error *err)
{
	const struct server_settings *settings = n->era->settings;
	size_t next = server_listeners(s);

	n->opened = calloc(settings->listener_count, sizeof *n->opened);
	n->slots = calloc(settings->listener_count, sizeof *n->slots);
	if (n->opened == NULL || n->slots == NULL)
		return error_set(err, EX_OSERR, "no memory for listeners");
	for (size_t i = 0; i < settings->listener_count; i++)
		n->opened[i].fd = -1;
	for (size_t i = 0; i < settings->listener_count; i++) {
		size_t slot = slot_of(s, &settings->listeners[i], n->slots, i);

		if (slot == s->listener_room && next < s->listener_room)
			slot = next++;
		if (slot == s->listener_room)
			return error_set(
			    err, EX_CONFIG, "%zu listeners have come and gone: more need a restart", s->listener_room);
		n->slots[i] = slot;
		if ((slot >= server_listeners(s) || __atomic_load_n(&s->listeners[slot].closed, __ATOMIC_RELAXED)) &&
		    listener_open(&n->opened[i], s, &settings->listeners[i], err) != 0)
			return -1;
	}
	return 0;
}

void
news_close(struct news *n)
{
	for (size_t i = 0; n->opened != NULL && i < n->era->settings->listener_count; i++) {
		listener_close(&n->opened[i]);
		listener_fini(&n->opened[i]);
	}
	free(n->opened);
	free(n->slots);
	n->opened = NULL;
	n->slots = NULL;
}

const struct rend_node **
news_policies(const struct server *s, const struct news *n)
{
	const struct rend_node **all = calloc(s->listener_room, sizeof *all);

	for (size_t i = 0; all != NULL && i < server_listeners(s); i++) {
		const struct rend_node *before = s->listeners[i].own.policy;

		all[i] = before == NULL ? NULL : generation_node(n->era->g, before->name);
		if (all[i] != NULL && plugin_is_handler(all[i]->plugin))
			all[i] = NULL;
	}
	for (size_t i = 0; all != NULL && i < n->era->settings->listener_count; i++)
		all[n->slots[i]] = n->era->settings->listeners[i].policy;
	return all;
}

/* ---- the main thread ---- */

/* A listener goes on, or begins; it is under the view. */
static void
take_listener(struct server *s, const struct news *n, size_t i)
{
	const struct listener_settings *settings = &n->era->settings->listeners[i];
	struct listener *l = &s->listeners[n->slots[i]], *opened = &n->opened[i];

	if (opened->fd >= 0 && n->slots[i] >= s->listener_count) {
		*l = *opened;
		l->settings = &l->own;
		*opened = (struct listener){ .fd = -1 };
	} else if (opened->fd >= 0) {
		l->fd = opened->fd;
		l->path = opened->path;
		opened->fd = -1;
		opened->path = NULL;
		__atomic_store_n(&l->closed, false, __ATOMIC_RELAXED);
	}
	l->own.policy = settings->policy;
	/* Workers look at it when a client comes. */
	__atomic_store_n(&l->own.protocol, settings->protocol, __ATOMIC_RELAXED);
}

static void
publish_listeners(struct server *s, const struct news *n)
{
	size_t count = s->listener_count, end = count;

	for (size_t i = 0; i < count; i++) {
		bool stays = false;

		for (size_t k = 0; k < n->era->settings->listener_count; k++)
			stays |= n->slots[k] == i;
		if (stays)
			continue;
		if (s->listeners[i].fd >= 0)
			rend_log(REND_LOG_INFO, "no more listening on %s", s->listeners[i].name);
		listener_close(&s->listeners[i]);
		/* Its connections found theirs by its name. */
		if (s->listeners[i].own.policy != NULL)
			s->listeners[i].own.policy = generation_node(n->era->g, s->listeners[i].own.policy->name);
	}
	for (size_t i = 0; i < n->era->settings->listener_count; i++) {
		take_listener(s, n, i);
		if (n->slots[i] >= end)
			end = n->slots[i] + 1;
	}
	__atomic_store_n(&s->listener_count, end, __ATOMIC_RELEASE);
}

void
news_publish(struct server *s, struct news *n)
{
	pthread_mutex_lock(&s->view);
	__atomic_store_n(&s->generation, n->era->g, __ATOMIC_RELEASE);
	__atomic_store_n(&s->settings, n->era->settings, __ATOMIC_RELEASE);
	publish_listeners(s, n);
	pthread_mutex_unlock(&s->view);
	log_set_level(n->era->settings->log_level);
	for (size_t i = 0; i < s->listener_count; i++) {
		struct listener *l = &s->listeners[i];

		if (l->fd < 0 || l->event != NULL)
			continue;
		if (s->draining)
			listener_close(l);
		else if (listener_start(l) != 0)
			rend_log(REND_LOG_ERROR, "no memory for %s", l->name);
	}
	news_close(n);
}
