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

static struct rend_worker w;
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
	struct body *b = body_new(&cmd, op_new(&w, "k", 1));

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
	struct body *b = body_new(&cmd, NULL);
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

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_memory_grows_with_what_came),
		TEST(test_bytes_arrive_whole_in_any_portions),
		TEST(test_what_belongs_to_the_next_command_is_left),
		TEST(test_an_unwanted_value_is_counted_and_dropped),
		TEST(test_an_empty_value_has_ended),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
