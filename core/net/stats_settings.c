/* `stats settings`: memcached's names for what can be set here. */
#include "net/stats_groups.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/generation.h"
#include "engine/metrics.h"
#include "net/commands.h"
#include "net/listener.h"
#include "net/server.h"

/* The option by which a handler says whether it evicts: memcached has one for all it keeps.  false: none of them has it. */
static bool
evictions(const struct generation *g, bool *on)
{
	bool found = false;

	*on = false;
	for (size_t i = 0; i < g->count; i++) {
		const struct rend_option *o = g->nodes[i]->plugin->handler.options;

		for (; o != NULL && o->name != NULL; o++)
			if (o->type == REND_BOOL && strcmp(o->name, "evict") == 0) {
				found = true;
				*on |= *(const bool *)(const void *)((const char *)g->nodes[i]->conf + o->at);
			}
	}
	return found;
}

/* The port that a listener has, be it that the kernel chose it; its name ends with it. */
static unsigned long
port_of(const struct listener *l)
{
	const char *colon = strrchr(l->name, ':');

	return colon == NULL ? 0 : strtoul(colon + 1, NULL, 10);
}

/* Memcached's lines know one port and one path: the first of each. */
static void
say_listeners(const struct report *r)
{
	const struct server *s = r->server;
	const struct listener *tcp = NULL, *un = NULL;
	char name[32];

	for (size_t i = server_listeners(s); i-- > 0;)
		if (s->listeners[i].settings->path != NULL)
			un = &s->listeners[i];
		else
			tcp = &s->listeners[i];
	report_number(r, "tcpport", tcp == NULL ? 0 : port_of(tcp));
	report_number(r, "udpport", 0);
	report_line(r, "inter", "%s",
	    tcp == NULL			     ? "NULL"
	    : tcp->settings->address == NULL ? "127.0.0.1"
					     : tcp->settings->address);
	report_line(r, "domain_socket", "%s", un == NULL ? "NULL" : un->settings->path);
	if (un != NULL)
		report_line(r, "umask", "%o", (unsigned)un->settings->mode);
	for (size_t i = 0; i < server_listeners(s); i++) {
		snprintf(name, sizeof name, "listener:%zu", i);
		report_line(r, name, "%s", s->listeners[i].name);
	}
}

static const char *
binding_protocol(const struct server_settings *t)
{
	static const char *const names[] = {
		[LISTENER_AUTO] = "auto-negotiate",
		[LISTENER_TEXT] = "ascii",
		[LISTENER_BINARY] = "binary",
	};

	for (size_t i = 1; i < t->listener_count; i++)
		if (t->listeners[i].protocol != t->listeners[0].protocol)
			return names[LISTENER_AUTO];
	return names[t->listener_count == 0 ? LISTENER_AUTO : t->listeners[0].protocol];
}

void
stats_settings(const struct report *r)
{
	/* What memcached can be set to and this cannot. */
	static const char *const never[] = { "auth_enabled_sasl", "auth_enabled_ascii", "dump_enabled", "slab_reassign",
		"lru_crawler", "track_sizes", "ssl_enabled" };
	const struct server *s = r->server;
	const struct server_settings *t = server_settings(s);
	const struct generation *g = server_generation(s);
	bool on;

	report_number(r, "maxbytes", metrics_sum(g->nodes, g->count, "limit_maxbytes"));
	report_number(r, "maxconns", (uint64_t)t->max_connections);
	say_listeners(r);
	if (evictions(g, &on))
		report_line(r, "evictions", "%s", on ? "on" : "off");
	report_flag(r, "shutdown_command", t->shutdown_enabled);
	report_number(r, "num_threads", (uint64_t)s->loop_count);
	report_line(r, "stat_key_prefix", "%c", PREFIX_DELIMITER);
	report_flag(r, "detail_enabled", prefixes_is_on(&s->prefixes));
	report_number(r, "reqs_per_event", COMMANDS_MAX);
	report_flag(r, "cas_enabled", t->cas);
	report_number(r, "tcp_backlog", (uint64_t)t->backlog);
	report_line(r, "binding_protocol", "%s", binding_protocol(t));
	report_number(r, "item_size_max", t->item_size_max);
	report_flag(r, "maxconns_fast", true);
	report_flag(r, "flush_enabled", t->flush_enabled);
	report_number(r, "client_flags_size", sizeof(((struct rend_item *)0)->flags));
	report_number(r, "idle_timeout", t->idle_timeout / 1000000000);
	for (size_t i = 0; i < sizeof never / sizeof *never; i++)
		report_flag(r, never[i], false);
	report_number(r, "request_timeout", t->request_timeout / 1000000000);
	report_number(r, "drain_timeout", t->drain_timeout / 1000000000);
	report_number(r, "disk_threads", (uint64_t)t->disk_threads);
}
