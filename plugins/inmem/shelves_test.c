/* A store with two workers on one thread, and no core: see shelves_test.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "shelves_test.h"

#include "audit_test.h"
#include "base/clock.h"
#include "base/hash.h"

/* ---- ops without the core ---- */

struct store *store;
struct shelf *shelves[2];

void
shelves_make(uint64_t limit, bool evict)
{
	clock_fake(1000000000, 1000);
	hash_seed(7);
	store = store_new(limit, evict, true, 2);
	assert_non_null(store);
	for (unsigned w = 0; w < 2; w++)
		assert_non_null(shelves[w] = shelf_new(store, w));
}

void
shelves_end(void)
{
	for (unsigned w = 0; w < 2; w++)
		shelf_free(&shelves[w]);
	store_free(&store);
	clock_unfake();
}

struct rend_op *
op_of(struct op *o, int key)
{
	int len = snprintf(o->key, sizeof o->key, "key-%d", key);

	o->op = (struct rend_op){ .key = o->key, .keylen = (uint8_t)len, .hash = hash_key(o->key, (size_t)len) };
	return &o->op;
}

char
described(int key, size_t at)
{
	return (char)('a' + ((size_t)key * 7 + at * 3) % 26);
}

/* The same, in parts of any length. */
void
write_described(const struct draft *d, int key, size_t len)
{
	char part[4999];

	for (size_t at = 0; at < len; at += sizeof part) {
		size_t n = len - at < sizeof part ? len - at : sizeof part;

		for (size_t i = 0; i < n; i++)
			part[i] = described(key, at + i);
		draft_write(d, at, part, n);
	}
}

bool
put(struct shelf *sh, int key, size_t len)
{
	return put_until(sh, key, len, 0);
}

bool
put_until(struct shelf *sh, int key, size_t len, int64_t exptime)
{
	struct op o;
	struct draft d;
	struct visit v;
	bool done;

	shelf_enter(sh);
	if (!draft_new(&d, sh, op_of(&o, key), len, exptime))
		return false;
	record_set_exptime(d.record, exptime);
	write_described(&d, key, len);
	visit_enter(&v, sh, &o.op);
	done = visit_put(&v, &o.op, &d);
	visit_leave(&v);
	draft_waste(&d, sh);
	return done;
}

void
drop(struct shelf *sh, int key)
{
	struct op o;
	struct visit v;

	shelf_enter(sh);
	visit_enter(&v, sh, op_of(&o, key));
	if (v.found != NULL)
		visit_take(&v);
	visit_leave(&v);
}

void
touch(struct shelf *sh, int key, int64_t exptime)
{
	struct op o;
	struct visit v;

	shelf_enter(sh);
	visit_enter(&v, sh, op_of(&o, key));
	if (v.found != NULL)
		visit_touch(&v, exptime);
	visit_leave(&v);
}

struct record *
find(int key)
{
	struct op o;
	uint64_t *slot, entry;

	return store_find(store, op_of(&o, key), rend_wall(), &slot, &entry);
}

bool
is_whole(struct record *r, int key, size_t len)
{
	const struct large *l = large_of(&store->arena, r);
	const char *bytes = record_value(r);

	if (l != NULL)
		return large_is_whole(l, key, len);
	if (r->len != len)
		return false;
	for (size_t i = 0; i < len; i++)
		if (bytes[i] != described(key, i))
			return false;
	return true;
}

bool
large_is_whole(const struct large *l, int key, size_t len)
{
	size_t at = 0, n;
	const char *p;

	if (l->len != len)
		return false;
	for (unsigned piece = 0; (p = large_piece(store->arena.pages, l, piece, &n)) != NULL; piece++)
		for (size_t i = 0; i < n; i++, at++)
			if (p[i] != described(key, at))
				return false;
	return at == len;
}

void
leave(struct shelf *sh)
{
	grace_leave(&store->grace, sh->worker);
}

/* ---- chance, the same each time ---- */

static uint64_t dice = 1;

unsigned
roll(unsigned sides)
{
	dice = dice * 6364136223846793005ULL + 1442695040888963407ULL;
	return (unsigned)(dice >> 33) % sides;
}

static void
nothing_is_dropped(void *arg, uint64_t entry)
{
	fail_msg("growth dropped an entry");
}

void
settle(void)
{
	while (growth_runs(&store->index))
		growth_step(&store->index, 1, nothing_is_dropped, NULL);
	while (index_mend_some(&store->index, 64))
		;
	for (uint32_t n = 0; n < store->arena.segments && store->proof.taken != NULL; n++)
		proof_of_segment(store, n);
	leave(shelves[0]);
	leave(shelves[1]);
}
