/* A lock that nobody blocks at: see stripe.h. */
#include "stripe.h"

#include "rend/check.h"

void
stripe_init(struct stripe *s)
{
	pthread_mutex_init(&s->lock, NULL);
	s->holders = 0;
	s->waiting = 0;
	ring_init(&s->queue);
}

void
stripe_fini(struct stripe *s)
{
	pthread_mutex_destroy(&s->lock);
}

/* ---- under the lock ---- */

static void
count_waiting(struct stripe *s, int by)
{
	__atomic_store_n(&s->waiting, s->waiting + (uint32_t)by, __ATOMIC_RELAXED);
}

static bool
fits(const struct stripe *s, const struct turn *t)
{
	return t->shared ? s->holders >= 0 : s->holders == 0;
}

static void
hold(struct stripe *s, const struct turn *t)
{
	s->holders = t->shared ? s->holders + 1 : -1;
}

/* The first of the queue, and those behind it who can share with it. */
static void
next(struct stripe *s, struct outbox *out)
{
	while (!ring_empty(&s->queue)) {
		struct turn *t = RING_OBJ(s->queue.next, struct turn, at);

		if (!fits(s, t))
			return;
		hold(s, t);
		ring_remove(&t->at);
		count_waiting(s, -1);
		t->waits = false;
		/* Under the lock, so that one who finds that it no longer waits finds it at home. */
		outbox_put(out, t);
	}
}

/* ---- taking the lock ---- */

enum taken
stripe_take(struct stripe *s, struct turn *t, uint32_t most)
{
	enum taken taken = TAKEN;

	pthread_mutex_lock(&s->lock);
	if (ring_empty(&s->queue) && fits(s, t)) {
		hold(s, t);
		t->held = true;
	} else if (s->waiting >= most) {
		taken = FULL;
	} else {
		taken = QUEUED;
		t->waits = true;
		count_waiting(s, 1);
		ring_append(&s->queue, &t->at);
	}
	pthread_mutex_unlock(&s->lock);
	return taken;
}

void
stripe_give_back(struct stripe *s, struct turn *t, struct outbox *out)
{
	REND_ASSERT(t->held);
	t->held = false;
	pthread_mutex_lock(&s->lock);
	s->holders = t->shared ? s->holders - 1 : 0;
	next(s, out);
	pthread_mutex_unlock(&s->lock);
}

bool
stripe_leave(struct stripe *s, struct turn *t, struct outbox *out)
{
	bool waited;

	pthread_mutex_lock(&s->lock);
	waited = t->waits;
	if (waited) {
		t->waits = false;
		ring_remove(&t->at);
		count_waiting(s, -1);
		/* It may have been what kept those behind it from sharing with the holders. */
		next(s, out);
	}
	pthread_mutex_unlock(&s->lock);
	return waited;
}
