/* What a process has counted, and leaves to the next one: see legacy_counts.h. */
#include "net/legacy_counts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "net/letter.h"
#include "net/legacy_sockets.h"
#include "net/listener.h"
#include "net/server.h"

/* The same number means the same in every rend; one that is no more is not used again. */
enum {
	ID_ACCEPTED = 1,
	ID_REJECTED = 2,
	ID_ACCEPT_PAUSES = 3,
	ID_ACCEPT_PAUSED_NS = 4,
	ID_FLUSH_DUE = 5,
	ID_SUM = 6,
	/* struct counts, from here on */
	ID_COUNTS = 32,
	ID_COUNTS_END = 64,
	/* struct tally: ID_TALLY + slot * 64 + status */
	ID_TALLY = 1024,
};

/* The nth is ID_COUNTS + n: new ones come last. */
static const size_t fields[] = {
	offsetof(struct counts, bytes_read),
	offsetof(struct counts, bytes_written),
	offsetof(struct counts, reads),
	offsetof(struct counts, writes),
	offsetof(struct counts, yields),
	offsetof(struct counts, refused),
	offsetof(struct counts, meta),
	offsetof(struct counts, idle_kicks),
	offsetof(struct counts, stall_kicks),
};
#define FIELDS (sizeof fields / sizeof *fields)

_Static_assert(FIELDS == sizeof(struct counts) / sizeof(uint64_t), "something is counted that has no id");
_Static_assert(FIELDS <= ID_COUNTS_END - ID_COUNTS && REND_STATUS_COUNT <= 64, "ids are those of something else");

static uint64_t *
field(struct counts *c, size_t n)
{
	return (uint64_t *)(void *)((char *)c + fields[n]);
}

/* ---- sending ---- */

static void
put(struct letter *l, uint64_t id, uint64_t n)
{
	if (n == 0)
		return;
	letter_put_u64(l, id);
	letter_put_u64(l, n);
}

static void
begin(struct letter *l, enum legacy_kind kind, uint64_t number, uint64_t form)
{
	letter_begin(l, LETTER_COUNTS);
	letter_put_u64(l, kind);
	letter_put_u64(l, number);
	letter_put_u64(l, form);
}

static void
put_counts(struct letter *l, struct counts *c)
{
	for (size_t i = 0; i < FIELDS; i++)
		put(l, ID_COUNTS + i, *field(c, i));
}

static void
put_tally(struct letter *l, const struct tally *t)
{
	for (unsigned slot = 0; slot < COUNT_SLOTS; slot++)
		for (unsigned status = 0; status < REND_STATUS_COUNT; status++)
			put(l, ID_TALLY + slot * 64 + status, t->answered[slot][status]);
}

static int
send_server(struct server *s, int fd, uint64_t until)
{
	struct counts sum = { 0 };
	struct letter l;

	for (int i = 0; i < s->loop_count; i++)
		counts_merge(&sum, &s->loops[i].counts);
	begin(&l, LEGACY_SERVER, 0, 0);
	put(&l, ID_ACCEPTED, __atomic_load_n(&s->accepted, __ATOMIC_RELAXED));
	put(&l, ID_REJECTED, __atomic_load_n(&s->rejected, __ATOMIC_RELAXED));
	put(&l, ID_ACCEPT_PAUSES, __atomic_load_n(&s->accept_pauses, __ATOMIC_RELAXED));
	put(&l, ID_ACCEPT_PAUSED_NS, __atomic_load_n(&s->accept_paused_ns, __ATOMIC_RELAXED));
	put_counts(&l, &sum);
	return letter_send(fd, &l, until);
}

static int
send_reset(struct server *s, int fd, uint64_t until)
{
	struct counts counts;
	struct letter l;

	pthread_mutex_lock(&s->reset_lock);
	counts = s->reset_counts;
	begin(&l, LEGACY_RESET, 0, 0);
	put(&l, ID_ACCEPTED, s->reset_accepted);
	put(&l, ID_REJECTED, s->reset_rejected);
	put_counts(&l, &counts);
	put_tally(&l, &s->reset_tally);
	pthread_mutex_unlock(&s->reset_lock);
	return letter_send(fd, &l, until);
}

static int
send_listener(struct server *s, size_t nth, int fd, uint64_t until)
{
	const struct listener *from = &s->listeners[nth];
	struct letter l;

	begin(&l, LEGACY_LISTENER, nth, 0);
	put(&l, ID_ACCEPTED, __atomic_load_n(&from->accepted, __ATOMIC_RELAXED));
	put(&l, ID_REJECTED, __atomic_load_n(&from->rejected, __ATOMIC_RELAXED));
	put(&l, ID_FLUSH_DUE, flush_timer_of(&s->flush_timer, nth));
	return letter_send(fd, &l, until);
}

static int
send_form(struct server *s, size_t nth, unsigned form, int fd, uint64_t until)
{
	struct tally sum = { 0 };
	struct letter l;

	for (int i = 0; i < s->loop_count; i++)
		tally_merge(&sum, &loop_tallies(&s->loops[i], s->listeners[nth].settings)[form]);
	begin(&l, LEGACY_FORM, nth, form);
	put_tally(&l, &sum);
	return letter_send(fd, &l, until);
}

/* A bucket's id is how long its longest took: that is the same wherever buckets begin. */
static int
send_latency(struct server *s, unsigned slot, int fd, uint64_t until)
{
	struct histogram sum = { 0 };
	struct letter l;

	for (int i = 0; i < s->loop_count; i++)
		histogram_merge(&sum, &s->loops[i].latency[slot]);
	begin(&l, LEGACY_LATENCY, slot, 0);
	letter_put_u64(&l, sum.sum);
	for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++)
		put(&l, histogram_bucket_end(i), sum.counts[i]);
	return letter_send(fd, &l, until);
}

static int
send_all(struct server *s, int fd, uint64_t until)
{
	int rc = send_server(s, fd, until);

	if (rc == 0)
		rc = send_reset(s, fd, until);
	for (size_t i = 0; i < server_listeners(s) && rc == 0; i++) {
		rc = send_listener(s, i, fd, until);
		for (unsigned form = 0; form < FORM_COUNT && rc == 0; form++)
			rc = send_form(s, i, form, fd, until);
	}
	for (unsigned slot = 0; slot < COUNT_SLOTS && rc == 0; slot++)
		rc = send_latency(s, slot, fd, until);
	return rc;
}

int
legacy_send_counts(struct server *s, int fd, uint64_t until, struct rend_error *err)
{
	if (send_all(s, fd, until) == 0)
		return 0;
	return error_set(err, EX_TEMPFAIL, "the new process cannot be told: %s", strerror(errno));
}

/* ---- reading ---- */

static void
take(struct legacy_counts *c, uint64_t id, uint64_t n)
{
	uint64_t cell = id - ID_TALLY;

	if (id == ID_ACCEPTED)
		c->accepted = n;
	else if (id == ID_REJECTED)
		c->rejected = n;
	else if (id == ID_ACCEPT_PAUSES)
		c->accept_pauses = n;
	else if (id == ID_ACCEPT_PAUSED_NS)
		c->accept_paused_ns = n;
	else if (id == ID_FLUSH_DUE)
		c->flush_due = n;
	else if (id >= ID_COUNTS && id - ID_COUNTS < FIELDS)
		*field(&c->counts, id - ID_COUNTS) = n;
	else if (id >= ID_TALLY && cell / 64 < COUNT_SLOTS && cell % 64 < REND_STATUS_COUNT)
		c->tally.answered[cell / 64][cell % 64] = n;
}

int
legacy_read_counts(struct letter *l, struct legacy_counts *c)
{
	uint64_t kind = letter_get_u64(l);

	memset(c, 0, sizeof *c);
	c->kind = kind < LEGACY_KINDS ? (enum legacy_kind)kind : LEGACY_KINDS;
	c->number = (unsigned)letter_get_at_most(l, UINT16_MAX);
	c->form = (unsigned)letter_get_at_most(l, UINT16_MAX);
	if (c->kind == LEGACY_LATENCY)
		c->latency.sum = letter_get_u64(l);
	while (letter_has_more(l)) {
		uint64_t id = letter_get_u64(l), n = letter_get_u64(l);

		if (c->kind == LEGACY_LATENCY)
			c->latency.counts[histogram_bucket(id)] += n;
		else
			take(c, id, n);
	}
	return letter_finish(l) ? 0 : -1;
}

/* ---- adding ---- */

/* What a worker counts only that worker changes. */
struct addition {
	struct rend_call call;
	struct loop *loop;
	struct tally *to; /* NULL: no listener's */
	struct legacy_counts counts;
};

static void
add_here(struct rend_call *call)
{
	struct addition *a = LIST_OBJ(call, struct addition, call);

	if (a->counts.kind == LEGACY_SERVER)
		counts_merge(&a->loop->counts, &a->counts.counts);
	else if (a->counts.kind == LEGACY_FORM)
		tally_merge(a->to, &a->counts.tally);
	else
		histogram_merge(&a->loop->latency[a->counts.number], &a->counts.latency);
	free(a);
}

static int
add_to_worker(struct server *s, struct tally *to, const struct legacy_counts *c)
{
	struct addition *a = malloc(sizeof *a);

	if (a == NULL)
		return -1;
	*a = (struct addition){ .call.fn = add_here, .loop = &s->loops[0], .to = to, .counts = *c };
	rend_post(&a->loop->worker, &a->call);
	return 0;
}

static void
add_reset(struct server *s, const struct legacy_counts *c)
{
	pthread_mutex_lock(&s->reset_lock);
	s->reset_accepted = c->accepted;
	s->reset_rejected = c->rejected;
	s->reset_counts = c->counts;
	s->reset_tally = c->tally;
	pthread_mutex_unlock(&s->reset_lock);
}

static void
add_to_listener(struct listener *l, const struct legacy_counts *c, bool same)
{
	__atomic_fetch_add(&l->accepted, c->accepted, __ATOMIC_RELAXED);
	__atomic_fetch_add(&l->rejected, c->rejected, __ATOMIC_RELAXED);
	if (same && c->flush_due != 0)
		l->flush_due = c->flush_due;
}

int
legacy_add_counts(struct server *s, const struct inherited *in, const struct legacy_counts *c)
{
	const struct listener_settings *at = legacy_listener(s, in, c->number);
	bool same = at != NULL;

	/* Of a listener that is no more, what was counted is somebody's all the same. */
	if (!same)
		at = s->listeners[0].settings;
	switch (c->kind) {
	case LEGACY_SERVER:
		__atomic_fetch_add(&s->accepted, c->accepted, __ATOMIC_RELAXED);
		__atomic_fetch_add(&s->rejected, c->rejected, __ATOMIC_RELAXED);
		__atomic_fetch_add(&s->accept_pauses, c->accept_pauses, __ATOMIC_RELAXED);
		__atomic_fetch_add(&s->accept_paused_ns, c->accept_paused_ns, __ATOMIC_RELAXED);
		return add_to_worker(s, NULL, c);
	case LEGACY_RESET:
		add_reset(s, c);
		return 0;
	case LEGACY_LISTENER:
		add_to_listener(server_listener(s, at), c, same);
		return 0;
	case LEGACY_FORM:
		return c->form >= FORM_COUNT ? 0 : add_to_worker(s, &loop_tallies(&s->loops[0], at)[c->form], c);
	case LEGACY_LATENCY:
		return c->number >= COUNT_SLOTS ? 0 : add_to_worker(s, NULL, c);
	case LEGACY_KINDS:
		break;
	}
	return 0;
}
