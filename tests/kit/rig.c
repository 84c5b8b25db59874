/* The rig: see rig.h. */
#include "rig.h"

#include <errno.h>
#include <event2/event.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/hash.h"
#include "conf/arena.h"
#include "conf/options.h"
#include "engine/offload.h"
#include "later.h"

/* An answer that takes more than this part of the behaviour's time is lost. */
#define ANSWER_SHARE 3

/* The loop looks around at least so often. */
#define TURN_US 2000

static void
end(int code, const char *fmt, va_list ap)
{
	fprintf(stderr, "\n" RIG_MARK);
	vfprintf(stderr, fmt, ap);
	fprintf(stderr, "\n");
	fflush(NULL);
	_exit(code);
}

void
rig_fail(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	end(RIG_FAILED, fmt, ap);
	__builtin_unreachable();
}

void
rig_skip(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	end(RIG_SKIPPED, fmt, ap);
	__builtin_unreachable();
}

/* ---- making nodes ---- */

#define NODES_MAX 16

struct making {
	struct rend_node *nodes[NODES_MAX];
	size_t count;
};

/* Takes the node over. */
static struct rend_node *
add(struct making *mk, struct rend_node *n, struct rend_error *err)
{
	if (n == NULL || mk->count == NODES_MAX) {
		node_free(&n);
		rend_error(err, "no memory for a node, or too many of them");
		return NULL;
	}
	mk->nodes[mk->count++] = n;
	return n;
}

static struct rend_node *make_node(
    struct making *mk, const char *name, const char *file, const struct handler_kit *kit, struct rend_error *err);

/* An option that names a handler names its plugin's file here; it is taken with its defaults. */
static const struct rend_node *
find(void *arg, enum rend_option_type type, const char *name, struct rend_error *err)
{
	static const struct handler_kit plain;

	return make_node(arg, name, name, &plain, err);
}

/* "memory=1MiB" */
static void
give(void *arena, struct tree *root, const char *option, struct messages *m)
{
	struct place place = { .file = "-o" };
	const char *is = strchr(option, '=');
	char *name;

	if (is == NULL) {
		messages_error(m, place, 0, NULL, "\"%s\" is not name=value", option);
		return;
	}
	name = arena_copy(arena, option, (size_t)(is - option));
	if (name != NULL)
		tree_override(arena, root, name, is + 1, place, m);
}

static int
fill(struct making *mk, struct plugin *plugin, void *conf, const struct handler_kit *kit, struct messages *m)
{
	struct options o = {
		.table = plugin_options(plugin),
		.whose = plugin_name(plugin),
		.path = "",
		.find = find,
		.find_arg = mk,
	};
	struct tree *root = tree_parse(conf, "-o", "", m);

	for (size_t i = 0; root != NULL && i < kit->option_count; i++)
		give(conf, root, kit->options[i], m);
	if (root == NULL)
		return -1;
	options_fill(&o, root, (struct place){ .file = "-o" }, conf, m);
	return m->errors == 0 ? 0 : -1;
}

static struct rend_node *
make_node(struct making *mk, const char *name, const char *file, const struct handler_kit *kit, struct rend_error *err)
{
	char path[4096];
	struct plugin *plugin;
	struct messages m = { 0 };
	struct rend_node *n;
	void *conf;
	int rc;

	if (realpath(file, path) == NULL) {
		rend_error(err, "%s: %s", file, strerror(errno));
		return NULL;
	}
	plugin = plugin_load(path, NULL, err);
	if (plugin == NULL)
		return NULL;
	if (!plugin_is_handler(plugin)) {
		rend_error(err, "%s is a policy; this tests handlers", file);
		return NULL;
	}
	conf = arena_new(plugin_conf_size(plugin) + 1);
	if (conf == NULL) {
		rend_error(err, "no memory");
		return NULL;
	}
	rc = fill(mk, plugin, conf, kit, &m);
	if (rc != 0)
		rend_error(err, "%s", m.count > 0 ? m.all[0].text : "no memory");
	messages_fini(&m);
	if (rc != 0) {
		arena_free(conf);
		return NULL;
	}
	n = add(mk, node_new(name, plugin, conf, arena_free), err);
	return n != NULL && node_check(n, err) == 0 ? n : NULL;
}

static void
unmake(struct making *mk)
{
	while (mk->count > 0)
		node_free(&mk->nodes[--mk->count]);
}

/* What is known without asking. */
static void
note_verbs(struct rig *r, const struct rend_handler *h)
{
	r->handler = h;
	for (unsigned v = 0; v < REND_VERB_COUNT; v++)
		if (h->on[v] != NULL || h->any != NULL)
			r->has |= 1U << v;
}

int
rig_make(struct rig *r, const struct handler_kit *kit, int seats, struct rend_error *err)
{
	struct making mk = { 0 };
	struct rend_node **nodes, *n;

	*r = (struct rig){ .kit = kit, .seat_count = seats };
	worker_set_count(seats);
	hash_seed_random();
	n = make_node(&mk, "tested", kit->plugin, kit, err);
	if (n != NULL)
		note_verbs(r, &n->plugin->handler);
	if (n != NULL && kit->later)
		n = add(&mk, later_new(n), err);
	r->node = n;
	nodes = calloc(NODES_MAX, sizeof *nodes);
	if (n == NULL || nodes == NULL) {
		free(nodes);
		unmake(&mk);
		return -1;
	}
	memcpy(nodes, mk.nodes, sizeof mk.nodes);
	r->generation = generation_new(nodes, mk.count);
	if (r->generation == NULL) {
		free(nodes);
		unmake(&mk);
		return rend_error(err, "no memory");
	}
	for (int i = 0; i < seats; i++)
		r->seats[i].rig = r;
	return 0;
}

int
rig_open(struct rig *r, struct rend_error *err)
{
	return generation_open(r->generation, err);
}

bool
rig_has(const struct rig *r, unsigned verb)
{
	return (r->has & (1U << verb)) != 0;
}

/* ---- seats ---- */

static void
woken(evutil_socket_t fd, short what, void *arg)
{
	/* Being awake is all: the turn takes what is in the inbox. */
}

/* A handler may take all verbs in one function, and not have all of them. */
static void
ask_verbs(struct seat *s)
{
	static const char key[] = "rend-plugin-test";

	if (s->rig->handler->any == NULL)
		return;
	for (unsigned v = 0; v < REND_VERB_COUNT; v++) {
		struct ask *a = ask_new(s, v, key, v == REND_FLUSH_ALL ? 0 : sizeof key - 1);

		if (ask_wait(a) == REND_UNSUPPORTED)
			s->rig->has &= ~(1U << v);
		ask_drop(a);
	}
	if (rig_has(s->rig, REND_DELETE))
		ask_wait(ask_new(s, REND_DELETE, key, sizeof key - 1));
}

void
seat_enter(struct seat *s)
{
	struct rend_error err = { 0 };
	int index = (int)(s - s->rig->seats);

	if (worker_init(&s->worker, index) != 0 || (s->base = event_base_new()) == NULL)
		rig_fail("no worker: %s", strerror(errno));
	s->worker.base = s->base;
	s->wake = event_new(s->base, s->worker.inbox.fd, EV_READ | EV_PERSIST, woken, NULL);
	if (s->wake == NULL || event_add(s->wake, NULL) != 0)
		rig_fail("no event for the inbox");
	worker_enter(&s->worker);
	if (generation_attach(s->rig->generation, &s->worker, &err) != 0)
		rig_fail("attach() said: %s", err.text);
	if (index == 0)
		ask_verbs(s);
}

void
seat_turn(struct seat *s)
{
	static const struct timeval while_idle = { .tv_usec = TURN_US };

	if (!worker_ready(&s->worker))
		event_base_loopexit(s->base, &while_idle);
	event_base_loop(s->base, worker_ready(&s->worker) ? EVLOOP_NONBLOCK : EVLOOP_ONCE);
	clock_tick();
	worker_turn(&s->worker);
	worker_flush(&s->worker);
}

static uint64_t
answer_ns(const struct seat *s)
{
	return (uint64_t)kit_seconds(s->rig->kit) * 1000000000ULL / ANSWER_SHARE;
}

static uint64_t
in_flight(const struct seat *s)
{
	const struct generation *g = s->rig->generation;
	uint64_t sum = 0;

	for (size_t i = 0; i < g->count; i++)
		sum += g->nodes[i]->instances[s->worker.index]->in_flight;
	return sum;
}

void
seat_leave(struct seat *s)
{
	struct generation *g = s->rig->generation;
	uint64_t until = clock_mono() + answer_ns(s);

	for (struct ask *a = s->asks; a != NULL; a = a->next) {
		if (a->submitted)
			ask_wait(a);
		ask_drop(a);
	}
	while (in_flight(s) > 0) {
		EXPECT(clock_mono() < until, "%u ops never came back", (unsigned)in_flight(s));
		seat_turn(s);
	}
	for (int i = 0; i < 3; i++) /* calls that were posted, answers that came twice */
		seat_turn(s);
	for (size_t i = g->count; i > 0; i--)
		node_detach(g->nodes[i - 1], &s->worker);
	worker_enter(NULL);
}

/* What the ask still looked like when it was answered; the fields that are the core's or ours are left out. */
static void
check_untouched(const struct ask *a)
{
	struct rend_op now = *a->op, then;

	memcpy(&then, a->after, sizeof then);
	now.item.value = then.item.value = (struct rend_value){ 0 };
	now.state = then.state = 0;
	memset(now.core, 0, sizeof now.core);
	memset(then.core, 0, sizeof then.core);
	EXPECT(memcmp(&now, &then, sizeof now) == 0, "the op of a %s was changed after it had been answered",
	    rend_verb_name(then.verb));
	EXPECT(memcmp(a->op->scratch, a->after + offsetof(struct rend_op, scratch), REND_SCRATCH_MAX) == 0,
	    "the scratch of a %s was used after it had been answered", rend_verb_name(then.verb));
}

static unsigned values_out; /* atomic: our buffers that somebody still has */

void
rig_close(struct rig *r)
{
	struct generation *g = r->generation;
	unsigned out;

	for (size_t i = g->count; i > 0; i--)
		node_close(g->nodes[i - 1]);
	offload_stop();
	for (int i = 0; i < r->seat_count; i++) {
		struct seat *s = &r->seats[i];

		if (s->base == NULL)
			continue;
		worker_enter(&s->worker);
		while (s->asks != NULL) {
			struct ask *a = s->asks;

			s->asks = a->next;
			if (a->submitted)
				check_untouched(a);
			rend_op_free(&a->op);
			free(a);
		}
		s->worker.newest = NULL;
		worker_fini(&s->worker);
		event_free(s->wake);
		event_base_free(s->base);
	}
	worker_enter(NULL);
	generation_free(&r->generation);
	out = __atomic_load_n(&values_out, __ATOMIC_ACQUIRE);
	EXPECT(out == 0, "%u values were not given back when it closed", out);
}

/* ---- asks ---- */

static void
value_release(struct rend_buf *buf)
{
	free(buf);
	__atomic_sub_fetch(&values_out, 1, __ATOMIC_ACQ_REL);
}

static struct rend_buf *
value_buf(const void *p, size_t len)
{
	struct rend_buf *buf = malloc(sizeof *buf + len);

	if (buf == NULL)
		rig_fail("no memory");
	memcpy(buf + 1, p, len);
	rend_buf_init(buf, buf + 1, len, value_release);
	__atomic_add_fetch(&values_out, 1, __ATOMIC_ACQ_REL);
	return buf;
}

bool
value_is(const struct rend_value *v, const void *p, size_t len)
{
	const struct rend_seg *segs = rend_value_segs(v);
	const char *at = p;

	if (v->len != len)
		return false;
	for (unsigned i = 0; i < v->nsegs; i++) {
		if (memcmp(segs[i].p, at, segs[i].len) != 0)
			return false;
		at += segs[i].len;
	}
	return true;
}

/* The core calls it; an answer that came with the submit is noted by ask_submit(). */
static void
note_answer(struct ask *a)
{
	EXPECT(!a->answered, "a %s was answered twice", rend_verb_name(a->op->verb));
	a->answered = true;
	memcpy(a->after, a->op, sizeof a->after);
}

static void
done(struct rend_op *op)
{
	note_answer(op->up);
}

struct ask *
ask_new(struct seat *s, unsigned verb, const void *key, size_t keylen)
{
	struct ask *a = calloc(1, sizeof *a);

	if (a == NULL || (a->op = op_new(&s->worker, key, keylen)) == NULL)
		rig_fail("no memory");
	memset(a->op->scratch, 0x5c, REND_SCRATCH_MAX);
	a->seat = s;
	a->op->verb = (uint8_t)verb;
	a->op->up = a;
	a->op->done = done;
	a->next = s->asks;
	s->asks = a;
	return a;
}

static void
add_piece(struct ask *a, struct rend_buf *buf, size_t len)
{
	if (rend_value_add(&a->op->item.value, buf, buf->data, len) != 0)
		rig_fail("no memory");
}

void
ask_piece(struct ask *a, const void *p, size_t len)
{
	add_piece(a, value_buf(p, len), len);
}

void
ask_repeat(struct ask *a, const void *p, size_t len, unsigned times)
{
	struct rend_buf *buf = value_buf(p, len);

	for (; times > 0; times--) {
		rend_buf_ref(buf);
		add_piece(a, buf, len);
	}
	rend_buf_drop(&buf);
}

void
ask_submit(struct ask *a)
{
	struct rend_op *op = a->op;

	a->asked = op->ask;
	a->brought = op->item;
	memcpy(a->key, op->key, op->keylen);
	a->submitted = true;
	if (rend_submit(a->seat->rig->node, op))
		note_answer(a);
}

static bool
same_value(const struct rend_value *a, const struct rend_value *b)
{
	if (a->len != b->len || a->nsegs != b->nsegs || a->room != b->room)
		return false;
	return a->nsegs == 0 || (a->room != 0 ? a->segs.many == b->segs.many
					      : memcmp(a->segs.few, b->segs.few, a->nsegs * sizeof *a->segs.few) == 0);
}

static void
check_value(const char *verb, const struct rend_value *v)
{
	const struct rend_seg *segs = rend_value_segs(v);
	size_t sum = 0;

	for (unsigned i = 0; i < v->nsegs; i++) {
		const struct rend_buf *buf = segs[i].buf;

		EXPECT(buf != NULL && buf->magic == REND_BUF_MAGIC && segs[i].p >= buf->data &&
			   segs[i].p + segs[i].len <= buf->data + buf->size,
		    "a piece of the value that a %s gave lies outside its buffer", verb);
		sum += segs[i].len;
	}
	EXPECT(sum == v->len, "the pieces of the value that a %s gave are not as long as the value", verb);
}

/* incr and decr bring none, and may be asked for it. */
static bool
tells_exptime(const struct rend_op *op)
{
	bool counts = op->verb == REND_INCR || op->verb == REND_DECR;

	return counts && op->status == REND_OK && (op->ask.want & REND_WANT_EXPTIME);
}

/* What holds for every answer. */
static void
check_answer(const struct ask *a)
{
	const struct rend_op *op = a->op;
	const struct rend_item *was = &a->brought, *is = &op->item;
	const char *verb = rend_verb_name(op->verb), *status = rend_status_name(op->status);

	EXPECT(op->status < REND_STATUS_COUNT, "a %s was answered with status %u, which is none", verb, op->status);
	EXPECT(memcmp(&op->ask, &a->asked, sizeof a->asked) == 0, "a %s changed what was asked (op->ask)", verb);
	EXPECT(memcmp(op->key, a->key, op->keylen) == 0, "a %s changed the key", verb);
	EXPECT(op->up == a && op->done == done, "a %s changed up or done, which are the submitter's", verb);
	if (op->status == REND_OK && op->verb == REND_GET) {
		check_value(verb, &is->value);
		EXPECT((is->have & ~a->asked.want) == 0,
		    "a get says it gave what it was not asked for (have %#x, want %#x)", is->have, a->asked.want);
		EXPECT((a->asked.want & REND_WANT_VALUE) == 0 || (is->have & REND_WANT_VALUE) ||
			   (a->asked.mode & REND_IF_CAS),
		    "a get that hit did not give the value that was wanted (have)");
		return;
	}
	EXPECT(same_value(&is->value, &was->value), "a %s that ended with %s changed op->item.value", verb, status);
	EXPECT(is->flags == was->flags, "a %s that ended with %s changed op->item.flags", verb, status);
	EXPECT(is->exptime == was->exptime || tells_exptime(op), "a %s that ended with %s changed op->item.exptime",
	    verb, status);
	if (op->status == REND_OK)
		return;
	EXPECT(is->cas == was->cas, "a %s that ended with %s changed op->item.cas", verb, status);
	EXPECT(is->number == was->number, "a %s that ended with %s changed op->item.number", verb, status);
}

enum rend_status
ask_wait(struct ask *a)
{
	uint64_t until = clock_mono() + answer_ns(a->seat);

	if (!a->submitted)
		ask_submit(a);
	while (!a->answered) {
		EXPECT(clock_mono() < until, "a %s was never answered", rend_verb_name(a->op->verb));
		seat_turn(a->seat);
	}
	if (!a->checked)
		check_answer(a);
	a->checked = true;
	return (enum rend_status)a->op->status;
}

void
ask_drop(struct ask *a)
{
	rend_value_drop(&a->op->item.value);
}
