/* What /metrics says: see scrape.h. */
#include "net/scrape.h"

#include <ctype.h>
#include <event2/event.h>
#include <stdio.h>

#include "engine/generation.h"
#include "net/health.h"
#include "net/http.h"
#include "net/keeper.h"
#include "net/server.h"

const char *
scrape_outcome(unsigned status, char word[SCRAPE_WORD])
{
	const char *name = rend_status_name((enum rend_status)status);
	size_t i = 0;

	for (; name[i] != '\0' && i < SCRAPE_WORD - 1; i++)
		word[i] = (char)tolower((unsigned char)name[i]);
	word[i] = '\0';
	return word;
}

static void
say_build(struct exposition *e)
{
	char abi[16];

	snprintf(abi, sizeof abi, "%d.%d", REND_ABI_MAJOR, REND_ABI_MINOR);
	if (exposition_begin(e, "rend_build_info", EXPOSITION_GAUGE, "What this is; always 1."))
		exposition_number(
		    e, LABELS({ "version", PACKAGE_VERSION }, { "libevent", event_get_version() }, { "abi", abi }), 1);
}

static void
say_reloads(const struct server *s, struct exposition *e)
{
	exposition_one(e, "rend_config_generations_ending", EXPOSITION_GAUGE,
	    "Graphs that were replaced and whose last requests are not over.",
	    s->keeper == NULL ? 0 : keeper_old(s->keeper));
	exposition_one(e, "rend_reloads_total", EXPOSITION_COUNTER,
	    "Times that rend.conf was read anew and is followed.", __atomic_load_n(&s->reloads, __ATOMIC_RELAXED));
	exposition_one(e, "rend_reloads_refused_total", EXPOSITION_COUNTER,
	    "Times that it was read anew and something was wrong.",
	    __atomic_load_n(&s->reloads_refused, __ATOMIC_RELAXED));
	exposition_one(e, "rend_plugin_stale_mappings", EXPOSITION_GAUGE,
	    "Plugins that stay in memory though rend.conf does not name them any more.",
	    __atomic_load_n(&s->plugins_stale, __ATOMIC_RELAXED));
}

static void
say_state(const struct server *s, struct exposition *e)
{
	struct strbuf nobody = { .most = 64 * 1024 };

	exposition_one(
	    e, "rend_ready", EXPOSITION_GAUGE, "Whether /readyz says so.", health_ready(s, false, &nobody) ? 1 : 0);
	strbuf_fini(&nobody);
	exposition_one(
	    e, "rend_workers", EXPOSITION_GAUGE, "Threads that serve clients.", (uint64_t)server_settings(s)->workers);
	if (!server_serves(s))
		return;
	exposition_one(e, "rend_config_generation", EXPOSITION_GAUGE,
	    "The number of the graph that is asked; 1 is the first.", server_generation(s)->number);
	say_reloads(s, e);
}

void
scrape_workers(const struct server *s, struct exposition *e)
{
	char name[16];

	if (exposition_begin(e, "rend_event_loop_lag_seconds", EXPOSITION_HISTOGRAM,
		"How long a call waits until a worker's loop comes to it; four are made a second."))
		for (int i = 0; i < s->loop_count; i++) {
			struct histogram h = { 0 };

			histogram_merge(&h, &s->loops[i].pulse.lag);
			snprintf(name, sizeof name, "%d", i);
			exposition_histogram(e, LABELS({ "worker", name }), &h);
		}
	if (exposition_begin(e, "rend_worker_stalls_total", EXPOSITION_COUNTER,
		"Times that a worker's loop did not turn for half a second; the log says in which node."))
		for (int i = 0; i < s->loop_count; i++) {
			snprintf(name, sizeof name, "%d", i);
			exposition_number(e, LABELS({ "worker", name }),
			    __atomic_load_n(&s->loops[i].pulse.stalls, __ATOMIC_RELAXED));
		}
}

/* Those who ask, too, are counted. */
static void
say_admin(const struct http *h, struct exposition *e)
{
	const struct http_counts *n = http_counts(h);

	exposition_one(e, "rend_admin_connections", EXPOSITION_GAUGE, "Connections of the admin port.", http_open(h));
	exposition_one(e, "rend_admin_connections_total", EXPOSITION_COUNTER,
	    "Connections that the admin port took in.", n->accepted);
	exposition_one(e, "rend_admin_connections_cut_total", EXPOSITION_COUNTER,
	    "Connections of the admin port that were closed for being slow, or the oldest of too many.", n->cut);
	if (!exposition_begin(e, "rend_admin_requests_total", EXPOSITION_COUNTER, "Requests of the admin port."))
		return;
	exposition_number(e, LABELS({ "result", "answered" }), n->answered);
	exposition_number(e, LABELS({ "result", "refused" }), n->refused);
}

void
scrape(const struct server *s, const struct http *h, struct exposition *e)
{
	say_build(e);
	say_state(s, e);
	scrape_process(s, e);
	if (h != NULL)
		say_admin(h, e);
	if (server_serves(s)) {
		scrape_clients(s, e);
		scrape_workers(s, e);
		scrape_nodes(s, e);
	}
	exposition_one(e, "rend_metrics_left_out", EXPOSITION_GAUGE,
	    "Families of plugins that are not here, because another has their name or it is none.", e->refused);
}
