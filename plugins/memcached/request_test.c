/* What a backend is asked, byte for byte, and the queue it goes out through. */
#include "request.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define WALL  1700000000
#define MONTH (60 * 60 * 24 * 30)

static const struct dialect text = { false, false }, meta = { true, false }, newest = { true, true };
static const struct token token = { "1009" };

/* An op, and what it becomes in each dialect; NULL: it cannot be said. */
static const struct row {
	uint8_t verb;
	const char *key;
	struct rend_ask ask;
	uint32_t flags;
	int64_t exptime;
	const char *value;
	const char *text, *meta, *newest;
} rows[] = {
	{ REND_GET, "k", { .want = REND_WANT_VALUE }, 0, 0, NULL, "get k\r\n", "mg k v f O1009\r\n",
	    "mg k v f O1009\r\n" },
	{ REND_GET, "k", { .want = REND_WANT_VALUE | REND_WANT_CAS | REND_WANT_EXPTIME }, 0, 0, NULL, "gets k\r\n",
	    "mg k v f c t O1009\r\n", "mg k v f c t O1009\r\n" },
	{ REND_GET, "k", { .want = 0 }, 0, 0, NULL, "get k\r\n", "mg k f O1009\r\n", "mg k f O1009\r\n" },
	{ REND_GET, "k", { .want = REND_WANT_VALUE, .mode = REND_ALSO_TOUCH, .exptime = WALL + 50 }, 0, 0, NULL,
	    "gat 50 k\r\n", "mg k T50 v f O1009\r\n", "mg k T50 v f O1009\r\n" },
	{ REND_GET, "k", { .want = REND_WANT_CAS, .mode = REND_ALSO_TOUCH, .exptime = 5 }, 0, 0, NULL, "gats -1 k\r\n",
	    "mg k T-1 f c O1009\r\n", "mg k T-1 f c O1009\r\n" },
	{ REND_SET, "k", { 0 }, 0, 0, "v", "set k 0 0 1\r\nv\r\n", "ms k 1 c O1009\r\nv\r\n",
	    "ms k 1 c O1009\r\nv\r\n" },
	{ REND_SET, "k", { 0 }, 4294967295U, WALL + MONTH, "", "set k 4294967295 2592000 0\r\n\r\n",
	    "ms k 0 F4294967295 T2592000 c O1009\r\n\r\n", "ms k 0 F4294967295 T2592000 c O1009\r\n\r\n" },
	{ REND_SET, "k", { 0 }, 0, WALL + MONTH + 1, "v", "set k 0 1702592001 1\r\nv\r\n",
	    "ms k 1 T1702592001 c O1009\r\nv\r\n", "ms k 1 T1702592001 c O1009\r\nv\r\n" },
	{ REND_SET, "k", { .mode = REND_IF_CAS, .cas = 77 }, 0, 0, "v", "cas k 0 0 1 77\r\nv\r\n",
	    "ms k 1 C77 c O1009\r\nv\r\n", "ms k 1 C77 c O1009\r\nv\r\n" },
	{ REND_SET, "k", { .cas_new = 5 }, 0, 0, "v", NULL, NULL, "ms k 1 E5 c O1009\r\nv\r\n" },
	{ REND_ADD, "k", { 0 }, 3, 0, "v", "add k 3 0 1\r\nv\r\n", "ms k 1 ME F3 c O1009\r\nv\r\n",
	    "ms k 1 ME F3 c O1009\r\nv\r\n" },
	{ REND_ADD, "k", { .mode = REND_IF_CAS, .cas = 1 }, 3, 0, "v", NULL, "ms k 1 ME F3 C1 c O1009\r\nv\r\n",
	    "ms k 1 ME F3 C1 c O1009\r\nv\r\n" },
	{ REND_REPLACE, "k", { 0 }, 0, 0, "v", "replace k 0 0 1\r\nv\r\n", "ms k 1 MR c O1009\r\nv\r\n",
	    "ms k 1 MR c O1009\r\nv\r\n" },
	{ REND_APPEND, "k", { 0 }, 3, WALL + 5, "v", "append k 3 5 1\r\nv\r\n", "ms k 1 MA c O1009\r\nv\r\n",
	    "ms k 1 MA c O1009\r\nv\r\n" },
	{ REND_PREPEND, "k", { 0 }, 0, 0, "v", "prepend k 0 0 1\r\nv\r\n", "ms k 1 MP c O1009\r\nv\r\n",
	    "ms k 1 MP c O1009\r\nv\r\n" },
	{ REND_INCR, "k", { .delta = 3 }, 0, 0, NULL, "incr k 3\r\n", "ma k D3 v c O1009\r\n",
	    "ma k D3 v c O1009\r\n" },
	{ REND_DECR, "k", { .delta = UINT64_MAX }, 0, 0, NULL, "decr k 18446744073709551615\r\n",
	    "ma k MD D18446744073709551615 v c O1009\r\n", "ma k MD D18446744073709551615 v c O1009\r\n" },
	{ REND_INCR, "k", { .mode = REND_IF_CAS, .cas = 4 }, 0, 0, NULL, NULL, "ma k D0 C4 v c O1009\r\n",
	    "ma k D0 C4 v c O1009\r\n" },
	{ REND_DELETE, "k", { 0 }, 0, 0, NULL, "delete k\r\n", "md k O1009\r\n", "md k O1009\r\n" },
	{ REND_DELETE, "k", { .mode = REND_IF_CAS, .cas = 4 }, 0, 0, NULL, NULL, "md k C4 O1009\r\n",
	    "md k C4 O1009\r\n" },
	{ REND_TOUCH, "k", { .exptime = 0 }, 0, 0, NULL, "touch k 0\r\n", "mg k T0 f O1009\r\n",
	    "mg k T0 f O1009\r\n" },
	{ REND_FLUSH_ALL, "", { 0 }, 0, 0, NULL, "flush_all\r\n", "flush_all\r\n", "flush_all\r\n" },
	{ REND_GET, "", { 0 }, 0, 0, NULL, NULL, NULL, NULL },
	{ REND_GET, "a b", { 0 }, 0, 0, NULL, NULL, "mg YSBi f b O1009\r\n", "mg YSBi f b O1009\r\n" },
	{ REND_DELETE, "a\r\nflush_all", { 0 }, 0, 0, NULL, NULL, "md YQ0KZmx1c2hfYWxs b O1009\r\n",
	    "md YQ0KZmx1c2hfYWxs b O1009\r\n" },
	{ REND_SET, "\377\177", { 0 }, 0, 0, "v", NULL, "ms /38= 1 c b O1009\r\nv\r\n",
	    "ms /38= 1 c b O1009\r\nv\r\n" },
	{ REND_GET, "k", { .want = REND_WANT_SIZE | REND_WANT_ACCESS, .mode = REND_NO_BUMP }, 0, 0, NULL, NULL,
	    "mg k u f s l h O1009\r\n", "mg k u f s l h O1009\r\n" },
	{ REND_GET, "k",
	    { .want = REND_WANT_VALUE, .mode = REND_VIVIFY | REND_RECACHE, .vivify = WALL + 30, .recache = 5 }, 0, 0,
	    NULL, NULL, "mg k N30 R5 v f O1009\r\n", "mg k N30 R5 v f O1009\r\n" },
	{ REND_GET, "k",
	    { .want = REND_WANT_VALUE | REND_WANT_CAS,
		.mode = REND_VIVIFY,
		.vivify = WALL + 30,
		.cas_new = 1ULL << 63 },
	    0, 0, NULL, NULL, "mg k N30 v f c O1009\r\n", "mg k N30 E9223372036854775808 v f c O1009\r\n" },

	{ REND_GET, "k", { .want = REND_WANT_VALUE, .mode = REND_IF_CAS, .cas = 5 }, 0, 0, NULL, "gets k\r\n",
	    "mg k v f c O1009\r\n", "mg k v f c O1009\r\n" },
	{ REND_SET, "k", { .mode = REND_IF_CAS | REND_INVALIDATE, .cas = 5 }, 0, 0, "v", NULL,
	    "ms k 1 I C5 c O1009\r\nv\r\n", "ms k 1 I C5 c O1009\r\nv\r\n" },
	{ REND_APPEND, "k", { .mode = REND_VIVIFY }, 0, 0, "v", NULL, NULL, "ms k 1 MA N0 c O1009\r\nv\r\n" },
	{ REND_INCR, "k",
	    { .want = REND_WANT_EXPTIME,
		.mode = REND_VIVIFY | REND_ALSO_TOUCH,
		.vivify = WALL + 9,
		.initial = 7,
		.delta = 1,
		.exptime = WALL + 8 },
	    0, 0, NULL, NULL, "ma k D1 J7 N9 T8 v c t O1009\r\n", "ma k D1 J7 N9 T8 v c t O1009\r\n" },
	{ REND_DELETE, "k", { .mode = REND_INVALIDATE | REND_ALSO_TOUCH | REND_DROP_VALUE, .exptime = WALL + 3 }, 0, 0,
	    NULL, NULL, "md k I T3 x O1009\r\n", "md k I T3 x O1009\r\n" },
	/* Seconds from now may be many; what memcached would take for unix time is sent as that. */
	{ REND_GET, "k", { .mode = REND_RECACHE, .recache = MONTH + 1 }, 0, 0, NULL, NULL,
	    "mg k R1702592001 f O1009\r\n", "mg k R1702592001 f O1009\r\n" },
	/* A version is for what is made or marked, and for nothing else. */
	{ REND_GET, "k", { .cas_new = 5 }, 0, 0, NULL, "get k\r\n", "mg k f O1009\r\n", "mg k f O1009\r\n" },
	{ REND_GET, "k", { .mode = REND_VIVIFY, .cas_new = 5 }, 0, 0, NULL, NULL, NULL, "mg k N0 E5 f O1009\r\n" },
	{ REND_DELETE, "k", { .cas_new = 5 }, 0, 0, NULL, "delete k\r\n", "md k O1009\r\n", "md k O1009\r\n" },
	{ REND_DELETE, "k", { .mode = REND_INVALIDATE, .cas_new = 5 }, 0, 0, NULL, NULL, NULL, "md k I E5 O1009\r\n" },
	{ REND_DELETE, "k", { .mode = REND_DROP_VALUE, .cas_new = 5 }, 0, 0, NULL, NULL, NULL, "md k x E5 O1009\r\n" },
	{ REND_INCR, "k", { .delta = 1, .cas_new = 5 }, 0, 0, NULL, NULL, NULL, "ma k D1 E5 v c O1009\r\n" },
	{ REND_GET_TOUCH, "k", { 0 }, 0, 0, NULL, NULL, NULL, NULL },
};

static struct rend_op *
make_op(const struct row *r)
{
	struct rend_op *op = calloc(1, sizeof *op);

	assert_non_null(op);
	op->verb = r->verb;
	op->key = r->key;
	op->keylen = (uint8_t)strlen(r->key);
	op->ask = r->ask;
	op->item.flags = r->flags;
	op->item.exptime = r->exptime;
	if (r->value != NULL)
		assert_int_equal(rend_value_copy_in(&op->item.value, r->value, strlen(r->value)), 0);
	return op;
}

static void
free_op(struct rend_op *op)
{
	rend_value_drop(&op->item.value);
	free(op);
}

/* All that is in the queue. */
static size_t
drain(struct sendq *q, char *to, size_t max)
{
	struct iovec iov[8];
	size_t len = 0;
	int n;

	while ((n = sendq_iov(q, iov, 8)) > 0)
		for (int i = 0; i < n; i++) {
			assert_true(len + iov[i].iov_len <= max);
			memcpy(to + len, iov[i].iov_base, iov[i].iov_len);
			len += iov[i].iov_len;
			sendq_eat(q, iov[i].iov_len);
		}
	assert_int_equal(q->queued, q->gone);
	return len;
}

static void
expect(const struct row *r, struct dialect dialect, const char *bytes)
{
	struct rend_op *op = make_op(r);
	struct sendq q = { 0 };
	struct question asked = { 0 };
	char out[512];
	enum rend_status status = request_put(&q, op, dialect, token, WALL, &asked);

	assert_int_equal(status, bytes == NULL ? REND_UNSUPPORTED : REND_OK);
	out[drain(&q, out, sizeof out - 1)] = '\0';
	assert_string_equal(out, bytes == NULL ? "" : bytes);
	if (bytes != NULL) {
		assert_int_equal(asked.verb, r->verb);
		assert_memory_equal(&asked.token, &token, sizeof token);
		assert_true(asked.form != 0);
	}
	sendq_drop(&q);
	free_op(op);
}

static void
every_verb_in_every_dialect(void **state)
{
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		expect(&rows[i], text, rows[i].text);
		expect(&rows[i], meta, rows[i].meta);
		expect(&rows[i], newest, rows[i].newest);
	}
}

static void
longest_line_fits(void **state)
{
	char key[REND_KEY_MAX + 1];
	struct row r = { REND_ADD, key, { .mode = REND_IF_CAS, .cas = UINT64_MAX, .cas_new = UINT64_MAX }, UINT32_MAX,
		INT64_MAX, "v", NULL, NULL, NULL };
	struct rend_op *op;
	struct sendq q = { 0 };
	struct question asked;
	char out[1024];

	memset(key, 'k', REND_KEY_MAX);
	key[REND_KEY_MAX] = '\0';
	op = make_op(&r);
	assert_int_equal(request_put(&q, op, newest, token, WALL, &asked), REND_OK);
	out[drain(&q, out, sizeof out - 1)] = '\0';
	assert_non_null(strstr(out, " 1 ME F4294967295 T2147483647 C18446744073709551615 "
				    "E18446744073709551615 c O1009\r\nv\r\n"));
	sendq_drop(&q);
	free_op(op);
}

/* Written as base64 a key grows by a third, and the line has room for 250 bytes of it. */
static void
odd_keys_have_less_room(void **state)
{
	char key[REND_KEY_MAX + 1];
	struct row r = { REND_GET, key, { 0 }, 0, 0, NULL, NULL, NULL, NULL };
	struct sendq q = { 0 };
	struct question asked;
	struct rend_op *op;

	memset(key, ' ', sizeof key);
	for (size_t len = 180; len <= REND_KEY_MAX; len++) {
		key[REND_KEY_MAX] = '\0';
		op = make_op(&r);
		op->keylen = (uint8_t)len;
		assert_int_equal(
		    request_put(&q, op, meta, token, WALL, &asked), len <= 186 ? REND_OK : REND_UNSUPPORTED);
		free_op(op);
	}
	sendq_drop(&q);
}

/* Keys are looked at eight bytes at a time: one that is odd is seen wherever it stands. */
static void
an_odd_byte_is_seen_wherever_it_stands(void **state)
{
	static const struct {
		unsigned char byte;
		bool odd;
	} bytes[] = { { 0, true }, { '\n', true }, { 0x1f, true }, { ' ', true }, { '!', false }, { 0x7e, false },
		{ 0x7f, true }, { 0x80, false }, { 0xff, false } };
	char key[REND_KEY_MAX + 1], out[512];
	struct row r = { REND_GET, key, { 0 }, 0, 0, NULL, NULL, NULL, NULL };

	for (size_t len = 1; len < 40; len++)
		for (size_t at = 0; at < len; at++)
			for (size_t b = 0; b < sizeof bytes / sizeof bytes[0]; b++) {
				struct sendq q = { 0 };
				struct question asked;
				struct rend_op *op;

				memset(key, 'k', sizeof key - 1);
				key[sizeof key - 1] = '\0';
				op = make_op(&r);
				key[at] = (char)bytes[b].byte;
				op->key = key;
				op->keylen = (uint8_t)len;
				assert_int_equal(request_put(&q, op, meta, token, WALL, &asked), REND_OK);
				out[drain(&q, out, sizeof out - 1)] = '\0';
				assert_int_equal(strstr(out, " b O1009\r\n") != NULL, bytes[b].odd);
				sendq_drop(&q);
				free_op(op);
			}
}

static void
times(void **state)
{
	assert_int_equal(request_exptime(0, WALL), 0);
	assert_int_equal(request_exptime(WALL, WALL), -1);
	assert_int_equal(request_exptime(-1, WALL), -1);
	assert_int_equal(request_exptime(INT64_MIN, WALL), -1);
	assert_int_equal(request_exptime(WALL + 1, WALL), 1);
	assert_int_equal(request_exptime(WALL + MONTH, WALL), MONTH);
	assert_int_equal(request_exptime(WALL + MONTH + 1, WALL), WALL + MONTH + 1);
	assert_int_equal(request_exptime(INT32_MAX, WALL), INT32_MAX);
	/* memcached reads 32 bits with a sign: beyond, an item would be gone at once, or its request refused. */
	assert_int_equal(request_exptime(INT32_MAX + 1LL, WALL), INT32_MAX);
	assert_int_equal(request_exptime(INT64_MAX, WALL), INT32_MAX);
}

/* A large value is pointed at, and stays when its op is gone. */
static void
large_values_are_not_copied(void **state)
{
	struct row r = { REND_SET, "k", { 0 }, 0, 0, NULL, NULL, NULL, NULL };
	struct rend_op *op = make_op(&r);
	struct rend_buf *buf = rend_buf_new(100000);
	const char *data = buf->data;
	struct sendq q = { 0 };
	struct question asked;
	struct iovec iov[8];
	bool pointed = false;
	char *out = malloc(200000);
	size_t len;

	memset(buf->data, 'x', buf->size);
	for (int i = 0; i < 4; i++) {
		if (i < 3)
			rend_buf_ref(buf);
		assert_int_equal(rend_value_add(&op->item.value, buf, data + i * 25000, 25000), 0);
	}
	assert_int_equal(request_put(&q, op, meta, token, WALL, &asked), REND_OK);
	free_op(op);
	for (int i = 0, n = sendq_iov(&q, iov, 8); i < n; i++)
		pointed |= iov[i].iov_base == data;
	assert_true(pointed);
	len = drain(&q, out, 200000);
	assert_int_equal(len, strlen("ms k 100000 c O1009\r\n") + 100000 + 2);
	assert_memory_equal(out, "ms k 100000 c O1009\r\nxxx", 24);
	assert_memory_equal(out + len - 3, "x\r\n", 3);
	sendq_drop(&q);
	free(out);
}

/* Puts and eats by turns, in odd amounts: what comes out is what went in. */
static void
order_is_kept(void **state)
{
	struct sendq q = { 0 };
	unsigned seed = 7;
	size_t in_len = 0, out_len = 0;
	char *in = malloc(4 << 20), *out = malloc(4 << 20);

	for (int i = 0; i < 3000; i++) {
		char key[32], value[3000];
		struct row r = { i % 3 ? REND_GET : REND_SET, key, { .want = REND_WANT_VALUE }, 0, 0, NULL, NULL, NULL,
			NULL };
		struct rend_op *op;
		struct question asked;
		size_t len = (size_t)rand_r(&seed) % sizeof value, eat;
		struct iovec iov[3];

		snprintf(key, sizeof key, "key%d", i);
		op = make_op(&r);
		memset(value, 'a' + i % 26, sizeof value);
		if (i % 3 == 0)
			assert_int_equal(rend_value_copy_in(&op->item.value, value, len), 0);
		assert_int_equal(request_put(&q, op, meta, token, WALL, &asked), REND_OK);
		if (i % 3 == 0) {
			in_len += (size_t)sprintf(in + in_len, "ms key%d %zu c O1009\r\n", i, len);
			memcpy(in + in_len, value, len);
			in_len += len;
			in_len += (size_t)sprintf(in + in_len, "\r\n");
		} else
			in_len += (size_t)sprintf(in + in_len, "mg key%d v f O1009\r\n", i);
		free_op(op);
		assert_int_equal(q.queued, in_len);
		for (int k = 0, n = sendq_iov(&q, iov, 1 + i % 3); k < n; k++) {
			eat = 1 + (size_t)rand_r(&seed) % iov[k].iov_len;
			memcpy(out + out_len, iov[k].iov_base, eat);
			out_len += eat;
			sendq_eat(&q, eat);
			if (eat < iov[k].iov_len)
				break;
		}
	}
	out_len += drain(&q, out + out_len, (4 << 20) - out_len);
	assert_int_equal(out_len, in_len);
	assert_memory_equal(out, in, in_len);
	sendq_drop(&q);
	free(in);
	free(out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_verb_in_every_dialect),
		cmocka_unit_test(longest_line_fits),
		cmocka_unit_test(odd_keys_have_less_room),
		cmocka_unit_test(an_odd_byte_is_seen_wherever_it_stands),
		cmocka_unit_test(times),
		cmocka_unit_test(large_values_are_not_copied),
		cmocka_unit_test(order_is_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
