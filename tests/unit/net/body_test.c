/* A value that is on its way: its bytes, and the memory it costs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "engine/generation.h"
#include "engine/op.h"
#include "engine/worker.h"
#include "net/body.h"

/* How each was announced. */
static const struct body_said said = { .text = "", .len = 0 };

static struct rend_worker w;
static const struct rend_node *whose; /* whom values are for */
static struct generation *g;

static int
set_up(void **state)
{
	(void)state;
	worker_set_count(1);
	g = generation_new(NULL, 0);
	if (g == NULL || worker_init(&w, 0) != 0)
		return -1;
	worker_enter(&w);
	w.newest = g;
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	assert_int_equal(worker_ops(&w), 0);
	worker_enter(NULL);
	worker_fini(&w);
	generation_free(&g);
	return 0;
}

static struct body *
new_body(size_t size)
{
	struct command cmd = { .body = size, .has_body = true, .key = "k", .keylen = 1 };
	struct body *b = body_new(&cmd, op_new(&w, "k", 1), whose, &said);

	assert_non_null(b);
	return b;
}

static size_t
memory_of(const struct body *b)
{
	const struct rend_seg *segs = rend_value_segs(&b->op->item.value);
	size_t sum = b->piece == NULL ? 0 : b->piece->size;

	for (unsigned i = 0; i < b->op->item.value.nsegs; i++)
		sum += segs[i].buf->size;
	return sum;
}

static void
test_memory_grows_with_what_came(void **state)
{
	struct body *b = new_body(1 << 30);
	static char part[10000];
	size_t came = 0;

	(void)state;
	for (int i = 0; i < 1000; i++) {
		assert_int_equal(body_feed(b, part, sizeof part), sizeof part);
		came += sizeof part;
		assert_true(memory_of(b) <= 2 * came + 64 * 1024);
		assert_true(memory_of(b) <= came + 1024 * 1024);
	}
	body_free(&b);
	assert_null(b);
}

static void
test_bytes_arrive_whole_in_any_portions(void **state)
{
	enum { SIZE = 300001 };
	char *sent = malloc(SIZE), *got = malloc(SIZE);

	(void)state;
	for (size_t i = 0; i < SIZE; i++)
		sent[i] = (char)(i * 2654435761U >> 13);
	for (size_t portion = 1; portion < SIZE * 2; portion = portion * 3 + 1) {
		struct body *b = new_body(SIZE);
		size_t at = 0;

		while (!b->ended) {
			size_t room, n = SIZE - at < portion ? SIZE - at : portion;

			/* Every other portion is read straight into the body. */
			if (at % 2 == 0) {
				at += body_feed(b, sent + at, n);
			} else {
				char *to = body_room(b, &room);

				assert_non_null(to);
				n = n < room ? n : room;
				memcpy(to, sent + at, n);
				body_took(b, n);
				at += n;
			}
		}
		assert_int_equal(at, SIZE);
		assert_int_equal(b->op->item.value.len, SIZE);
		assert_int_equal(rend_value_copy_out(&b->op->item.value, 0, got, SIZE), SIZE);
		assert_memory_equal(sent, got, SIZE);
		body_free(&b);
	}
	free(sent);
	free(got);
}

static void
test_what_belongs_to_the_next_command_is_left(void **state)
{
	struct body *b = new_body(3);

	(void)state;
	assert_int_equal(body_feed(b, "abcdef", 6), 3);
	assert_true(b->ended);
	assert_int_equal(body_feed(b, "def", 3), 0);
	body_free(&b);
}

static void
test_an_unwanted_value_is_counted_and_dropped(void **state)
{
	struct command cmd = { .body = 100000, .has_body = true };
	struct body *b = body_new(&cmd, NULL, NULL, &said);
	static char part[30000];
	size_t room, fed = 0;

	(void)state;
	assert_null(body_room(b, &room));
	while (!b->ended)
		fed += body_feed(b, part, sizeof part);
	assert_int_equal(fed, 100000);
	assert_null(b->op);
	body_free(&b);
}

static void
test_an_empty_value_has_ended(void **state)
{
	struct body *b = new_body(0);

	(void)state;
	assert_true(b->ended);
	body_free(&b);
}

/* ---- memory of the store's ---- */

enum { SIZE = 300001, ALL = 3 };

static struct keeper {
	int asked, out; /* times; buffers that were not given back */
	size_t size;	/* that it was asked for last */
	size_t gives;	/* 0: as many as it is asked for */
	uint64_t hash;
} keeper;

static void
given_back(struct rend_buf *buf)
{
	keeper.out--;
	free(buf->data);
	free(buf);
}

static int
add_piece(struct rend_value *v, size_t size)
{
	struct rend_buf *buf = malloc(sizeof *buf);

	rend_buf_init(buf, malloc(size), size, given_back);
	keeper.out++;
	return rend_value_add(v, buf, buf->data, size);
}

/* In pieces of several sizes. */
static void
keeper_reserve(void *inst, uint64_t hash, size_t size, struct rend_value *body)
{
	size_t gives = keeper.gives != 0 ? keeper.gives : size;

	(void)inst;
	keeper.asked++;
	keeper.size = size;
	keeper.hash = hash;
	for (int i = 1; i < ALL && gives > (size_t)i * 1000; i++) {
		assert_int_equal(add_piece(body, (size_t)i * 1000), 0);
		gives -= (size_t)i * 1000;
	}
	if (gives > 0)
		assert_int_equal(add_piece(body, gives), 0);
}

static void
keeper_any(void *inst, struct rend_op *op)
{
	(void)inst;
	rend_done(op, REND_OK);
}

static struct plugin keeper_plugin = {
	.path = (char *)"keeper.so",
	.self = &(struct rend_plugin){ 0 },
	.handler = { .name = "keeper", .doc = "For tests.", .any = keeper_any, .reserve = keeper_reserve },
};

static int
set_up_keeper(void **state)
{
	struct rend_node **nodes = calloc(1, sizeof *nodes);
	struct rend_error err = { 0 };

	(void)state;
	memset(&keeper, 0, sizeof keeper);
	worker_set_count(1);
	whose = nodes[0] = node_new("keeper", &keeper_plugin, NULL, NULL);
	g = generation_new(nodes, 1);
	if (generation_open(g, &err) != 0 || worker_init(&w, 0) != 0)
		return -1;
	worker_enter(&w);
	return generation_attach(g, &w, &err);
}

static int
tear_down_keeper(void **state)
{
	assert_int_equal(keeper.out, 0);
	assert_int_equal(w.reserved, 0);
	generation_detach(g, &w);
	whose = NULL;
	return tear_down(state);
}

static struct body *
body_for(uint8_t verb, size_t size)
{
	struct body *b = new_body(size);

	b->op->verb = verb;
	return b;
}

/* Feeds so many bytes. */
static void
feed(struct body *b, size_t len)
{
	static char part[10000];

	while (len > 0) {
		size_t n = len < sizeof part ? len : sizeof part;

		assert_int_equal(body_feed(b, part, n), n);
		len -= n;
	}
}

static void
test_a_value_comes_into_the_stores_memory(void **state)
{
	char *sent = malloc(SIZE), *got = malloc(SIZE);

	(void)state;
	for (size_t i = 0; i < SIZE; i++)
		sent[i] = (char)(i * 2654435761U >> 13);
	for (size_t portion = 7; portion < SIZE * 2; portion = portion * 3 + 1) {
		struct body *b = body_for(REND_SET, SIZE);
		const struct rend_value *v = &b->op->item.value;
		size_t at = 0;

		keeper.asked = 0;
		while (!b->ended) {
			at += body_feed(b, sent + at, SIZE - at < portion ? SIZE - at : portion);
			assert_int_equal(w.reserved, keeper.asked == 0 ? 0 : SIZE - at);
		}
		assert_int_equal(keeper.asked, 1);
		assert_int_equal(keeper.size, SIZE);
		assert_int_equal(keeper.hash, b->op->hash);
		assert_int_equal(v->nsegs, ALL);
		for (unsigned i = 0; i < ALL; i++)
			assert_ptr_equal(rend_value_segs(v)[i].buf->release, given_back);
		assert_int_equal(rend_value_copy_out(v, 0, got, SIZE), SIZE);
		assert_memory_equal(sent, got, SIZE);
		body_free(&b);
		assert_int_equal(keeper.out, 0);
	}
	free(sent);
	free(got);
}

/* Nobody gets memory for what is only claimed. */
static void
test_a_store_is_asked_when_something_came(void **state)
{
	struct body *b = body_for(REND_SET, SIZE);

	(void)state;
	feed(b, 65535);
	assert_int_equal(keeper.asked, 0);
	feed(b, 2);
	assert_int_equal(keeper.asked, 1);
	body_free(&b);
	b = body_for(REND_SET, 2 * 65536 - 1);
	feed(b, 2 * 65536 - 1);
	assert_int_equal(keeper.asked, 1);
	body_free(&b);
	b = body_for(REND_APPEND, SIZE);
	feed(b, SIZE);
	assert_int_equal(keeper.asked, 1);
	body_free(&b);
}

static void
test_a_client_that_leaves_gives_it_back(void **state)
{
	struct body *b;

	(void)state;
	for (size_t came = 65536 + 1; came < SIZE; came += 20000) {
		b = body_for(REND_ADD, SIZE);
		feed(b, came);
		assert_int_equal(keeper.out, ALL);
		assert_int_equal(w.reserved, SIZE - came);
		body_free(&b);
		assert_int_equal(keeper.out, 0);
		assert_int_equal(w.reserved, 0);
	}
}

static void
test_too_little_and_too_much_are_not_taken(void **state)
{
	static const size_t gives[] = { 1, SIZE - 1, SIZE + 1 };

	(void)state;
	for (size_t i = 0; i < sizeof gives / sizeof *gives; i++) {
		struct body *b = body_for(REND_SET, SIZE);

		keeper.gives = gives[i];
		keeper.asked = 0;
		feed(b, SIZE);
		assert_int_equal(keeper.asked, 1);
		assert_int_equal(keeper.out, 0);
		assert_true(b->ended);
		assert_int_equal(b->op->item.value.len, SIZE);
		body_free(&b);
	}
}

/* One value of any size, else 64 MiB. */
static void
test_what_has_not_come_is_bounded(void **state)
{
	struct body *first = body_for(REND_SET, 80 << 20), *second = body_for(REND_SET, SIZE);

	(void)state;
	feed(first, 100000);
	assert_int_equal(keeper.asked, 1);
	feed(second, SIZE);
	assert_int_equal(keeper.asked, 1);
	body_free(&second);
	feed(first, 17 << 20);
	second = body_for(REND_SET, SIZE);
	feed(second, SIZE);
	assert_int_equal(keeper.asked, 2);
	body_free(&second);
	body_free(&first);
}

#define TEST_KEEPER(f) cmocka_unit_test_setup_teardown(f, set_up_keeper, tear_down_keeper)
#define TEST(f)	       cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_memory_grows_with_what_came),
		TEST(test_bytes_arrive_whole_in_any_portions),
		TEST(test_what_belongs_to_the_next_command_is_left),
		TEST(test_an_unwanted_value_is_counted_and_dropped),
		TEST(test_an_empty_value_has_ended),
		TEST_KEEPER(test_a_value_comes_into_the_stores_memory),
		TEST_KEEPER(test_a_store_is_asked_when_something_came),
		TEST_KEEPER(test_a_client_that_leaves_gives_it_back),
		TEST_KEEPER(test_too_little_and_too_much_are_not_taken),
		TEST_KEEPER(test_what_has_not_come_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
