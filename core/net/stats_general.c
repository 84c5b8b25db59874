/* Plain `stats`: memcached's names for what exists here. */
#include "net/stats_groups.h"

#include <event2/event.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "engine/generation.h"
#include "engine/metrics.h"
#include "net/conn.h"
#include "net/server.h"
#include "rend/log.h"

static void
all_counts(const struct server *s, struct counts *sum, struct tally *tally)
{
	memset(sum, 0, sizeof *sum);
	memset(tally, 0, sizeof *tally);
	for (int i = 0; i < s->loop_count; i++) {
		counts_merge(sum, &s->loops[i].counts);
		for (size_t k = 0; k < server_listeners(s) * FORM_COUNT; k++)
			tally_merge(tally, &s->loops[i].tallies[k]);
	}
}

/* All of either struct is uint64_t. */
static void
take_off(void *from, const void *what, size_t bytes)
{
	uint64_t *now = from;
	const uint64_t *then = what;

	for (size_t i = 0; i < bytes / sizeof *now; i++)
		now[i] -= then[i];
}

/* What has been counted since the last reset. */
static void
counts_since_reset(
    const struct server *s, struct counts *sum, struct tally *tally, uint64_t *accepted, uint64_t *rejected)
{
	pthread_mutex_t *lock = (pthread_mutex_t *)(uintptr_t)&s->reset_lock;

	pthread_mutex_lock(lock);
	all_counts(s, sum, tally);
	take_off(sum, &s->reset_counts, sizeof *sum);
	take_off(tally, &s->reset_tally, sizeof *tally);
	*accepted = __atomic_load_n(&s->accepted, __ATOMIC_RELAXED) - s->reset_accepted;
	*rejected = __atomic_load_n(&s->rejected, __ATOMIC_RELAXED) - s->reset_rejected;
	pthread_mutex_unlock(lock);
}

void
stats_reset(struct server *s)
{
	pthread_mutex_lock(&s->reset_lock);
	all_counts(s, &s->reset_counts, &s->reset_tally);
	s->reset_accepted = __atomic_load_n(&s->accepted, __ATOMIC_RELAXED);
	s->reset_rejected = __atomic_load_n(&s->rejected, __ATOMIC_RELAXED);
	pthread_mutex_unlock(&s->reset_lock);
	prefixes_reset(&s->prefixes);
}

/* ---- the process and its connections ---- */

static void
time_line(const struct report *r, const char *name, struct timeval tv)
{
	report_line(r, name, "%ld.%06ld", (long)tv.tv_sec, (long)tv.tv_usec);
}

static void
say_process(const struct report *r)
{
	struct rusage usage = { 0 };

	getrusage(RUSAGE_SELF, &usage);
	report_number(r, "pid", (uint64_t)getpid());
	report_number(r, "uptime", (rend_now() - r->server->began) / 1000000000);
	report_number(r, "time", (uint64_t)rend_wall());
	report_line(r, "version", "%s", PROTO_VERSION);
	report_line(r, "libevent", "%s", event_get_version());
	report_number(r, "pointer_size", 8 * sizeof(void *));
	time_line(r, "rusage_user", usage.ru_utime);
	time_line(r, "rusage_system", usage.ru_stime);
}

static bool
is_accepting(const struct server *s)
{
	return !__atomic_load_n(&s->draining, __ATOMIC_RELAXED) &&
	       __atomic_load_n(&s->accept_paused, __ATOMIC_RELAXED) == 0;
}

static void
say_connections(const struct report *r, uint64_t accepted, uint64_t rejected)
{
	const struct server *s = r->server;
	uint64_t structures = 0;

	for (int i = 0; i < s->loop_count; i++)
		structures += loop_connections(&s->loops[i]);
	report_number(r, "max_connections", (uint64_t)server_settings(s)->max_connections);
	report_number(r, "curr_connections", __atomic_load_n(&s->connections, __ATOMIC_RELAXED));
	report_number(r, "total_connections", accepted);
	report_number(r, "rejected_connections", rejected);
	report_number(r, "connection_structures", structures);
	report_number(r, "accepting_conns", is_accepting(s));
	report_number(r, "listen_disabled_num", __atomic_load_n(&s->accept_pauses, __ATOMIC_RELAXED));
	report_number(r, "time_in_listen_disabled_us", __atomic_load_n(&s->accept_paused_ns, __ATOMIC_RELAXED) / 1000);
	report_number(r, "threads", (uint64_t)s->loop_count);
}

/* ---- commands ---- */

/* Any way to end. */
#define ENDS REND_STATUS_COUNT

/* A line adds up some cells of tally.answered. */
static const struct {
	const char *name;
	struct {
		uint8_t slot, status;
	} of[2];
	uint8_t count;
} command_lines[] = {
	/* To memcached a gat is a touch, and no get. */
	{ "cmd_get", { { COUNT_GET, ENDS } }, 1 },
	{ "cmd_set", { { COUNT_STORE, ENDS }, { COUNT_CAS, ENDS } }, 2 },
	{ "cmd_flush", { { COUNT_FLUSH, ENDS } }, 1 },
	{ "cmd_touch", { { COUNT_TOUCH, ENDS }, { COUNT_GAT, ENDS } }, 2 },
	{ "get_hits", { { COUNT_GET, REND_OK } }, 1 },
	{ "get_misses", { { COUNT_GET, REND_MISS } }, 1 },
	{ "delete_misses", { { COUNT_DELETE, REND_MISS } }, 1 },
	{ "delete_hits", { { COUNT_DELETE, REND_OK } }, 1 },
	{ "incr_misses", { { COUNT_INCR, REND_MISS } }, 1 },
	{ "incr_hits", { { COUNT_INCR, REND_OK } }, 1 },
	{ "decr_misses", { { COUNT_DECR, REND_MISS } }, 1 },
	{ "decr_hits", { { COUNT_DECR, REND_OK } }, 1 },
	{ "cas_misses", { { COUNT_CAS, REND_MISS } }, 1 },
	{ "cas_hits", { { COUNT_CAS, REND_OK } }, 1 },
	{ "cas_badval", { { COUNT_CAS, REND_EXISTS } }, 1 },
	{ "touch_hits", { { COUNT_TOUCH, REND_OK }, { COUNT_GAT, REND_OK } }, 2 },
	{ "touch_misses", { { COUNT_TOUCH, REND_MISS }, { COUNT_GAT, REND_MISS } }, 2 },
	{ "store_too_large", { { COUNT_STORE, REND_TOO_BIG }, { COUNT_CAS, REND_TOO_BIG } }, 2 },
	{ "store_no_memory", { { COUNT_STORE, REND_NO_MEMORY }, { COUNT_CAS, REND_NO_MEMORY } }, 2 },
};

/* A value that is too large has not been a set to memcached. */
static uint64_t
cell(const struct tally *t, unsigned slot, unsigned status)
{
	uint64_t sum = 0;

	if (status != ENDS)
		return t->answered[slot][status];
	for (unsigned s = 0; s < REND_STATUS_COUNT; s++)
		if (s != REND_TOO_BIG)
			sum += t->answered[slot][s];
	return sum;
}

static void
say_commands(const struct report *r, const struct counts *c, const struct tally *t)
{
	for (size_t i = 0; i < sizeof command_lines / sizeof *command_lines; i++) {
		uint64_t n = 0;

		for (unsigned k = 0; k < command_lines[i].count; k++)
			n += cell(t, command_lines[i].of[k].slot, command_lines[i].of[k].status);
		report_number(r, command_lines[i].name, n);
	}
	report_number(r, "cmd_meta", c->meta);
	report_number(r, "bytes_read", c->bytes_read);
	report_number(r, "bytes_written", c->bytes_written);
	report_number(r, "conn_yields", c->yields);
	report_number(r, "idle_kicks", c->idle_kicks);
}

/* ---- what nodes know ---- */

static const struct {
	const char *name;
	bool always; /* 0 if no node has it */
} item_lines[] = {
	{ "limit_maxbytes", true },
	{ "bytes", true },
	{ "curr_items", true },
	{ "total_items", true },
	{ "evictions", true },
	{ "expired_unfetched", true },
	{ "evicted_unfetched", true },
	{ "reclaimed", true },
	{ "get_expired", false },
	{ "get_flushed", false },
	{ "evicted_active", false },
	{ "hash_power_level", false },
	{ "hash_bytes", false },
	{ "hash_is_expanding", false },
	{ "crawler_reclaimed", false },
	{ "crawler_items_checked", false },
	{ "direct_reclaims", false },
};

static bool
some_node_has(const struct generation *g, const char *name)
{
	uint64_t value;

	for (size_t i = 0; i < g->count; i++)
		if (metrics_find(g->nodes[i], name, &value))
			return true;
	return false;
}

static void
say_items(const struct report *r)
{
	const struct generation *g = server_generation(r->server);

	for (size_t i = 0; i < sizeof item_lines / sizeof *item_lines; i++)
		if (item_lines[i].always || some_node_has(g, item_lines[i].name))
			report_number(r, item_lines[i].name, metrics_sum(g->nodes, g->count, item_lines[i].name));
}

/* Memcached counts it, and it cannot happen here: no logins, no watchers, no slabs to move, no crawler. */
static const char *const never[] = { "auth_cmds", "auth_errors", "log_worker_dropped", "log_worker_written",
	"log_watcher_skipped", "log_watcher_sent", "log_watchers", "slabs_moved", "slab_reassign_running",
	"lru_crawler_running", "lru_crawler_starts" };

void
stats_general(const struct report *r)
{
	struct counts c;
	struct tally t;
	uint64_t accepted, rejected;

	counts_since_reset(r->server, &c, &t, &accepted, &rejected);
	say_process(r);
	say_connections(r, accepted, rejected);
	say_commands(r, &c, &t);
	say_items(r);
	for (size_t i = 0; i < sizeof never / sizeof *never; i++)
		report_number(r, never[i], 0);
	report_number(r, "stall_kicks", c.stall_kicks);
	report_number(r, "cmd_refused", c.refused);
	report_number(r, "socket_reads", c.reads);
	report_number(r, "socket_writes", c.writes);
	report_number(r, "detail_missed", prefixes_missed(&r->server->prefixes));
	report_number(r, "log_dropped", log_dropped());
	report_line(r, "policy", "%s", rend_node_name(r->conn->policy));
}
