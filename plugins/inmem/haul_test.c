/* Stores of large values: in how many turns, in whose memory, and what becomes of those that do not come to their end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/node.h"
#include "engine/op.h"
#include "rig_test.h"
#include "store.h"

static char *bytes; /* of what is stored */
#define BYTES (16 * MIB)

static void
fill_bytes(void)
{
	for (size_t i = 0; i < BYTES; i++)
		bytes[i] = (char)(i * 7 + i / 251);
}

static struct rend_op *
set_op(unsigned verb, const char *key, size_t len)
{
	struct rend_op *o = op(verb, key);

	/* In pieces, as it comes from clients. */
	for (size_t at = 0; at < len; at += 300000)
		assert_int_equal(
		    rend_value_copy_in(&o->item.value, bytes + at, len - at < 300000 ? len - at : 300000), 0);
	return o;
}

static enum rend_status
set(unsigned verb, const char *key, size_t len)
{
	struct rend_op *o = set_op(verb, key, len);
	enum rend_status status = submit(o);

	rend_op_free(&o);
	return status;
}

static void
is_there(const char *key, size_t len)
{
	struct rend_op *o = get(key);
	const struct rend_seg *segs = rend_value_segs(&o->item.value);
	size_t at = 0;

	assert_int_equal(o->status, REND_OK);
	assert_int_equal(o->item.value.len, len);
	for (unsigned i = 0; i < o->item.value.nsegs; i++) {
		assert_memory_equal(segs[i].p, bytes + at, segs[i].len);
		at += segs[i].len;
	}
	rend_op_free(&o);
}

static const struct pages *
pages(void)
{
	return ((const struct store *)rig.node->store)->arena.pages;
}

/* ---- */

static unsigned ended;
static enum rend_status ended_with;

static void
note(struct rend_op *op)
{
	ended++;
	ended_with = (enum rend_status)op->status;
}

/* However many go for it, no turn lets more go than 256 KiB are worth. */
static void
i7_a_large_set_is_many_short_turns(void **state)
{
	uint64_t most = 0, turns = 0;
	struct rend_op *o;

	rig_open(64 * MIB, true);
	fill("k", 0, 600000, 100);
	o = set_op(REND_SET, "large", BYTES);
	o->done = note;
	ended = 0;
	assert_false(rend_submit(rig.node, o));
	for (; ended == 0 && turns < 100000; turns++) {
		uint64_t before = metric("evictions");

		/* Others are served meanwhile. */
		if (turns == 20)
			assert_int_equal(store(REND_SET, "other", "1", 1), REND_OK);
		worker_turn(&rig.worker);
		worker_flush(&rig.worker);
		if (metric("evictions") - before > most)
			most = metric("evictions") - before;
	}
	assert_int_equal(ended, 1);
	assert_int_equal(ended_with, REND_OK);
	rend_op_free(&o);
	print_message("%llu turns, %llu evicted in one at most\n", (unsigned long long)turns, (unsigned long long)most);
	assert_true(turns > 2 * BYTES / (256 * 1024) - 4);
	assert_true(most <= 256 * 1024 / 128);
	is_there("large", BYTES);
	assert_true(has("other"));
	assert_true(metric("bytes") <= 64 * MIB);
	rig_close();
}

/* One that needs much while another does: it is done when the other is. */
static void
an_append_waits_for_a_large_set(void **state)
{
	struct rend_op *o, *more;

	rig_open(64 * MIB, true);
	assert_int_equal(set(REND_SET, "joined", 9 * MIB), REND_OK);
	fill("k", 0, 600000, 100);
	assert_int_equal(set(REND_SET, "joined", 9 * MIB), REND_OK);
	o = set_op(REND_SET, "large", BYTES);
	o->done = note;
	ended = 0;
	assert_false(rend_submit(rig.node, o));
	for (int i = 0; i < 3; i++)
		worker_turn(&rig.worker);
	assert_true(((const struct store *)rig.node->store)->quest);
	more = op(REND_APPEND, "joined");
	assert_int_equal(rend_value_copy_in(&more->item.value, bytes + 9 * MIB, 300), 0);
	assert_int_equal(submit(more), REND_OK);
	rend_op_free(&more);
	assert_int_equal(ended, 1);
	assert_int_equal(ended_with, REND_OK);
	rend_op_free(&o);
	is_there("joined", 9 * MIB + 300);
	is_there("large", BYTES);
	/* Not for ever, and no longer than its worker is there. */
	((struct store *)rig.node->store)->quest = true;
	more = op(REND_PREPEND, "joined");
	assert_int_equal(rend_value_copy_in(&more->item.value, "abc", 3), 0);
	more->done = note;
	ended = 0;
	assert_false(rend_submit(rig.node, more));
	for (int i = 0; i < 10; i++)
		worker_turn(&rig.worker);
	assert_int_equal(ended, 0);
	pass(3);
	worker_turn(&rig.worker);
	assert_int_equal(ended, 1);
	assert_int_equal(ended_with, REND_NO_MEMORY);
	rend_op_free(&more);
	is_there("joined", 9 * MIB + 300);
	more = op(REND_PREPEND, "joined");
	more->done = note;
	assert_int_equal(rend_value_copy_in(&more->item.value, "abc", 3), 0);
	ended = 0;
	assert_false(rend_submit(rig.node, more));
	generation_detach(rig.generation, &rig.worker);
	for (int i = 0; i < 10 && ended < 1; i++)
		worker_turn(&rig.worker);
	assert_int_equal(ended, 1);
	assert_int_equal(ended_with, REND_NO_MEMORY);
	assert_int_equal(pages()->claimed, 0);
	rend_op_free(&more);
	worker_enter(NULL);
	worker_fini(&rig.worker);
	generation_free(&rig.generation);
}

/* From nothing to half of the memory, and what needs more is refused before anybody goes for it. */
static void
sizes_up_to_half_of_the_memory(void **state)
{
	static const size_t lens[] = { 0, 1, 20000, 256 * 1024, 256 * 1024 + 1, 3 * MIB, 8 * MIB - 200 };
	char key[16];

	rig_open(16 * MIB, true);
	for (size_t i = 0; i < sizeof lens / sizeof *lens; i++) {
		snprintf(key, sizeof key, "k-%zu", i);
		assert_int_equal(set(REND_SET, key, lens[i]), REND_OK);
		is_there(key, lens[i]);
	}
	assert_int_equal(set(REND_SET, "k-1", 9 * MIB), REND_TOO_BIG);
	assert_false(has("k-1"));
	assert_true(has("k-0"));
	is_there("k-6", lens[6]);
	assert_int_equal(set(REND_ADD, "k-6", 9 * MIB), REND_TOO_BIG);
	assert_true(has("k-6"));
	assert_int_equal(set(REND_ADD, "k-6", 2 * MIB), REND_NOT_STORED);
	is_there("k-6", lens[6]);
	rig_close();
}

/* All verbs on values that lie in pages. */
static void
verbs_on_large_values(void **state)
{
	struct rend_op *o;
	uint64_t cas;

	rig_open(32 * MIB, true);
	assert_int_equal(set(REND_SET, "k", 1000000), REND_OK);
	o = op(REND_APPEND, "k");
	assert_int_equal(rend_value_copy_in(&o->item.value, bytes + 1000000, 500000), 0);
	assert_int_equal(submit(o), REND_OK);
	rend_op_free(&o);
	is_there("k", 1500000);
	assert_int_equal(store(REND_PREPEND, "k", "abc", 3), REND_OK);
	o = get("k");
	assert_int_equal(o->item.value.len, 1500003);
	assert_memory_equal(rend_value_segs(&o->item.value)->p, "abc", 3);
	rend_op_free(&o);
	/* A get without the value holds nothing. */
	o = op(REND_GET, "k");
	o->ask.want = REND_WANT_SIZE | REND_WANT_CAS;
	assert_int_equal(submit(o), REND_OK);
	assert_int_equal(o->item.size, 1500003);
	cas = o->item.cas;
	assert_int_equal(metric("pinned"), 0);
	rend_op_free(&o);
	o = set_op(REND_SET, "k", 700000);
	o->ask.mode = REND_IF_CAS;
	o->ask.cas = cas + 1000;
	assert_int_equal(submit(o), REND_EXISTS);
	o->ask.cas = cas;
	assert_int_equal(submit(o), REND_OK);
	rend_op_free(&o);
	is_there("k", 700000);
	/* A delete that leaves it, marked. */
	o = op(REND_DELETE, "k");
	o->ask.mode = REND_INVALIDATE;
	assert_int_equal(submit(o), REND_OK);
	rend_op_free(&o);
	o = get("k");
	assert_true(o->item.signs & REND_STALE);
	assert_int_equal(o->item.value.len, 700000);
	rend_op_free(&o);
	/* Numbers with very many spaces behind them. */
	memset(bytes, ' ', 30000);
	memcpy(bytes, "41", 2);
	assert_int_equal(set(REND_SET, "n", 30000), REND_OK);
	o = op(REND_INCR, "n");
	o->ask.delta = 1;
	assert_int_equal(submit(o), REND_OK);
	assert_int_equal(o->item.number, 42);
	rend_op_free(&o);
	memcpy(bytes, "42", 2);
	is_there("n", 30000);
	o = op(REND_INCR, "k");
	assert_int_equal(submit(o), REND_NOT_A_NUMBER);
	rend_op_free(&o);
	o = op(REND_GET, "n");
	o->ask.want = REND_WANT_VALUE;
	o->ask.mode = REND_ALSO_TOUCH;
	o->ask.exptime = rend_wall() + 5;
	assert_int_equal(submit(o), REND_OK);
	rend_op_free(&o);
	is_there("n", 30000);
	pass(6);
	assert_false(has("n"));
	fill_bytes();
	rig_close();
}

/* ---- memory for what is on its way ---- */

static void
write_into(const struct rend_value *body)
{
	const struct rend_seg *segs = rend_value_segs(body);
	size_t at = 0;

	for (unsigned i = 0; i < body->nsegs; i++) {
		memcpy((char *)(uintptr_t)segs[i].p, bytes + at, segs[i].len);
		at += segs[i].len;
	}
}

static void
what_was_lent_is_kept_as_it_lies(void **state)
{
	struct rend_op *o, *read;
	const char *lies;

	rig_open(32 * MIB, true);
	o = op(REND_SET, "k");
	assert_true(node_reserve(rig.node, o, 2 * MIB, &o->item.value));
	write_into(&o->item.value);
	lies = rend_value_segs(&o->item.value)->p;
	assert_int_equal(submit(o), REND_OK);
	rend_op_free(&o);
	read = get("k");
	assert_ptr_equal(rend_value_segs(&read->item.value)->p, lies);
	rend_op_free(&read);
	is_there("k", 2 * MIB);
	assert_int_equal(metric("pinned"), 0);
	rig_close();
}

/* Whoever does not send what he promised has it no longer than he is there; and not all may be promised away. */
static void
what_was_lent_comes_back(void **state)
{
	struct rend_op *ops[20];
	uint64_t before;
	int lent = 0;

	rig_open(32 * MIB, true);
	before = metric("bytes");
	for (int i = 0; i < 20; i++) {
		ops[i] = op(REND_SET, "k");
		lent += node_reserve(rig.node, ops[i], MIB, &ops[i]->item.value);
	}
	assert_in_range(lent, 6, 8);
	for (int i = 0; i < 20; i++)
		rend_op_free(&ops[i]);
	assert_int_equal(metric("bytes"), before);
	/* Too much to be promised, or to be kept. */
	ops[0] = op(REND_SET, "k");
	assert_false(node_reserve(rig.node, ops[0], 9 * MIB, &ops[0]->item.value));
	assert_false(node_reserve(rig.node, ops[0], 17 * MIB, &ops[0]->item.value));
	rend_op_free(&ops[0]);
	rig_close();
}

/* ---- what does not come to its end ---- */

/* What they had by then, a claim or a part of one, is everybody's again. */
static void
ends_its_stores(bool full)
{
	struct rend_op *ops[3];
	uint64_t in_use;

	rig_open(32 * MIB, true);
	fill("k", 0, full ? 400 : 0, 100000);
	in_use = pages()->in_use;
	ended = 0;
	for (int i = 0; i < 3; i++) {
		ops[i] = set_op(REND_SET, "large", 4 * MIB);
		ops[i]->done = note;
		assert_false(rend_submit(rig.node, ops[i]));
	}
	for (int i = 0; i < 4; i++)
		worker_turn(&rig.worker);
	assert_true(full ? pages()->claimed > 0 : pages()->in_use > in_use);
	generation_detach(rig.generation, &rig.worker);
	for (int i = 0; i < 10 && ended < 3; i++)
		worker_turn(&rig.worker);
	assert_int_equal(ended, 3);
	assert_int_equal(ended_with, REND_NO_MEMORY);
	assert_int_equal(pages()->claimed, 0);
	assert_true(pages()->in_use <= in_use);
	assert_false(((const struct store *)rig.node->store)->quest);
	for (int i = 0; i < 3; i++)
		rend_op_free(&ops[i]);
	worker_enter(NULL);
	worker_fini(&rig.worker);
	generation_free(&rig.generation);
}

static void
a_worker_that_leaves_ends_its_stores(void **state)
{
	ends_its_stores(false);
	ends_its_stores(true);
}

/* What could be got of it in a little time, and is not enough, is not kept. */
static void
what_is_not_lent_is_not_claimed(void **state)
{
	struct rend_op *o;

	rig_open(32 * MIB, true);
	fill("k", 0, 400, 100000);
	o = op(REND_SET, "k");
	assert_false(node_reserve(rig.node, o, 7 * MIB, &o->item.value));
	assert_int_equal(pages()->claimed, 0);
	assert_false(((const struct store *)rig.node->store)->quest);
	rend_op_free(&o);
	rig_close();
}

/* Where nothing may be evicted, it is refused and nothing is lost; a set leaves no older value, and takes its room. */
static void
no_room_for_a_large_set(void **state)
{
	rig_open(16 * MIB, false);
	assert_int_equal(set(REND_SET, "a", 7 * MIB), REND_OK);
	assert_int_equal(set(REND_SET, "b", 7 * MIB), REND_OK);
	assert_int_equal(set(REND_ADD, "c", 3 * MIB), REND_NO_MEMORY);
	assert_int_equal(set(REND_REPLACE, "b", 3 * MIB), REND_NO_MEMORY);
	is_there("a", 7 * MIB);
	is_there("b", 7 * MIB);
	assert_int_equal(set(REND_SET, "b", 6 * MIB), REND_OK);
	is_there("b", 6 * MIB);
	is_there("a", 7 * MIB);
	assert_int_equal(metric("evictions"), 0);
	rig_close();
}

static int
begin(void **state)
{
	bytes = malloc(BYTES);
	assert_non_null(bytes);
	fill_bytes();
	return 0;
}

static int
end(void **state)
{
	free(bytes);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(i7_a_large_set_is_many_short_turns),
		cmocka_unit_test(an_append_waits_for_a_large_set),
		cmocka_unit_test(sizes_up_to_half_of_the_memory),
		cmocka_unit_test(verbs_on_large_values),
		cmocka_unit_test(what_was_lent_is_kept_as_it_lies),
		cmocka_unit_test(what_was_lent_comes_back),
		cmocka_unit_test(what_is_not_lent_is_not_claimed),
		cmocka_unit_test(a_worker_that_leaves_ends_its_stores),
		cmocka_unit_test(no_room_for_a_large_set),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
