/* Large values in the hands of others: see pin.h. */
#include "pin.h"

#include <sched.h>
#include <stdlib.h>

struct pin {
	struct rend_buf buf; /* first: its release comes back to the pin */
	struct pages *pages;
	struct large *large;
	bool first;		 /* nobody else had it pinned */
	bool lent;		 /* it is the owner: what is to be stored is written there */
	struct pin *prev, *next; /* in pages->pins.all, or .late */
};

struct copy {
	struct rend_buf buf;
	struct pages *pages;
	size_t cost;
	char bytes[];
};

/* ---- all of them ---- */

static void
enter(struct pin **list, struct pin *pin)
{
	pin->prev = NULL;
	pin->next = *list;
	if (*list != NULL)
		(*list)->prev = pin;
	*list = pin;
}

static void
leave(struct pin **list, struct pin *pin)
{
	if (pin->prev == NULL)
		*list = pin->next;
	else
		pin->prev->next = pin->next;
	if (pin->next != NULL)
		pin->next->prev = pin->prev;
}

static void
let_go(struct pin *pin)
{
	if (pin->lent) {
		__atomic_sub_fetch(&pin->pages->reserved, large_cost(pin->large), __ATOMIC_RELAXED);
		large_drop(pin->pages, &pin->large);
	} else {
		large_unpin(pin->pages, pin->large);
	}
}

static void
pin_free(struct pin *pin)
{
	pages_drop(&pin->pages);
	free(pin);
}

static void
pin_release(struct rend_buf *buf)
{
	struct pin *pin = (struct pin *)(void *)buf;
	struct pages *p = pin->pages;
	bool late, ours;

	pin->buf.magic = 0;
	pthread_mutex_lock(&p->pins.lock);
	leave(&p->pins.all, pin);
	late = p->pins.whose == PAGES_GIVEN;
	ours = p->pins.whose == PAGES_OURS;
	if (late)
		enter(&p->pins.late, pin);
	else if (ours)
		__atomic_add_fetch(&p->pins.going, 1, __ATOMIC_RELAXED);
	pthread_mutex_unlock(&p->pins.lock);
	if (ours) {
		/* Its pages may be many. */
		let_go(pin);
		__atomic_sub_fetch(&p->pins.going, 1, __ATOMIC_RELEASE);
	}
	if (!late)
		pin_free(pin);
}

/* Those who were letting go when the pages were given have done so. */
static void
wait_for_those_going(struct pages *p)
{
	while (__atomic_load_n(&p->pins.going, __ATOMIC_ACQUIRE) != 0)
		sched_yield();
}

int
pins_give(struct pages *p, struct pins_held **held, uint64_t *count)
{
	uint64_t n = 0;

	pthread_mutex_lock(&p->pins.lock);
	for (const struct pin *pin = p->pins.all; pin != NULL; pin = pin->next)
		n++;
	*held = calloc(n + 1, sizeof **held);
	if (*held != NULL) {
		*count = 0;
		for (const struct pin *pin = p->pins.all; pin != NULL; pin = pin->next)
			(*held)[(*count)++] = (struct pins_held){
				.offset = (uint64_t)((const char *)pin->large - p->map.base),
				.lent = pin->lent,
			};
		p->pins.whose = PAGES_GIVEN;
	}
	pthread_mutex_unlock(&p->pins.lock);
	if (*held == NULL)
		return -1;
	wait_for_those_going(p);
	return 0;
}

/* Those who let go since they were given. */
static void
end_late(struct pages *p, bool ours)
{
	struct pin *late;

	pthread_mutex_lock(&p->pins.lock);
	p->pins.whose = ours ? PAGES_OURS : PAGES_LEFT;
	late = p->pins.late;
	p->pins.late = NULL;
	pthread_mutex_unlock(&p->pins.lock);
	while (late != NULL) {
		struct pin *pin = late;

		late = pin->next;
		if (ours)
			let_go(pin);
		pin_free(pin);
	}
}

void
pins_keep(struct pages *p)
{
	end_late(p, true);
}

void
pins_leave(struct pages *p)
{
	end_late(p, false);
}

static struct pin *
pin_of(const struct rend_value *value)
{
	struct rend_buf *buf = value->nsegs == 0 ? NULL : rend_value_segs(value)->buf;

	return buf == NULL || buf->release != pin_release ? NULL : (struct pin *)(void *)buf;
}

/* All its pieces.  The pin's only reference goes over to them. */
static int
add_pieces(struct pin *pin, struct rend_value *value)
{
	struct rend_buf *buf = &pin->buf;
	size_t len;
	char *p;

	for (unsigned n = 0; (p = large_piece(pin->pages, pin->large, n, &len)) != NULL; n++) {
		rend_buf_ref(buf);
		if (rend_value_add(value, buf, p, len) != 0) {
			rend_value_drop(value);
			rend_buf_drop(&buf);
			return -1;
		}
	}
	rend_buf_drop(&buf);
	return 0;
}

static struct pin *
pin_new(struct pages *p, struct large *l)
{
	struct pin *pin = calloc(1, sizeof *pin);

	if (pin == NULL)
		return NULL;
	pages_ref(p);
	pin->pages = p;
	pin->large = l;
	rend_buf_init(&pin->buf, p->base, (size_t)p->groups * PAGES_GROUP, pin_release);
	pthread_mutex_lock(&p->pins.lock);
	enter(&p->pins.all, pin);
	pthread_mutex_unlock(&p->pins.lock);
	return pin;
}

int
pin_give(struct pages *p, struct large *l, struct rend_value *value)
{
	struct pin *pin = pin_new(p, l);

	if (pin == NULL)
		return -1;
	pin->first = large_pin(p, l);
	return add_pieces(pin, value);
}

bool
pin_is_over(const struct pages *p, const struct rend_value *value)
{
	const struct pin *pin = pin_of(value);
	uint64_t pinned = __atomic_load_n(&p->pinned, __ATOMIC_RELAXED), young, cost;

	if (pin == NULL || !pin->first || pinned <= p->pinned_max)
		return false;
	cost = large_cost(pin->large);
	/* One may always be, however large it is. */
	if (pinned == cost)
		return false;
	if (pinned > p->pinned_most)
		return true;
	young = large_young(p);
	/* One of those that are young, too. */
	return pinned > young + p->pinned_max && young > p->pinned_max && young != cost;
}

/* ---- copies ---- */

size_t
pin_copy_cost(const struct pages *p, const struct rend_value *value)
{
	size_t cost = sizeof(struct copy) + value->len + 2 * sizeof(size_t);

	if (value->len > PIN_COPY_MAX || __atomic_load_n(&p->copied, __ATOMIC_RELAXED) + cost > p->pinned_max)
		return 0;
	return cost;
}

static void
copy_release(struct rend_buf *buf)
{
	struct copy *c = (struct copy *)(void *)buf;
	struct pages *p = c->pages;

	__atomic_sub_fetch(&p->copied, c->cost, __ATOMIC_RELAXED);
	budget_give(p->budget, c->cost);
	c->buf.magic = 0;
	free(c);
	pages_drop(&p);
}

int
pin_copy(struct pages *p, struct rend_value *value, size_t cost)
{
	struct copy *c = malloc(sizeof *c + value->len);

	if (c == NULL) {
		budget_give(p->budget, cost);
		return -1;
	}
	c->pages = p;
	c->cost = cost;
	pages_ref(p);
	__atomic_add_fetch(&p->copied, cost, __ATOMIC_RELAXED);
	rend_buf_init(&c->buf, c->bytes, rend_value_copy_out(value, 0, c->bytes, value->len), copy_release);
	rend_value_drop(value);
	return rend_value_add(value, &c->buf, c->bytes, c->buf.size);
}

/* ---- what is on its way to be stored ---- */

int
pin_lend(struct pages *p, struct large *l, struct rend_value *value)
{
	struct pin *pin = pin_new(p, l);

	if (pin == NULL) {
		large_drop(p, &l);
		return -1;
	}
	pin->lent = true;
	__atomic_add_fetch(&p->reserved, large_cost(l), __ATOMIC_RELAXED);
	return add_pieces(pin, value);
}

struct large *
pin_returned(struct pages *p, const struct rend_value *value)
{
	struct pin *pin = pin_of(value);

	if (pin == NULL || pin->pages != p || !pin->lent || pin->large->len != value->len ||
	    pin->large->runs_count != value->nsegs)
		return NULL;
	/* Its part as an owner goes over to the caller; who still has the value reads it like an answer. */
	__atomic_sub_fetch(&p->reserved, large_cost(pin->large), __ATOMIC_RELAXED);
	pin->lent = false;
	pin->first = large_pin(p, pin->large);
	return pin->large;
}
