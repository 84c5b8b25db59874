/* What is asked on behalf of an op whose item is on flash, and what the op is told: without a backend. */
#include "rewrite.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define WALL 1700000000

struct bench {
	struct rewrite *rewrite;
	struct rend_op *op;
	bool again;
};

static void
put(struct rend_value *v, const char *s)
{
	assert_int_equal(rend_value_copy_in(v, s, strlen(s)), 0);
}

static void
begin(struct bench *b, unsigned verb, const char *value)
{
	*b = (struct bench){ .rewrite = rewrite_new(), .op = calloc(1, sizeof *b->op) };
	assert_non_null(b->rewrite);
	assert_non_null(b->op);
	b->op->verb = (uint8_t)verb;
	b->op->key = "k";
	b->op->keylen = 1;
	if (value != NULL)
		put(&b->op->item.value, value);
}

static void
end(struct bench *b)
{
	rewrite_free(&b->rewrite);
	assert_null(b->rewrite);
	rend_value_drop(&b->op->item.value);
	free(b->op);
}

static enum rend_status
answer(struct bench *b, enum rend_status status)
{
	struct answer a = { .status = (uint8_t)status };

	return rewrite_answered(b->rewrite, b->op, &a, &b->again);
}

static enum rend_status
answer_item(struct bench *b, const char *value, uint32_t flags, int64_t exptime, uint64_t cas)
{
	struct answer a = { .status = REND_OK, .hit = true };
	enum rend_status status;

	put(&a.item.value, value);
	a.item.flags = flags;
	a.item.exptime = exptime;
	a.item.cas = cas;
	a.item.have = REND_WANT_VALUE | REND_WANT_EXPTIME | REND_WANT_CAS;
	status = rewrite_answered(b->rewrite, b->op, &a, &b->again);
	assert_int_equal(a.item.value.len, 0);
	return status;
}

static enum rend_status
answer_stored(struct bench *b, uint64_t cas)
{
	struct answer a = { .status = REND_OK, .hit = true, .item = { .cas = cas, .have = REND_WANT_CAS } };

	return rewrite_answered(b->rewrite, b->op, &a, &b->again);
}

/* Refused, and the item is read: what is asked then? */
static const struct rend_op *
refused_and_read(struct bench *b, enum rend_status refusal, const char *value)
{
	const struct rend_op *says;

	assert_int_equal(answer(b, refusal), REND_OK);
	assert_true(b->again);
	assert_true(rewrite_only_reads(b->rewrite));
	says = rewrite_says(b->rewrite, b->op);
	assert_int_equal(says->verb, REND_GET);
	assert_int_equal(says->ask.want, REND_WANT_VALUE | REND_WANT_EXPTIME | REND_WANT_CAS);
	assert_int_equal(says->ask.mode, 0);
	assert_int_equal(answer_item(b, value, 9, WALL + 50, 77), REND_OK);
	assert_true(b->again);
	assert_false(rewrite_only_reads(b->rewrite));
	says = rewrite_says(b->rewrite, b->op);
	assert_int_equal(says->verb, REND_SET);
	assert_int_equal(says->keylen, 1);
	assert_int_equal(says->ask.mode, REND_IF_CAS);
	assert_true(says->ask.cas == 77);
	assert_int_equal(says->item.flags, 9);
	assert_true(says->item.exptime == WALL + 50);
	return says;
}

static void
must_be(const struct rend_op *op, const char *value)
{
	char bytes[256];

	assert_int_equal(op->item.value.len, strlen(value));
	rend_value_copy_out(&op->item.value, 0, bytes, sizeof bytes);
	assert_memory_equal(bytes, value, strlen(value));
}

static void
joined(void **state)
{
	struct bench b;

	for (unsigned verb = REND_APPEND; verb <= REND_PREPEND; verb++) {
		begin(&b, verb, "new");
		must_be(refused_and_read(&b, REND_NOT_STORED, "old"), verb == REND_APPEND ? "oldnew" : "newold");
		assert_int_equal(answer_stored(&b, 78), REND_OK);
		assert_false(b.again);
		assert_true(b.op->item.cas == 78);
		assert_int_equal(b.op->item.have, REND_WANT_CAS);
		must_be(b.op, "new");
		end(&b);
	}
}

static void
counted(void **state)
{
	static const struct {
		unsigned verb;
		const char *is;
		uint64_t delta;
		const char *becomes; /* NULL: it is no number */
	} rows[] = {
		{ REND_INCR, "10", 5, "15" },
		{ REND_INCR, "18446744073709551615", 2, "1" },
		{ REND_DECR, "10", 4, "6" },
		{ REND_DECR, "10", 11, "0" },
		{ REND_INCR, "7  ", 1, "8" },
		{ REND_INCR, " 7", 1, "8" },
		{ REND_INCR, "+7", 1, "8" },
		{ REND_INCR, "1 2", 1, "2" },
		{ REND_INCR, "007", 1, "8" },
		{ REND_INCR, "18446744073709551616", 1, NULL },
		{ REND_INCR, "", 1, NULL },
		{ REND_INCR, "+", 1, NULL },
		{ REND_INCR, "-1", 1, NULL },
		{ REND_INCR, "x", 1, NULL },
		{ REND_INCR, "1x", 1, NULL },
		{ REND_INCR, "0000000000000000000000000000000000000000000000000000000000000000000001", 1, NULL },
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct bench b;

		begin(&b, rows[i].verb, NULL);
		b.op->ask.delta = rows[i].delta;
		b.op->ask.want = REND_WANT_EXPTIME;
		if (rows[i].becomes != NULL) {
			must_be(refused_and_read(&b, REND_NOT_A_NUMBER, rows[i].is), rows[i].becomes);
			assert_int_equal(answer_stored(&b, 78), REND_OK);
			assert_true(b.op->item.number == strtoull(rows[i].becomes, NULL, 10));
			assert_true(b.op->item.cas == 78);
			assert_true(b.op->item.exptime == WALL + 50);
			assert_int_equal(b.op->item.have, REND_WANT_CAS | REND_WANT_EXPTIME);
		} else {
			assert_int_equal(answer(&b, REND_NOT_A_NUMBER), REND_OK);
			rewrite_says(b.rewrite, b.op);
			assert_int_equal(answer_item(&b, rows[i].is, 0, 0, 77), REND_NOT_A_NUMBER);
		}
		assert_false(b.again);
		end(&b);
	}
}

static void
conditions(void **state)
{
	struct bench b;
	const struct rend_op *says;

	/* Another version than was asked for. */
	begin(&b, REND_APPEND, "new");
	b.op->ask.mode = REND_IF_CAS;
	b.op->ask.cas = 76;
	assert_int_equal(answer(&b, REND_MISS), REND_OK);
	rewrite_says(b.rewrite, b.op);
	assert_int_equal(answer_item(&b, "old", 0, 0, 77), REND_EXISTS);
	assert_false(b.again);
	end(&b);
	/* A version to give, and a time. */
	begin(&b, REND_INCR, NULL);
	b.op->ask = (struct rend_ask){ .mode = REND_ALSO_TOUCH, .exptime = WALL + 9, .cas_new = 5 };
	assert_int_equal(answer(&b, REND_NOT_A_NUMBER), REND_OK);
	rewrite_says(b.rewrite, b.op);
	assert_int_equal(answer_item(&b, "1", 0, 0, 77), REND_OK);
	says = rewrite_says(b.rewrite, b.op);
	assert_true(says->item.exptime == WALL + 9);
	assert_true(says->ask.cas_new == 5);
	end(&b);
	/* Who cannot tell time or version cannot be helped. */
	begin(&b, REND_INCR, NULL);
	assert_int_equal(answer(&b, REND_NOT_A_NUMBER), REND_OK);
	rewrite_says(b.rewrite, b.op);
	assert_int_equal(answer(&b, REND_OK), REND_UNSUPPORTED);
	assert_false(b.again);
	end(&b);
}

static void
what_ends_it(void **state)
{
	static const struct {
		unsigned verb;
		uint32_t mode;
		enum rend_status refusal, read, told;
	} rows[] = {
		{ REND_APPEND, 0, REND_NOT_STORED, REND_MISS, REND_NOT_STORED },
		{ REND_PREPEND, REND_IF_CAS, REND_MISS, REND_MISS, REND_MISS },
		{ REND_INCR, 0, REND_NOT_A_NUMBER, REND_MISS, REND_MISS },
		{ REND_APPEND, 0, REND_NOT_STORED, REND_IO, REND_IO },
		{ REND_DECR, 0, REND_NOT_A_NUMBER, REND_BUSY, REND_BUSY },
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct bench b;

		begin(&b, rows[i].verb, rows[i].verb <= REND_PREPEND ? "new" : NULL);
		b.op->ask.mode = rows[i].mode;
		assert_int_equal(answer(&b, rows[i].refusal), REND_OK);
		rewrite_says(b.rewrite, b.op);
		assert_int_equal(answer(&b, rows[i].read), rows[i].told);
		assert_false(b.again);
		end(&b);
	}
}

/* It is changed by others whenever it is stored. */
static void
given_up(void **state)
{
	struct bench b;
	enum rend_status status = REND_OK;
	int stores = 0;

	begin(&b, REND_APPEND, "new");
	for (int i = 0; i < 100; i++) {
		status = answer(&b, REND_NOT_STORED);
		if (!b.again)
			break;
		rewrite_says(b.rewrite, b.op);
		assert_int_equal(answer_item(&b, "old", 0, 0, 77), REND_OK);
		rewrite_says(b.rewrite, b.op);
		stores++;
		assert_int_equal(answer(&b, i % 2 ? REND_EXISTS : REND_MISS), REND_OK);
		assert_true(b.again);
		/* As it was asked: it may be in memory by now. */
		assert_ptr_equal(rewrite_says(b.rewrite, b.op), b.op);
	}
	assert_int_equal(status, REND_BUSY);
	assert_int_equal(stores, 4);
	end(&b);
}

static void
done_by_the_backend_the_second_time(void **state)
{
	struct bench b;

	begin(&b, REND_APPEND, "new");
	refused_and_read(&b, REND_NOT_STORED, "old");
	assert_int_equal(answer(&b, REND_EXISTS), REND_OK);
	assert_ptr_equal(rewrite_says(b.rewrite, b.op), b.op);
	assert_int_equal(answer_stored(&b, 90), REND_OK);
	assert_false(b.again);
	assert_true(b.op->item.cas == 90);
	end(&b);
}

static void
begun_again(void **state)
{
	struct bench b;

	begin(&b, REND_APPEND, "new");
	refused_and_read(&b, REND_NOT_STORED, "old");
	rewrite_restart(b.rewrite);
	assert_int_equal(rewrite_says(b.rewrite, b.op)->verb, REND_GET);
	/* Its store was said once: nobody knows what became of it. */
	assert_false(rewrite_only_reads(b.rewrite));
	assert_int_equal(answer_item(&b, "older", 1, 0, 5), REND_OK);
	must_be(rewrite_says(b.rewrite, b.op), "oldernew");
	end(&b);
}

static void
which_refusals(void **state)
{
	static const struct {
		unsigned verb;
		uint32_t mode;
		enum rend_status status;
		bool helps;
	} rows[] = {
		{ REND_APPEND, 0, REND_NOT_STORED, true },
		{ REND_PREPEND, 0, REND_NOT_STORED, true },
		{ REND_APPEND, REND_IF_CAS, REND_MISS, true },
		{ REND_APPEND, 0, REND_MISS, false },
		{ REND_APPEND, REND_IF_CAS, REND_EXISTS, false },
		{ REND_APPEND, REND_IF_CAS | REND_INVALIDATE, REND_NOT_STORED, false },
		{ REND_ADD, 0, REND_NOT_STORED, false },
		{ REND_REPLACE, 0, REND_NOT_STORED, false },
		{ REND_SET, REND_IF_CAS, REND_MISS, false },
		{ REND_INCR, 0, REND_NOT_A_NUMBER, true },
		{ REND_DECR, 0, REND_NOT_A_NUMBER, true },
		{ REND_INCR, 0, REND_MISS, false },
		{ REND_GET, 0, REND_MISS, false },
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct bench b;
		struct answer a = { .status = (uint8_t)rows[i].status };

		begin(&b, rows[i].verb, NULL);
		b.op->ask.mode = rows[i].mode;
		assert_int_equal(rewrite_may_help(b.op, &a), rows[i].helps);
		end(&b);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(joined),
		cmocka_unit_test(counted),
		cmocka_unit_test(conditions),
		cmocka_unit_test(what_ends_it),
		cmocka_unit_test(given_up),
		cmocka_unit_test(done_by_the_backend_the_second_time),
		cmocka_unit_test(begun_again),
		cmocka_unit_test(which_refusals),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
