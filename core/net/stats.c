/* The stats command: see stats.h. */
#include "net/stats.h"

#include <event2/event.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "engine/generation.h"
#include "base/log.h"
#include "engine/metrics.h"
#include "net/conn.h"
#include "net/listener.h"
#include "net/server.h"
#include "rend/log.h"

/* Where lines go. */
struct report {
	struct conn *conn;
	const struct asked *asked;
};

static void __attribute__((format(printf, 3, 4))) line(const struct report *r, const char *name, const char *fmt, ...)
{
	char value[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(value, sizeof value, fmt, ap);
	va_end(ap);
	dialog_stat(&r->conn->dialog, &r->conn->out, r->asked, name, value);
}

static void
number(const struct report *r, const char *name, uint64_t value)
{
	line(r, name, "%" PRIu64, value);
}

static struct server *
server_of(const struct report *r)
{
	return r->conn->loop->server;
}

static void
all_counts(const struct server *s, struct counts *sum)
{
	memset(sum, 0, sizeof *sum);
	for (int i = 0; i < s->loop_count; i++)
		counts_merge(sum, &s->loops[i].counts);
}

/* What has been counted since the last reset. */
static void
counts_since_reset(struct server *s, struct counts *sum, uint64_t *accepted, uint64_t *rejected)
{
	uint64_t *now = (uint64_t *)sum;
	const uint64_t *then = (const uint64_t *)&s->reset_counts;

	all_counts(s, sum);
	pthread_mutex_lock(&s->reset_lock);
	for (size_t i = 0; i < sizeof *sum / sizeof *now; i++)
		now[i] -= then[i];
	*accepted = __atomic_load_n(&s->accepted, __ATOMIC_RELAXED) - s->reset_accepted;
	*rejected = __atomic_load_n(&s->rejected, __ATOMIC_RELAXED) - s->reset_rejected;
	pthread_mutex_unlock(&s->reset_lock);
}

static void
reset(const struct report *r)
{
	struct server *s = server_of(r);

	pthread_mutex_lock(&s->reset_lock);
	all_counts(s, &s->reset_counts);
	s->reset_accepted = __atomic_load_n(&s->accepted, __ATOMIC_RELAXED);
	s->reset_rejected = __atomic_load_n(&s->rejected, __ATOMIC_RELAXED);
	pthread_mutex_unlock(&s->reset_lock);
}

static uint64_t
answered(const struct counts *c, enum count_slot slot)
{
	uint64_t sum = 0;

	for (int i = 0; i < REND_STATUS_COUNT; i++)
		sum += c->answered[slot][i];
	return sum;
}

/* One line of `stats` that counts answers to a command: all of them, or those with one status. */
static const struct {
	const char *name;
	uint8_t slot, status;
	bool all;
} command_lines[] = {
	{ "get_hits", COUNT_GET, REND_OK, false },
	{ "get_misses", COUNT_GET, REND_MISS, false },
	{ "delete_misses", COUNT_DELETE, REND_MISS, false },
	{ "delete_hits", COUNT_DELETE, REND_OK, false },
	{ "incr_misses", COUNT_INCR, REND_MISS, false },
	{ "incr_hits", COUNT_INCR, REND_OK, false },
	{ "decr_misses", COUNT_DECR, REND_MISS, false },
	{ "decr_hits", COUNT_DECR, REND_OK, false },
	{ "cas_misses", COUNT_CAS, REND_MISS, false },
	{ "cas_hits", COUNT_CAS, REND_OK, false },
	{ "cas_badval", COUNT_CAS, REND_EXISTS, false },
};

static void
time_line(const struct report *r, const char *name, struct timeval tv)
{
	line(r, name, "%ld.%06ld", (long)tv.tv_sec, (long)tv.tv_usec);
}

static void
say_process(const struct report *r)
{
	struct rusage usage = { 0 };

	getrusage(RUSAGE_SELF, &usage);
	number(r, "pid", (uint64_t)getpid());
	number(r, "uptime", (uint64_t)(time(NULL) - server_of(r)->started));
	number(r, "time", (uint64_t)rend_wall());
	line(r, "version", "%s", PROTO_VERSION);
	line(r, "libevent", "%s", event_get_version());
	number(r, "pointer_size", 8 * sizeof(void *));
	time_line(r, "rusage_user", usage.ru_utime);
	time_line(r, "rusage_system", usage.ru_stime);
}

static void
say_connections(const struct report *r, uint64_t accepted, uint64_t rejected)
{
	const struct server *s = server_of(r);

	number(r, "max_connections", (uint64_t)s->settings->max_connections);
	number(r, "curr_connections", __atomic_load_n(&s->connections, __ATOMIC_RELAXED));
	number(r, "total_connections", accepted);
	number(r, "rejected_connections", rejected);
	number(r, "listen_disabled_num", __atomic_load_n(&s->accept_pauses, __ATOMIC_RELAXED));
}

static void
say_commands(const struct report *r, const struct counts *c)
{
	/* A gat is a touch and a get to memcached; a get that hit by it is counted with the gets too. */
	uint64_t gats = answered(c, COUNT_GAT), gat_hits = c->answered[COUNT_GAT][REND_OK];
	uint64_t gat_misses = c->answered[COUNT_GAT][REND_MISS];

	number(r, "cmd_get", answered(c, COUNT_GET) + gats);
	number(r, "cmd_set", answered(c, COUNT_STORE) + answered(c, COUNT_CAS));
	number(r, "cmd_flush", answered(c, COUNT_FLUSH));
	number(r, "cmd_touch", answered(c, COUNT_TOUCH) + gats);
	for (size_t i = 0; i < sizeof command_lines / sizeof *command_lines; i++) {
		uint64_t n = c->answered[command_lines[i].slot][command_lines[i].status];

		if (i == 0)
			n += gat_hits;
		if (i == 1)
			n += gat_misses;
		number(r, command_lines[i].name, n);
	}
	number(r, "touch_hits", c->answered[COUNT_TOUCH][REND_OK] + gat_hits);
	number(r, "touch_misses", c->answered[COUNT_TOUCH][REND_MISS] + gat_misses);
	number(r, "bytes_read", c->bytes_read);
	number(r, "bytes_written", c->bytes_written);
	number(r, "conn_yields", c->yields);
	number(r, "idle_kicks", c->idle_kicks);
}

static void
say_items(const struct report *r)
{
	static const char *const names[] = { "limit_maxbytes", "bytes", "curr_items", "total_items", "evictions",
		"expired_unfetched", "evicted_unfetched", "reclaimed" };
	const struct generation *g = server_of(r)->generation;

	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		number(r, names[i], metrics_sum(g->nodes, g->count, names[i]));
}

static void
say_general(const struct report *r)
{
	struct counts c;
	uint64_t accepted, rejected;

	counts_since_reset(server_of(r), &c, &accepted, &rejected);
	say_process(r);
	say_connections(r, accepted, rejected);
	say_commands(r, &c);
	number(r, "accepting_conns", !__atomic_load_n(&server_of(r)->draining, __ATOMIC_RELAXED));
	number(r, "threads", (uint64_t)server_of(r)->loop_count);
	say_items(r);
	number(r, "log_dropped", log_dropped());
}

static void
say_settings(const struct report *r)
{
	const struct server *s = server_of(r);
	const struct server_settings *t = s->settings;
	const struct generation *g = s->generation;

	number(r, "maxbytes", metrics_sum(g->nodes, g->count, "limit_maxbytes"));
	number(r, "maxconns", (uint64_t)t->max_connections);
	for (size_t i = 0; i < t->listener_count; i++) {
		const struct listener_settings *l = &t->listeners[i];

		if (l->path != NULL) {
			line(r, "domain_socket", "%s", l->path);
			continue;
		}
		number(r, "tcpport", (uint64_t)l->port);
		line(r, "inter", "%s", l->address != NULL ? l->address : "127.0.0.1");
	}
	number(r, "udpport", 0);
	number(r, "num_threads", (uint64_t)s->loop_count);
	line(r, "cas_enabled", "%s", t->cas ? "yes" : "no");
	number(r, "tcp_backlog", (uint64_t)t->backlog);
	line(r, "binding_protocol", "%s", "auto-negotiate");
	number(r, "item_size_max", t->item_size_max);
	line(r, "flush_enabled", "%s", t->flush_enabled ? "yes" : "no");
	line(r, "shutdown_command", "%s", t->shutdown_enabled ? "yes" : "no");
	number(r, "idle_timeout", t->idle_timeout / 1000000000);
}

struct node_report {
	const struct report *report;
	const struct rend_node *node;
};

static void
say_metric(const struct metric_reading *m, void *arg)
{
	const struct node_report *nr = arg;
	char name[256];

	if (m->kind == METRIC_HISTOGRAM)
		return;
	snprintf(name, sizeof name, "%s.%s", nr->node->name, m->name);
	number(nr->report, name, m->value);
}

static void
say_node(const struct report *r, const struct rend_node *n)
{
	struct node_report nr = { r, n };
	char name[256];

	for (unsigned v = 0; v < REND_VERB_COUNT; v++)
		for (unsigned st = 0; st < REND_STATUS_COUNT; st++) {
			uint64_t ended = node_ended(n, v, st);

			if (ended == 0)
				continue;
			snprintf(name, sizeof name, "%s.%s.%s", n->name, rend_verb_name(v), rend_status_name(st));
			number(r, name, ended);
		}
	snprintf(name, sizeof name, "%s.in_flight", n->name);
	number(r, name, node_in_flight(n));
	metrics_each(n, say_metric, &nr);
}

static void
say_nodes(const struct report *r)
{
	const struct generation *g = server_of(r)->generation;

	for (size_t i = 0; i < g->count; i++)
		say_node(r, g->nodes[i]);
}

/* The groups.  An empty word is plain `stats`. */
static const struct {
	const char *word;
	void (*say)(const struct report *r);
} groups[] = {
	{ "", say_general },
	{ "settings", say_settings },
	{ "nodes", say_nodes },
	{ "reset", reset },
};

#define GROUP_COUNT (sizeof groups / sizeof *groups)

uint8_t
stats_group(const char *args, size_t len)
{
	for (uint8_t i = 0; i < GROUP_COUNT; i++)
		if (strlen(groups[i].word) == len && (len == 0 || memcmp(groups[i].word, args, len) == 0))
			return i;
	return GROUP_COUNT;
}

void
stats_say(struct conn *c, const struct asked *asked)
{
	const struct report r = { c, asked };

	if (asked->group >= GROUP_COUNT) {
		dialog_stat_end(&c->dialog, &c->out, asked, STATS_UNKNOWN);
		return;
	}
	groups[asked->group].say(&r);
	dialog_stat_end(&c->dialog, &c->out, asked, groups[asked->group].say == reset ? STATS_RESET : STATS_END);
}
