/* Keeps requests from a disk that answers none: see breaker.h. */
#include "breaker.h"

#include <pthread.h>
#include <stdlib.h>

#define ERRORS	   10
#define ERRORS_MAX 1024
#define WINDOW	   10000000000ULL
#define PAUSE	   5000000000ULL

struct breaker {
	enum breaker_state state; /* atomic: read without the lock */
	pthread_mutex_t lock;	  /* guards the rest */
	struct breaker_limits limits;
	struct breaker_counts counts; /* written under the lock, but for refused, which is atomic */
	uint64_t since;		      /* when the state, or a probe, began */
	uint32_t next;		      /* the oldest of `times` */
	uint64_t times[];	      /* when the last errors were, a ring of limits.errors */
};

struct breaker *
breaker_new(const struct breaker_limits *limits)
{
	struct breaker_limits l = limits != NULL ? *limits : (struct breaker_limits){ 0 };
	struct breaker *b;

	l.errors = l.errors == 0 ? ERRORS : l.errors > ERRORS_MAX ? ERRORS_MAX : l.errors;
	l.window = l.window == 0 ? WINDOW : l.window;
	l.pause = l.pause == 0 ? PAUSE : l.pause;
	b = calloc(1, sizeof(*b) + l.errors * sizeof(b->times[0]));
	if (b == NULL)
		return NULL;
	b->limits = l;
	pthread_mutex_init(&b->lock, NULL);
	return b;
}

void
breaker_free(struct breaker **b)
{
	if (*b == NULL)
		return;
	pthread_mutex_destroy(&(*b)->lock);
	free(*b);
	*b = NULL;
}

enum breaker_state
breaker_state(const struct breaker *b)
{
	return __atomic_load_n(&b->state, __ATOMIC_ACQUIRE);
}

struct breaker_counts
breaker_counts(const struct breaker *b)
{
	const struct breaker_counts *c = &b->counts;

	return (struct breaker_counts){
		.errors = __atomic_load_n(&c->errors, __ATOMIC_RELAXED),
		.timeouts = __atomic_load_n(&c->timeouts, __ATOMIC_RELAXED),
		.opened = __atomic_load_n(&c->opened, __ATOMIC_RELAXED),
		.closed = __atomic_load_n(&c->closed, __ATOMIC_RELAXED),
		.refused = __atomic_load_n(&c->refused, __ATOMIC_RELAXED),
		.probes = __atomic_load_n(&c->probes, __ATOMIC_RELAXED),
	};
}

static void
count(uint64_t *counter)
{
	__atomic_fetch_add(counter, 1, __ATOMIC_RELAXED);
}

bool
breaker_allows(struct breaker *b, enum breaker_probe probe)
{
	if (probe != BREAKER_NO_PROBE || breaker_state(b) == BREAKER_CLOSED)
		return true;
	count(&b->counts.refused);
	return false;
}

/* The lock is held. */
static void
turn(struct breaker *b, enum breaker_state state, uint64_t now)
{
	if (state == BREAKER_OPEN && b->state == BREAKER_CLOSED)
		count(&b->counts.opened);
	if (state == BREAKER_CLOSED)
		count(&b->counts.closed);
	b->since = now;
	__atomic_store_n(&b->state, state, __ATOMIC_RELEASE);
}

/* Is it one that the disk is to blame for?  The others are the caller's, or a file's that is shorter than one thought. */
static bool
is_error(enum io_status status)
{
	return status == IO_FAILED || status == IO_NO_SPACE || status == IO_DENIED || status == IO_TIMEOUT ||
	       status == IO_GONE;
}

/* One more error; have there been too many?  The lock is held. */
static bool
is_too_much(struct breaker *b, uint64_t now)
{
	uint64_t oldest;

	b->times[b->next] = now;
	b->next = (b->next + 1) % b->limits.errors;
	oldest = b->times[b->next];
	return oldest != 0 && now - oldest <= b->limits.window;
}

static void
forget_errors(struct breaker *b)
{
	for (uint32_t i = 0; i < b->limits.errors; i++)
		b->times[i] = 0;
}

void
breaker_ended(struct breaker *b, enum io_status status, enum breaker_probe probe, uint64_t now)
{
	bool error = is_error(status);

	if (!error && probe == BREAKER_NO_PROBE)
		return;
	pthread_mutex_lock(&b->lock);
	if (error) {
		count(&b->counts.errors);
		if (status == IO_TIMEOUT)
			count(&b->counts.timeouts);
		if (b->state == BREAKER_CLOSED && (is_too_much(b, now) || status == IO_GONE))
			turn(b, BREAKER_OPEN, now);
	}
	if (probe != BREAKER_NO_PROBE && b->state == BREAKER_HALF_OPEN && status != IO_OK)
		turn(b, BREAKER_OPEN, now);
	if (probe == BREAKER_PROBE_LAST && b->state == BREAKER_HALF_OPEN && status == IO_OK) {
		turn(b, BREAKER_CLOSED, now);
		forget_errors(b);
	}
	pthread_mutex_unlock(&b->lock);
}

bool
breaker_probe_due(struct breaker *b, uint64_t now)
{
	bool due;

	if (breaker_state(b) == BREAKER_CLOSED)
		return false;
	pthread_mutex_lock(&b->lock);
	due = b->state != BREAKER_CLOSED && now - b->since >= b->limits.pause;
	if (due) {
		count(&b->counts.probes);
		turn(b, BREAKER_HALF_OPEN, now);
	}
	pthread_mutex_unlock(&b->lock);
	return due;
}
