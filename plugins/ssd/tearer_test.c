/* The line of large values: how much may wait in it and how long, and who leaves while others are stored. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "rend/worker.h"
#include "tearer.h"
#include "world_words.h"

#define KIB   1024
#define LARGE ((size_t)300 * KIB)
#define S     1000000000ULL
#define LONG  (600 * S) /* nobody waits for so long here */
#define ROOM  (3 * LARGE + KIB)

struct line {
	struct world w;
	struct tearer t;
	struct rend_value value;
	struct tear tears[400];
};

static struct instance *const ours = (struct instance *)(void *)&(char){ 0 };
static struct instance *const others = (struct instance *)(void *)&(char){ 1 };

/* ---- who is answered ---- */

static void (*when_answered)(struct tear *tear);
static atomic_uint answered;
static _Atomic(enum stored) answered_last;

void
job_stored(struct tear *tear)
{
	pieces_end(&tear->pieces);
	atomic_store(&answered_last, tear->stored);
	if (when_answered != NULL)
		when_answered(tear);
	atomic_fetch_add(&answered, 1);
}

static void
wait_until_answered(unsigned many)
{
	uint64_t until = rend_now() + 60 * S;

	while (atomic_load(&answered) < many) {
		assert_true(rend_now() < until);
		sched_yield();
	}
	assert_int_equal(atomic_load(&answered), many);
}

/* ---- a line; nobody writes to the disk, so what is being stored waits for as long as it may ---- */

static struct line *
begin(uint64_t room)
{
	struct line *l = calloc(1, sizeof *l);
	void *bytes = calloc(1, LARGE);

	assert_non_null(l);
	assert_non_null(bytes);
	atomic_store(&answered, 0);
	when_answered = NULL;
	world_init(&l->w, 64);
	opened(&l->w);
	tearer_init(&l->t);
	assert_int_equal(rend_value_copy_in(&l->value, bytes, LARGE), 0);
	assert_int_equal(tearer_start(&l->t, l->w.store, LONG, room), 0);
	free(bytes);
	return l;
}

static void
end(struct line *l)
{
	tearer_stop(&l->t);
	rend_value_drop(&l->value);
	world_fini(&l->w);
	free(l);
}

static bool
takes(struct line *l, struct tear *tear, struct instance *inst, uint64_t until)
{
	const struct store_item item = {
		.khash = (uint64_t)(tear - l->tears), .key = "k", .keylen = 1, .value = &l->value
	};

	*tear = (struct tear){ .inst = inst, .until = until, .stored = STORE_WAITS };
	pieces_begin(&tear->pieces, l->w.store, &item);
	return tearer_take(&l->t, tear);
}

/* Those of before are answered, or one of this instance's is being stored. */
static void
wait_until_stored(struct line *l, const struct instance *inst)
{
	const struct instance *now = NULL;
	uint64_t until = rend_now() + 60 * S;

	while (now != inst) {
		assert_true(rend_now() < until);
		pthread_mutex_lock(&l->t.lock);
		now = l->t.now;
		pthread_mutex_unlock(&l->t.lock);
		sched_yield();
	}
}

static unsigned
leave(struct line *l, struct instance *inst)
{
	struct tear *tear;
	unsigned count = 0;

	for (; (tear = tearer_leave(&l->t, inst)) != NULL; count++)
		pieces_end(&tear->pieces);
	return count;
}

/* ---- how many ---- */

static void
bytes_are_bounded(void **state)
{
	struct line *l = begin(ROOM);
	unsigned taken = 0;

	for (unsigned i = 0; i < 50; i++)
		taken += takes(l, &l->tears[i], ours, rend_now() + LONG);
	assert_int_equal(taken, 3);
	assert_int_equal(leave(l, ours), 3);
	/* As many as before. */
	for (unsigned i = 50; i < 54; i++)
		taken += takes(l, &l->tears[i], ours, rend_now() + LONG);
	assert_int_equal(taken, 6);
	assert_int_equal(leave(l, ours), 3);
	assert_int_equal(l->t.bytes, 0);
	end(l);
}

static void
one_always_has_room(void **state)
{
	struct line *l = begin(1);

	assert_true(takes(l, &l->tears[0], ours, rend_now() + LONG));
	assert_false(takes(l, &l->tears[1], ours, rend_now() + LONG));
	assert_int_equal(leave(l, ours), 1);
	end(l);
}

static void
their_number_is_bounded(void **state)
{
	struct line *l = begin(UINT64_MAX);
	unsigned taken = 0;

	for (unsigned i = 0; i < 400; i++)
		taken += takes(l, &l->tears[i], ours, rend_now() + LONG);
	assert_in_range(taken, 256, 257);
	assert_int_equal(leave(l, ours), taken);
	end(l);
}

/* ---- how long ---- */

/* Whose time is over is answered, and has its key no longer, although what is being stored is not. */
static void
late_ones_are_answered(void **state)
{
	struct line *l = begin(UINT64_MAX);

	assert_true(takes(l, &l->tears[0], others, rend_now() + LONG));
	wait_until_stored(l, others);
	assert_true(takes(l, &l->tears[1], ours, rend_now() + LONG));
	assert_true(takes(l, &l->tears[2], ours, rend_now() + S / 20));
	assert_true(takes(l, &l->tears[3], ours, rend_now() + S / 20));
	wait_until_answered(2);
	assert_int_equal(answered_last, STORE_WAITS);
	assert_int_equal(leave(l, ours), 1);
	assert_int_equal(leave(l, others), 1);
	assert_int_equal(answered, 2);
	assert_int_equal(l->t.bytes, 0);
	end(l);
}

/* What is being stored is given up when its time is over: then nothing older is there, either. */
static void
what_is_stored_ends_in_time(void **state)
{
	struct line *l = begin(UINT64_MAX);
	uint64_t began = rend_now();

	/* It is taken up before that, however late: else it would only have waited. */
	assert_true(takes(l, &l->tears[0], ours, began + 2 * S));
	wait_until_answered(1);
	assert_true(rend_now() - began >= 2 * S);
	assert_int_equal(answered_last, STORE_NOT_ADMITTED);
	end(l);
}

/* ---- who leaves ---- */

static _Thread_local bool leaves;
static atomic_bool is_answered, waits_to_leave;

int __real_pthread_cond_wait(pthread_cond_t *cond, pthread_mutex_t *lock);
int __wrap_pthread_cond_wait(pthread_cond_t *cond, pthread_mutex_t *lock);

int
__wrap_pthread_cond_wait(pthread_cond_t *cond, pthread_mutex_t *lock)
{
	if (leaves)
		atomic_store(&waits_to_leave, true);
	return __real_pthread_cond_wait(cond, lock);
}

static struct line *again;

/* When somebody waits for this answer, the same memory is used for another's value, which takes long. */
static void
another_at_its_place(struct tear *tear)
{
	atomic_store(&is_answered, true);
	while (!atomic_load(&waits_to_leave))
		sched_yield();
	when_answered = NULL;
	assert_true(takes(again, tear, others, rend_now() + LONG));
}

static void *
leave_now(void *arg)
{
	leaves = true;
	assert_null(tearer_leave(&((struct line *)arg)->t, ours));
	return NULL;
}

/* Who leaves while his last value is answered waits for that, and for nobody else's. */
static void
leaves_while_one_is_answered(void **state)
{
	struct line *l = begin(UINT64_MAX);
	struct timespec until;
	pthread_t leaver;
	int ended;

	again = l;
	when_answered = another_at_its_place;
	assert_true(takes(l, &l->tears[0], ours, rend_now()));
	while (!atomic_load(&is_answered))
		sched_yield();
	assert_int_equal(pthread_create(&leaver, NULL, leave_now, l), 0);
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += 20;
	ended = pthread_timedjoin_np(leaver, NULL, &until);
	assert_int_equal(ended, 0);
	wait_until_answered(1);
	assert_int_equal(leave(l, others), 1);
	end(l);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes_are_bounded),
		cmocka_unit_test(one_always_has_room),
		cmocka_unit_test(their_number_is_bounded),
		cmocka_unit_test(late_ones_are_answered),
		cmocka_unit_test(what_is_stored_ends_in_time),
		cmocka_unit_test(leaves_while_one_is_answered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
