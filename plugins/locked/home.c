/* Brings turns home: see home.h. */
#include "home.h"

static void come_home(struct rend_call *call);

void
home_init(struct home *h)
{
	*h = (struct home){ .call.fn = come_home };
	pthread_mutex_init(&h->lock, NULL);
	ring_init(&h->mail);
	ring_init(&h->due);
}

void
home_fini(struct home *h)
{
	pthread_mutex_destroy(&h->lock);
}

void
home_run(struct home *h)
{
	struct ring *r;

	if (h->running)
		return;
	h->running = true;
	while ((r = ring_take(&h->due)) != NULL) {
		struct turn *t = RING_OBJ(r, struct turn, at);

		t->held = true;
		t->go(t);
	}
	h->running = false;
}

void
home_fetch(struct home *h)
{
	struct ring *r;

	pthread_mutex_lock(&h->lock);
	while ((r = ring_take(&h->mail)) != NULL)
		ring_append(&h->due, r);
	pthread_mutex_unlock(&h->lock);
	home_run(h);
}

static void
come_home(struct rend_call *call)
{
	struct home *h = RING_OBJ(call, struct home, call);

	/* From here on the call may be posted again. */
	pthread_mutex_lock(&h->lock);
	h->posted = false;
	pthread_mutex_unlock(&h->lock);
	home_fetch(h);
}

void
outbox_put(struct outbox *out, struct turn *t)
{
	struct home *h = &out->homes[t->home];
	bool wake;

	if (h == out->here) {
		ring_append(&h->due, &t->at);
		return;
	}
	pthread_mutex_lock(&h->lock);
	ring_append(&h->mail, &t->at);
	wake = !h->posted;
	h->posted = true;
	pthread_mutex_unlock(&h->lock);
	if (wake) {
		h->to_wake = out->to_wake;
		out->to_wake = h;
	}
}

void
outbox_send(struct outbox *out)
{
	while (out->to_wake != NULL) {
		struct home *h = out->to_wake;

		out->to_wake = h->to_wake;
		rend_post(h->worker, &h->call);
	}
}
