/*
 * The model against a cache of a few lines that keeps whole values: whatever is asked, the model expects what the cache answers.  And
 * against caches that do one thing wrong: each is found out.
 */
#include "../unit/base/unit.h"

#include "../../tools/load/inspect.h"
#include "../../tools/load/model.h"

#define KEYS	8
#define LONGEST (600 * 1024)

/* ---- the cache ---- */

struct cache;

/* What may be wrong with it.  Each is asked about one request; true: do wrong. */
enum sin {
	SIN_NONE,
	SIN_FORGETS,
	SIN_KEEPS_OLD,
	SIN_ADDS_ALWAYS,
	SIN_SWAPS,
	SIN_CAS_ALWAYS,
	SIN_DELETES_NOT,
	SIN_MISCOUNTS,
	SINS
};

struct cached {
	bool there;
	size_t len;
	uint64_t cas;
	char *bytes;
};

struct cache {
	struct cached items[2 * KEYS];
	uint64_t cas;
	enum sin sin;
	uint32_t chances; /* it had: of five it takes one */
};

static bool
sins(struct cache *c, enum sin sin)
{
	return c->sin == sin && ++c->chances % 5 == 0;
}

static void
keep(struct cache *c, struct cached *it, const char *a, size_t n, const char *b, size_t m)
{
	char *bytes = malloc(n + m + 1);

	assert_non_null(bytes);
	memcpy(bytes, a, n);
	memcpy(bytes + n, b, m);
	free(it->bytes);
	it->bytes = bytes;
	it->len = n + m;
	it->cas = ++c->cas;
	it->there = true;
}

static enum outcome
count(struct cache *c, struct cached *it, const struct request *r, struct answer *a)
{
	char digits[24] = "", *end;
	uint64_t n;

	if (!it->there)
		return OUTCOME_MISS;
	if (it->len >= sizeof digits)
		return OUTCOME_NOT_A_NUMBER;
	memcpy(digits, it->bytes, it->len);
	n = strtoull(digits, &end, 10);
	if (end == digits)
		return OUTCOME_NOT_A_NUMBER;
	n = r->verb == VERB_INCR ? n + r->number : n > r->number ? n - r->number : 0;
	if (sins(c, SIN_MISCOUNTS))
		n++;
	a->number = n;
	snprintf(digits, sizeof digits, "%llu", (unsigned long long)n);
	keep(c, it, digits, strlen(digits), "", 0);
	return OUTCOME_OK;
}

static enum outcome
carry_out(struct cache *c, const struct keys *keys, const struct request *r, struct answer *a)
{
	struct cached *it = &c->items[r->key & KEYS_NUMBER ? KEYS + (r->key & ~KEYS_NUMBER) : r->key];
	static char value[LONGEST];
	size_t len = verb_stores(r->verb) ? (size_t)(request_value(r, keys, value) - value) : 0;

	a->cas = it->cas;
	switch (r->verb) {
	case VERB_SET:
		if (!sins(c, SIN_KEEPS_OLD) || !it->there)
			keep(c, it, value, len, "", 0);
		return OUTCOME_OK;
	case VERB_ADD:
		if (it->there && !sins(c, SIN_ADDS_ALWAYS))
			return OUTCOME_NOT_STORED;
		keep(c, it, value, len, "", 0);
		return OUTCOME_OK;
	case VERB_REPLACE:
		if (!it->there)
			return OUTCOME_NOT_STORED;
		keep(c, it, value, len, "", 0);
		return OUTCOME_OK;
	case VERB_APPEND:
	case VERB_PREPEND:
		if (!it->there)
			return OUTCOME_NOT_STORED;
		if ((r->verb == VERB_APPEND) != sins(c, SIN_SWAPS))
			keep(c, it, it->bytes, it->len, value, len);
		else
			keep(c, it, value, len, it->bytes, it->len);
		return OUTCOME_OK;
	case VERB_CAS:
		if (!it->there)
			return OUTCOME_MISS;
		if (it->cas != r->cas && !sins(c, SIN_CAS_ALWAYS))
			return OUTCOME_EXISTS;
		keep(c, it, value, len, "", 0);
		return OUTCOME_OK;
	case VERB_DELETE:
		if (!it->there)
			return OUTCOME_MISS;
		it->there = sins(c, SIN_DELETES_NOT);
		return OUTCOME_OK;
	case VERB_INCR:
	case VERB_DECR:
		return count(c, it, r, a);
	default:
		if (it->there && sins(c, SIN_FORGETS))
			it->there = false;
		return it->there ? OUTCOME_OK : OUTCOME_MISS;
	}
}

/* ---- the conversation ---- */

/* Is the answer what the model expects? */
static bool
as_expected(struct model *m, struct cache *c, struct request *r, const struct answer *a)
{
	const struct cached *it = &c->items[r->key & KEYS_NUMBER ? KEYS + (r->key & ~KEYS_NUMBER) : r->key];
	bool good = r->may >> a->outcome & 1;

	if (good && verb_reads(r->verb) && a->outcome == OUTCOME_OK) {
		struct inspect i;

		inspect_begin(&i, m->keys, r, r->key, it->len);
		inspect_take(&i, it->bytes, it->len);
		good = inspect_end(&i) == FAULT_NONE;
	}
	r->wrong = !good;
	return model_answered(m, r, a) == NULL && good;
}

/* Asks so many at random.  Returns how many answers were not as expected. */
static unsigned
talk(struct cache *c, unsigned requests, uint64_t seed)
{
	struct keys keys = { 0 };
	struct model m;
	uint64_t version = 100;
	unsigned bad = 0, asked = 0;

	keys_init(&keys, "", 4, KEYS);
	assert_int_equal(model_init(&m, &keys, false), 0);
	for (unsigned i = 0; i < requests; i++) {
		struct request r = { .width = 1 };
		struct answer a = { 0 };
		enum verb v = unit_random(&seed) % VERB_COUNT;
		uint32_t key = unit_random(&seed) % KEYS | (unit_random(&seed) % 3 == 0 ? KEYS_NUMBER : 0);

		if (!model_can(&m, v, key))
			continue;
		asked++;
		r.verb = (uint8_t)v;
		r.key = key;
		r.pieces = 1;
		r.piece[0] = (struct piece){ ++version, unit_random(&seed) % 3 == 0 ? unit_random(&seed) % 30 : 100 };
		r.number = unit_random(&seed) % 1000;
		model_ask(&m, &r);
		a.outcome = (uint8_t)carry_out(c, &keys, &r, &a);
		if (!as_expected(&m, c, &r, &a))
			bad++;
	}
	assert_true(asked > requests / 3);
	for (int i = 0; i < 2 * KEYS; i++)
		free(c->items[i].bytes);
	model_fini(&m);
	return bad;
}

static void
test_a_good_cache(void **state)
{
	for (uint64_t seed = 1; seed < 20; seed++) {
		struct cache c = { .cas = seed };

		assert_int_equal(talk(&c, 20000, seed), 0);
	}
}

static void
test_what_was_there_before(void **state)
{
	struct cache c = { 0 };

	for (int i = 0; i < 2 * KEYS; i += 2)
		keep(&c, &c.items[i], "of an earlier run", 17, "", 0);
	assert_int_equal(talk(&c, 20000, 3), 0);
}

/* Once may not be noticed: a value that was kept may be replaced before anybody reads it. */
static void
test_each_sin_is_noticed(void **state)
{
	for (int sin = SIN_NONE + 1; sin < SINS; sin++)
		for (uint64_t seed = 1; seed < 10; seed++) {
			struct cache c = {
				.sin = (enum sin)sin,
			};

			if (talk(&c, 20000, seed) == 0)
				fail_msg("sin %d with seed %u was not noticed", sin, (unsigned)seed);
			assert_true(c.chances > 50);
		}
}

/* A key about which a request was lost may be anything, until it is stored again. */
static void
test_lost(void **state)
{
	struct keys keys = { 0 };
	struct model m;
	struct request r = { .width = 1, .verb = VERB_SET, .key = 1, .pieces = 1, .piece = { { 1, 50 } } };
	const struct answer ok = { .outcome = OUTCOME_OK };

	keys_init(&keys, "", 4, KEYS);
	assert_int_equal(model_init(&m, &keys, false), 0);
	model_ask(&m, &r);
	model_answered(&m, &r, &ok);
	assert_true(model_can(&m, VERB_GET, 1));
	model_lost(&m, &r);
	assert_false(model_can(&m, VERB_GET, 1));
	assert_true(model_can(&m, VERB_DELETE, 1));
	r.verb = VERB_DELETE;
	model_ask(&m, &r);
	assert_int_equal(r.may, MAY(OK) | MAY(MISS));
	assert_true(model_can(&m, VERB_GET, 1));
	r.verb = VERB_GET;
	model_ask(&m, &r);
	assert_int_equal(r.may, MAY(MISS));
	model_fini(&m);
}

static void
test_may_evict(void **state)
{
	struct keys keys = { 0 };
	struct model m;
	struct request r = { .width = 1, .verb = VERB_SET, .key = 1, .pieces = 1, .piece = { { 1, 50 } } };
	const struct answer miss = { .outcome = OUTCOME_MISS };

	keys_init(&keys, "", 4, KEYS);
	assert_int_equal(model_init(&m, &keys, true), 0);
	model_ask(&m, &r);
	r.verb = VERB_GET;
	model_ask(&m, &r);
	assert_true(r.may >> OUTCOME_MISS & 1);
	assert_int_equal(r.check, CHECK_PIECES);
	assert_null(model_answered(&m, &r, &miss));
	assert_false(model_can(&m, VERB_GET, 1));
	model_fini(&m);
}

static int
set_up(void **state)
{
	stamp_init();
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_good_cache),
		cmocka_unit_test(test_what_was_there_before),
		cmocka_unit_test(test_each_sin_is_noticed),
		cmocka_unit_test(test_lost),
		cmocka_unit_test(test_may_evict),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}
