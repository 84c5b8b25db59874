/*
 * Two workers set, append to, delete and get a few keys as fast as they can.  A value says in each of its bytes which write it is of, so a
 * mixture of two cannot look like one.  What is read must be whole, and a set that was answered must not be followed by an older value of the
 * same worker.
 *
 * Beside that they count with incr, where none may be lost, and append words to one value, where none may be torn, lost or in another order.
 *
 * REND_TEST_LONG=1: ten million.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../tests/kit/rig.h"

#define KEYS  4
#define SHORT 200000
#define LONG  10000000
#define VALUE 5000 /* bytes at most: five pieces */
#define WORD  8	   /* each value is one word again and again: worker, key, number of the write */

struct racer {
	struct seat *seat;
	unsigned me, ops;
	uint64_t dice;
	uint32_t last[KEYS]; /* the number of my last write that was answered OK, or that may have been stored */
	unsigned hits, misses;
	uint64_t counted;  /* what my last incr answered */
	uint64_t incrs;	   /* how many were answered */
	uint32_t life;	   /* of the counter, when that was */
	unsigned begun;	   /* how often I made the counter: more than once in all, and it was lost */
	uint32_t appended; /* the number of my last word that was answered */
	unsigned lists;	   /* values of such words that were read */
	bool done;
};

static unsigned
roll(struct racer *r, unsigned sides)
{
	r->dice = r->dice * 6364136223846793005ULL + 1442695040888963407ULL;
	return (unsigned)(r->dice >> 33) % sides;
}

static void
op_done(struct rend_op *op)
{
	*(bool *)op->up = true;
}

static void
ask(struct racer *r, struct rend_op *op)
{
	r->done = false;
	op->up = &r->done;
	op->done = op_done;
	if (rend_submit(r->seat->rig->node, op)) {
		seat_pass(r->seat);
		return;
	}
	while (!r->done)
		seat_turn(r->seat);
}

static void
check(struct racer *r, const struct rend_value *v, unsigned key)
{
	static __thread char text[VALUE];
	char owner = 0;
	uint32_t number;

	EXPECT(v->len >= WORD && v->len <= VALUE && v->len % WORD == 0, "a value of %zu bytes, which nobody wrote",
	    v->len);
	rend_value_copy_out(v, 0, text, v->len);
	for (size_t i = WORD; i < v->len; i += WORD)
		EXPECT(memcmp(text, text + i, WORD) == 0, "a mixture: word %zu is \"%.8s\", the first one \"%.8s\"",
		    i / WORD, text + i, text);
	owner = text[0];
	EXPECT(text[1] == (char)('a' + key), "key %u has a value of key %c", key, text[1]);
	memcpy(&number, text + 4, sizeof number);
	/* The length goes with the write, too. */
	EXPECT(v->len / WORD == number % (VALUE / WORD) + 1, "write %u is %zu bytes long", number, v->len);
	if (owner == (char)('0' + r->me))
		EXPECT(number == r->last[key], "key %u: my write %u is read after write %u was answered", key, number,
		    r->last[key]);
}

static void
write_value(struct racer *r, struct rend_op *op, unsigned key, uint32_t number)
{
	char word[WORD] = { (char)('0' + r->me), (char)('a' + key), '.', '.' }, text[VALUE];
	size_t len = (number % (VALUE / WORD) + 1) * WORD;

	memcpy(word + 4, &number, sizeof number);
	for (size_t i = 0; i < len; i += WORD)
		memcpy(text + i, word, WORD);
	EXPECT(rend_value_copy_in(&op->item.value, text, len) == 0, "no memory");
}

/* ---- read, changed, and written ---- */

static uint32_t lives; /* of the counter: how often one may have been begun; atomic */

/* Memory that was replaced is used again when both workers have come to the end of their ops: one that has lost its processor may keep the other from all of it. */
static bool
is_refused(enum rend_status status)
{
	return status == REND_BUSY || status == REND_NO_MEMORY;
}

static enum rend_status
change(struct racer *r, unsigned verb, const char *key, const char *bytes, size_t len, uint64_t *number)
{
	struct rend_op *op = op_new(&r->seat->worker, key, strlen(key));
	enum rend_status status;

	EXPECT(op != NULL, "no memory");
	op->verb = (uint8_t)verb;
	op->ask.delta = 1;
	EXPECT(len == 0 || rend_value_copy_in(&op->item.value, bytes, len) == 0, "no memory");
	ask(r, op);
	status = (enum rend_status)op->status;
	*number = op->item.number;
	EXPECT(rend_outcome(status) != REND_FAIL || is_refused(status), "a %s: %s", rend_verb_name(verb),
	    rend_status_name(status));
	rend_op_free(&op);
	return status;
}

/* Each answer is more than my last one, as long as it is the same counter. */
static void
count(struct racer *r)
{
	uint64_t number = 0;
	enum rend_status status = change(r, REND_INCR, "n", NULL, 0, &number);
	uint32_t life = __atomic_load_n(&lives, __ATOMIC_ACQUIRE);

	if (status == REND_MISS) {
		__atomic_fetch_add(&lives, 1, __ATOMIC_ACQ_REL);
		r->begun += change(r, REND_ADD, "n", "0", 1, &number) == REND_OK;
	} else if (status == REND_OK) {
		EXPECT(number > r->counted || life != r->life, "an incr answers %" PRIu64 " after %" PRIu64, number,
		    r->counted);
		r->counted = number;
		r->life = life;
		r->incrs++;
	}
}

/* Words of both, each one's in their order; if there are any of mine the last one is there. */
static void
check_list(struct racer *r, const struct rend_value *v)
{
	static __thread char text[2 * VALUE];
	uint32_t seen[RIG_SEATS] = { 0 }, number;

	EXPECT(v->len >= WORD && v->len <= sizeof text && v->len % WORD == 0, "a list of %zu bytes", v->len);
	rend_value_copy_out(v, 0, text, v->len);
	for (size_t i = 0; i < v->len; i += WORD) {
		unsigned who = (unsigned)(text[i] - '0');

		EXPECT(who < RIG_SEATS && memcmp(text + i + 1, "l..", 3) == 0, "word %zu of a list is \"%.8s\"",
		    i / WORD, text + i);
		memcpy(&number, text + i + 4, sizeof number);
		EXPECT(number > seen[who], "word %u comes after word %u", number, seen[who]);
		seen[who] = number;
	}
	EXPECT(seen[r->me] == 0 || seen[r->me] == r->appended, "my word %u is the last, and word %u was answered",
	    seen[r->me], r->appended);
	r->lists++;
}

static void
extend(struct racer *r, uint32_t number)
{
	struct rend_op *op = op_new(&r->seat->worker, "l", 1);
	char word[WORD] = { (char)('0' + r->me), 'l', '.', '.' };
	bool begins;
	uint64_t ignored;

	EXPECT(op != NULL, "no memory");
	op->verb = REND_GET;
	op->ask.want = REND_WANT_VALUE;
	ask(r, op);
	begins = op->status != REND_OK || op->item.value.len > VALUE;
	if (op->status == REND_OK)
		check_list(r, &op->item.value);
	rend_op_free(&op);
	memcpy(word + 4, &number, sizeof number);
	if (change(r, begins ? REND_SET : REND_APPEND, "l", word, sizeof word, &ignored) == REND_OK)
		r->appended = number;
}

static void
race(struct racer *r)
{
	static const unsigned verbs[] = { REND_GET, REND_GET, REND_GET, REND_GET, REND_SET, REND_SET, REND_ADD,
		REND_REPLACE, REND_DELETE, REND_TOUCH };
	uint32_t number = 0;

	for (unsigned i = 0; i < r->ops; i++) {
		unsigned k = roll(r, KEYS), verb = verbs[roll(r, sizeof verbs / sizeof *verbs)];
		char key[2] = { 'k', (char)('0' + k) };
		struct rend_op *op = op_new(&r->seat->worker, key, sizeof key);

		EXPECT(op != NULL, "no memory");
		if (i % 16 == 0)
			count(r);
		if (i % 16 == 8)
			extend(r, i);
		op->verb = (uint8_t)verb;
		op->ask.want = REND_WANT_VALUE;
		if (rend_verb_stores(verb))
			write_value(r, op, k, ++number);
		ask(r, op);
		EXPECT(
		    rend_outcome((enum rend_status)op->status) != REND_FAIL || is_refused((enum rend_status)op->status),
		    "a %s: %s", rend_verb_name(verb), rend_status_name(op->status));
		if (rend_verb_stores(verb) && op->status == REND_OK)
			r->last[k] = number;
		if (verb == REND_GET && op->status == REND_OK)
			check(r, &op->item.value, k);
		r->hits += verb == REND_GET && op->status == REND_OK;
		r->misses += verb == REND_GET && op->status == REND_MISS;
		rend_op_free(&op);
	}
}

static void *
run(void *arg)
{
	struct racer *r = arg;

	seat_enter(r->seat);
	race(r);
	seat_leave(r->seat);
	return NULL;
}

static void
raced(bool later)
{
	static struct rig rig;
	char chunked[4096], over[4096];
	const char *dir = getenv("REND_PLUGINS"), *options[1] = { over };
	struct handler_kit kit = {
		.plugin = chunked, .options = options, .option_count = 1, .later = later, .seconds = 600
	};
	unsigned ops = getenv("REND_TEST_LONG") != NULL ? LONG : SHORT;
	uint64_t incrs = 0, most = 0;
	unsigned begun = 0;
	struct racer racers[RIG_SEATS];
	pthread_t threads[RIG_SEATS];
	struct rend_error err = { 0 };

	snprintf(chunked, sizeof chunked, "%s/chunked.so", dir == NULL ? ".libs" : dir);
	snprintf(over, sizeof over, "over=%s/inmem.so", dir == NULL ? ".libs" : dir);
	lives = 0;
	if (rig_make(&rig, &kit, RIG_SEATS, &err) != 0 || rig_open(&rig, &err) != 0)
		fail_msg("%s", err.text);
	for (unsigned i = 0; i < RIG_SEATS; i++) {
		racers[i] = (struct racer){
			.seat = &rig.seats[i], .me = i, .ops = (later ? ops / 20 : ops) / RIG_SEATS, .dice = 77 + i
		};
		assert_int_equal(pthread_create(&threads[i], NULL, run, &racers[i]), 0);
	}
	for (unsigned i = 0; i < RIG_SEATS; i++)
		pthread_join(threads[i], NULL);
	rig_close(&rig);
	for (unsigned i = 0; i < RIG_SEATS; i++) {
		print_message(
		    "worker %u: %llu incrs, %u lists\n", i, (unsigned long long)racers[i].incrs, racers[i].lists);
		assert_true(racers[i].incrs > 0 && racers[i].lists > 0);
		incrs += racers[i].incrs;
		begun += racers[i].begun;
		most = racers[i].counted > most ? racers[i].counted : most;
	}
	assert_true(begun > 0);
	if (begun == 1)
		assert_int_equal(most, incrs);
	for (unsigned i = 0; i < RIG_SEATS; i++) {
		print_message("worker %u: %u hits, %u misses\n", i, racers[i].hits, racers[i].misses);
		assert_true(racers[i].hits > racers[i].ops / 50);
	}
}

static void
at_once(void **state)
{
	raced(false);
}

static void
later(void **state)
{
	raced(true);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(at_once),
		cmocka_unit_test(later),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
