/* The connections of a drive: see fleet.h. */
#include "fleet.h"

#include <errno.h>

#include "judge.h"

#define RETRY_AFTER UINT64_C(100000000) /* ns: until a connection that failed is dialed again */
#define DIALING_MAX 128			/* at a time: a server's backlog is not endless */

bool
fleet_may_dial(const struct drive *d)
{
	return d->dialing < DIALING_MAX;
}

void
fleet_ready(struct drive *d, struct wire *w)
{
	if (w->ready || w->idle || w->finished || w->leaving || w->state != WIRE_UP || w->count >= d->stage.depth)
		return;
	w->ready = true;
	w->next_ready = NULL;
	if (d->ready == NULL)
		d->ready = w;
	else
		d->ready_last->next_ready = w;
	d->ready_last = w;
	d->ready_count++;
}

struct wire *
fleet_take(struct drive *d)
{
	struct wire *w;

	while ((w = d->ready) != NULL) {
		d->ready = w->next_ready;
		d->ready_count--;
		w->ready = false;
		if (w->state == WIRE_UP && !w->leaving)
			break;
	}
	return w;
}

void
fleet_dial(struct drive *d, struct wire *w, uint64_t now)
{
	const struct settings *s = d->settings;
	const struct in_addr *from = s->source_count == 0 ? NULL : &s->sources[w->number % s->source_count];

	uint32_t which = w->number % (s->also_count + 1);

	w->since = now;
	d->opened++;
	if (wire_dial(w, which == 0 ? &d->target : &d->also[which - 1], from, d->epoll) == 0) {
		d->dialing++;
		return;
	}
	/* A unix socket whose backlog is full says so at once: that is no refusal. */
	if (errno != EAGAIN)
		d->refused++;
	w->retry_at = now + (errno == EAGAIN ? 1000000 : RETRY_AFTER);
}

void
fleet_shut(struct drive *d, struct wire *w, uint64_t retry_at)
{
	if (w->state == WIRE_UP)
		d->up--;
	else if (w->state == WIRE_DIALING)
		d->dialing--;
	wire_close(w);
	w->retry_at = retry_at;
}

bool
fleet_dialed(struct drive *d, struct wire *w, uint64_t now)
{
	if (wire_dialed(w, d->epoll) != 0) {
		d->refused++;
		fleet_shut(d, w, now + RETRY_AFTER);
		return false;
	}
	d->dialing--;
	d->up++;
	w->since = now;
	return true;
}

void
fleet_abandon(struct drive *d, struct wire *w, const char *why, uint64_t now)
{
	/* All of it counts as written: it is only to be gone through. */
	w->written = w->count;
	for (; w->count > 0; wire_pop(w)) {
		struct request *r = wire_oldest(w);

		if (r == NULL || w->idle)
			continue;
		d->open--;
		judge_lost(d, r, why);
	}
	fleet_shut(d, w, now + RETRY_AFTER);
}

void
fleet_check(struct drive *d, uint64_t now)
{
	uint32_t all = d->count + d->settings->idle;

	for (uint32_t i = 0; i < all; i++) {
		struct wire *w = &d->wires[i];

		if (w->state == WIRE_DOWN && w->retry_at <= now && fleet_may_dial(d))
			fleet_dial(d, w, now);
		else if (w->state == WIRE_DIALING && now > w->since && now - w->since > d->settings->timeout) {
			d->refused++;
			fleet_shut(d, w, now);
		} else if (w->state == WIRE_UP && w->count > 0 && now > w->since &&
			   now - w->since > d->settings->timeout)
			fleet_abandon(d, w, FLEET_LATE, now);
	}
}
