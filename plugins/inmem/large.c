/* Values too large for the log: see large.h. */
#include "large.h"

#include <stdlib.h>

#include "rend/worker.h"

/* What stands before the bytes: room for a few runs, or for as many as there may be. */
#define HEAD_FEW  64
#define HEAD_MANY PAGES_PAGE

#define RUNS_FEW  ((HEAD_FEW - sizeof(struct large)) / sizeof(struct pages_run))
#define RUNS_MANY ((HEAD_MANY - sizeof(struct large)) / sizeof(struct pages_run))

static uint64_t
units_for(size_t head, size_t len)
{
	return (head + len + PAGES_UNIT - 1) / PAGES_UNIT;
}

uint64_t
large_pages(size_t len)
{
	return pages_of_units(units_for(HEAD_MANY, len));
}

/* Enough to tell what was damaged. */
static uint16_t
sum_of(const struct large *l, const struct pages_run *runs)
{
	uint64_t sum = l->len ^ (uint64_t)l->units << 32 ^ (uint64_t)l->runs_count << 16 ^ l->head;

	for (unsigned i = 0; i < l->runs_count; i++) {
		uint64_t run;

		memcpy(&run, &runs[i], sizeof run);
		sum = ((sum ^ sum >> 29) + run) * 0x9e3779b97f4a7c15U;
	}
	return (uint16_t)(sum >> 48);
}

struct large *
large_new(struct pages *p, size_t len)
{
	struct pages_run runs[RUNS_MANY];
	size_t head = HEAD_FEW;
	uint64_t units = units_for(head, len), rest = large_pages(len) - pages_of_units(units);
	unsigned count = units > UINT32_MAX ? 0 : pages_place(p, units, runs, RUNS_FEW);
	struct large *l;

	if (count == 0 && units <= UINT32_MAX) {
		head = HEAD_MANY;
		units = units_for(head, len);
		rest = 0;
		count = pages_place(p, units, runs, RUNS_MANY);
	}
	if (count == 0) {
		pages_unclaim(p, large_pages(len));
		return NULL;
	}
	if (rest != 0)
		pages_unclaim(p, rest);
	l = (struct large *)(void *)pages_at(p, runs[0].start);
	*l = (struct large){ .users = LARGE_OWNER,
		.len = len,
		.units = (uint32_t)units,
		.runs_count = (uint16_t)count,
		.head = (uint16_t)head };
	memcpy(l->runs, runs, count * sizeof *runs);
	l->sum = sum_of(l, runs);
	return l;
}

static int
by_start(const void *a, const void *b)
{
	const struct pages_run *x = a, *y = b;

	return x->start < y->start ? -1 : x->start > y->start;
}

/* Does no unit lie in two of them?  Sorts them. */
static bool
are_apart(struct pages_run *runs, unsigned count)
{
	qsort(runs, count, sizeof *runs, by_start);
	for (unsigned i = 1; i < count; i++)
		if (runs[i - 1].start + runs[i - 1].count > runs[i].start)
			return false;
	return true;
}

/*
 * A copy is looked at: a record that nobody finds any more may lead to where others write meanwhile.  The fences keep the compiler from reading the
 * original again.
 */
bool
large_is_sound(struct pages *p, const struct large *l)
{
	uint64_t offset = (uint64_t)((const char *)l - p->base), region = (uint64_t)p->groups * PAGES_GROUP, units = 0;
	struct pages_run runs[RUNS_MANY];
	struct large head;

	if (offset % PAGES_UNIT != 0 || offset >= region)
		return false;
	/* Before it is read: else there may be no memory behind it, and would be then. */
	if (!pages_are_used(p, &(struct pages_run){ .start = offset / PAGES_UNIT, .count = 1 }))
		return false;
	memcpy(&head, l, sizeof head);
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	if (head.head == HEAD_FEW ? head.runs_count > RUNS_FEW : head.head != HEAD_MANY || head.runs_count > RUNS_MANY)
		return false;
	if (head.runs_count == 0 || offset + head.head > region)
		return false;
	memcpy(runs, l->runs, head.runs_count * sizeof *runs);
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	if (head.sum != sum_of(&head, runs) || runs[0].start * PAGES_UNIT != offset)
		return false;
	for (unsigned i = 0; i < head.runs_count; i++) {
		units += runs[i].count;
		if (!pages_are_used(p, &runs[i]))
			return false;
	}
	return units == head.units && head.len <= units * PAGES_UNIT && units == units_for(head.head, head.len) &&
	       are_apart(runs, head.runs_count);
}

static void
let_go(struct pages *p, struct large *l)
{
	struct pages_run runs[RUNS_MANY];
	unsigned count = l->runs_count;

	/* It lies in what it frees. */
	memcpy(runs, l->runs, count * sizeof *runs);
	pages_free(p, runs, count);
}

static void
count(uint64_t *bytes, uint64_t more)
{
	__atomic_add_fetch(bytes, more, __ATOMIC_RELAXED);
}

void
large_drop(struct pages *p, struct large **lp)
{
	struct large *l = *lp;
	uint64_t cost, users;

	*lp = NULL;
	if (l == NULL)
		return;
	cost = large_cost(l);
	/* Counted before, so that whoever unpins it last finds it counted. */
	count(&p->orphans, cost);
	users = __atomic_sub_fetch(&l->users, LARGE_OWNER, __ATOMIC_ACQ_REL);
	if (users >= LARGE_OWNER || users == 0)
		count(&p->orphans, -cost);
	if (users == 0)
		let_go(p, l);
}

/* ---- pins ---- */

#define HELD_SHIFT   44
#define HELD_UNITS   ((1ULL << HELD_SHIFT) - 1)
#define HELD_SECONDS (1U << (64 - HELD_SHIFT))
#define SECOND	     (1000ULL * 1000 * 1000) /* ns */

static uint32_t
second(void)
{
	return (uint32_t)(rend_now() / SECOND % HELD_SECONDS);
}

/* It is pinned in this second: what the place says of an earlier one is over. */
static void
held_add(struct pages *p, uint32_t since, uint64_t units)
{
	uint64_t *held = &p->held[since % PAGES_HELD], was = __atomic_load_n(held, __ATOMIC_RELAXED), is;

	do {
		is = was >> HELD_SHIFT == since ? was + units : (uint64_t)since << HELD_SHIFT | units;
	} while (!__atomic_compare_exchange_n(held, &was, is, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED));
}

/* It is pinned no longer: what it was pinned in may not count any more. */
static void
held_sub(struct pages *p, uint32_t since, uint64_t units)
{
	uint64_t *held = &p->held[since % PAGES_HELD], was = __atomic_load_n(held, __ATOMIC_RELAXED);

	do {
		if (was >> HELD_SHIFT != since)
			return;
	} while (!__atomic_compare_exchange_n(held, &was, was - units, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED));
}

uint64_t
large_young(const struct pages *p)
{
	uint32_t now = second();
	uint64_t units = 0;

	for (unsigned i = 0; i < PAGES_HELD; i++) {
		uint64_t held = __atomic_load_n(&p->held[i], __ATOMIC_RELAXED);

		if ((now - (held >> HELD_SHIFT)) % HELD_SECONDS < 2)
			units += held & HELD_UNITS;
	}
	return units * PAGES_UNIT;
}

bool
large_pin(struct pages *p, struct large *l)
{
	bool first = LARGE_PINS(__atomic_fetch_add(&l->users, 1, __ATOMIC_RELAXED)) == 0;

	if (first) {
		uint32_t since = second();

		__atomic_store_n(&l->since, since, __ATOMIC_RELAXED);
		held_add(p, since, l->units);
		count(&p->pinned, large_cost(l));
	}
	return first;
}

void
large_unpin(struct pages *p, struct large *l)
{
	/* Before the pin is gone: another one may begin at once. */
	uint32_t since = __atomic_load_n(&l->since, __ATOMIC_RELAXED);
	uint64_t cost = large_cost(l), users = __atomic_sub_fetch(&l->users, 1, __ATOMIC_ACQ_REL);

	if (LARGE_PINS(users) == 0) {
		held_sub(p, since, cost / PAGES_UNIT);
		count(&p->pinned, -cost);
	}
	if (users != 0)
		return;
	count(&p->orphans, -cost);
	let_go(p, l);
}

/* ---- its bytes ---- */

char *
large_piece(const struct pages *p, const struct large *l, unsigned n, size_t *len)
{
	size_t before = 0, skip = n == 0 ? l->head : 0;

	if (n >= l->runs_count)
		return NULL;
	*len = l->runs[n].count * PAGES_UNIT - skip;
	/* The last one is used as far as the value goes. */
	if (n + 1U == l->runs_count) {
		for (unsigned i = 0; i < n; i++)
			before += l->runs[i].count * PAGES_UNIT;
		*len = l->head + l->len - before - skip;
	}
	return pages_at(p, l->runs[n].start) + skip;
}

static void
copy(const struct pages *p, const struct large *l, size_t at, char *to, const char *from, size_t len)
{
	size_t piece, skip = at, done = 0;
	char *bytes;

	for (unsigned n = 0; done < len && (bytes = large_piece(p, l, n, &piece)) != NULL; n++) {
		size_t part;

		if (skip >= piece) {
			skip -= piece;
			continue;
		}
		part = piece - skip < len - done ? piece - skip : len - done;
		if (to != NULL)
			memcpy(to + done, bytes + skip, part);
		else
			memcpy(bytes + skip, from + done, part);
		done += part;
		skip = 0;
	}
}

void
large_write(const struct pages *p, const struct large *l, size_t at, const char *from, size_t len)
{
	copy(p, l, at, NULL, from, len);
}

void
large_read(const struct pages *p, const struct large *l, size_t at, char *to, size_t len)
{
	copy(p, l, at, to, NULL, len);
}
