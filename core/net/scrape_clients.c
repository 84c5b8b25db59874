/* What clients do: connections, bytes, commands and how long they take. */
#include <string.h>

#include "net/listener.h"
#include "net/scrape.h"
#include "net/server.h"

/* ---- connections ---- */

static uint64_t
open_now(const struct listener *l)
{
	return __atomic_load_n(&l->open, __ATOMIC_RELAXED);
}

static uint64_t
accepted(const struct listener *l)
{
	return __atomic_load_n(&l->accepted, __ATOMIC_RELAXED);
}

static uint64_t
rejected(const struct listener *l)
{
	return __atomic_load_n(&l->rejected, __ATOMIC_RELAXED);
}

static const struct {
	const char *name;
	enum exposition_kind kind;
	const char *help;
	uint64_t (*of)(const struct listener *l);
} by_listener[] = {
	{ "rend_connections", EXPOSITION_GAUGE, "Clients' connections that are open.", open_now },
	{ "rend_connections_total", EXPOSITION_COUNTER, "Clients' connections that were taken in.", accepted },
	{ "rend_connections_rejected_total", EXPOSITION_COUNTER,
	    "Connections that were turned away because there were max_connections.", rejected },
};

static void
say_listeners(const struct server *s, struct exposition *e)
{
	for (size_t i = 0; i < sizeof by_listener / sizeof *by_listener; i++) {
		if (!exposition_begin(e, by_listener[i].name, by_listener[i].kind, by_listener[i].help))
			continue;
		for (size_t k = 0; k < server_listeners(s); k++)
			exposition_number(
			    e, LABELS({ "listener", s->listeners[k].name }), by_listener[i].of(&s->listeners[k]));
	}
	exposition_one(e, "rend_connections_limit", EXPOSITION_GAUGE, "max_connections, as it is in force.",
	    (uint64_t)server_settings(s)->max_connections);
	exposition_one(e, "rend_accept_pauses_total", EXPOSITION_COUNTER,
	    "Times that a listener stopped for a tenth of a second because there was no descriptor left.",
	    __atomic_load_n(&s->accept_pauses, __ATOMIC_RELAXED));
}

/* ---- bytes, and what became of connections ---- */

/* A number of struct counts; rows of one family stand together. */
static const struct {
	const char *name, *help, *label, *value;
	size_t at;
} of_counts[] = {
	{ "rend_bytes_total", "Bytes of clients.", "direction", "read", offsetof(struct counts, bytes_read) },
	{ "rend_bytes_total", NULL, "direction", "written", offsetof(struct counts, bytes_written) },
	{ "rend_socket_calls_total", "System calls on clients' sockets.", "call", "read",
	    offsetof(struct counts, reads) },
	{ "rend_socket_calls_total", NULL, "call", "write", offsetof(struct counts, writes) },
	{ "rend_connections_closed_total",
	    "Connections that rend closed: idle for idle_timeout, or with half a request or unread answers for "
	    "request_timeout.",
	    "reason", "idle", offsetof(struct counts, idle_kicks) },
	{ "rend_connections_closed_total", NULL, "reason", "stalled", offsetof(struct counts, stall_kicks) },
	{ "rend_connection_yields_total", "Times that a connection had its share of a turn, and others went first.",
	    NULL, NULL, offsetof(struct counts, yields) },
	{ "rend_requests_refused_total", "Lines and packets that were no commands.", NULL, NULL,
	    offsetof(struct counts, refused) },
};

static void
say_counts(const struct server *s, struct exposition *e)
{
	struct counts c = { 0 };

	for (int i = 0; i < s->loop_count; i++)
		counts_merge(&c, &s->loops[i].counts);
	for (size_t i = 0; i < sizeof of_counts / sizeof *of_counts; i++) {
		if (of_counts[i].help != NULL &&
		    !exposition_begin(e, of_counts[i].name, EXPOSITION_COUNTER, of_counts[i].help))
			continue;
		/* A label without a name ends the list. */
		exposition_number(e, LABELS({ of_counts[i].label, of_counts[i].value }),
		    *(const uint64_t *)(const void *)((const char *)&c + of_counts[i].at));
	}
}

/* ---- commands ---- */

static const char *const forms[] = {
	[FORM_CLASSIC] = "text",
	[FORM_META] = "meta",
	[FORM_BINARY] = "binary",
};
_Static_assert(sizeof forms / sizeof *forms == FORM_COUNT, "a form has no name");

/* Outcomes that never happened are left out, but for OK: a command that is there from the beginning has a rate from the beginning. */
static void
say_tally(struct exposition *e, const char *listener, const char *form, const struct tally *t)
{
	char word[SCRAPE_WORD];

	for (unsigned slot = 0; slot < COUNT_SLOTS; slot++)
		for (unsigned st = 0; st < REND_STATUS_COUNT; st++)
			if (t->answered[slot][st] > 0 || st == REND_OK)
				exposition_number(e,
				    LABELS({ "listener", listener }, { "protocol", form },
					{ "command", count_slot_name((enum count_slot)slot) },
					{ "outcome", scrape_outcome(st, word) }),
				    t->answered[slot][st]);
}

static void
say_requests(const struct server *s, struct exposition *e)
{
	if (!exposition_begin(e, "rend_requests_total", EXPOSITION_COUNTER,
		"Clients' commands by how they ended; each key of a get is one."))
		return;
	for (size_t l = 0; l < server_listeners(s); l++)
		for (unsigned form = 0; form < FORM_COUNT; form++) {
			struct tally sum = { 0 };

			for (int i = 0; i < s->loop_count; i++)
				tally_merge(&sum, loop_tallies(&s->loops[i], s->listeners[l].settings) + form);
			say_tally(e, s->listeners[l].name, forms[form], &sum);
		}
}

static void
say_durations(const struct server *s, struct exposition *e)
{
	if (!exposition_begin(e, "rend_request_duration_seconds", EXPOSITION_HISTOGRAM,
		"Clients' commands, from being asked to the answer's turn; 0 within a turn of the loop."))
		return;
	for (unsigned slot = 0; slot < COUNT_SLOTS; slot++) {
		struct histogram sum = { 0 };

		for (int i = 0; i < s->loop_count; i++)
			histogram_merge(&sum, &s->loops[i].latency[slot]);
		exposition_histogram(e, LABELS({ "command", count_slot_name((enum count_slot)slot) }), &sum);
	}
}

void
scrape_clients(const struct server *s, struct exposition *e)
{
	say_listeners(s, e);
	say_counts(s, e);
	say_requests(s, e);
	say_durations(s, e);
}
