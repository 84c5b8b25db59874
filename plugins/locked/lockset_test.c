/*
 * Lock sets: who is next, who shares, who leaves; turns that go home to other workers; as many as there are in one loop; and all of it
 * from threads at once.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>

#include "engine/worker.h"
#include "lockset.h"

#define WORKERS 4
#define STRIPES 8

static struct rend_worker workers[WORKERS];
static struct lockset *ls;

/* A turn, and when it came. */
struct seeker {
	struct turn turn;
	unsigned came; /* 1, 2, ... in the order in which they did; 0: not yet */
	bool gives_back;
	uintptr_t at; /* how deep the stack was */
};

static unsigned coming;

static int
set_up(void **state)
{
	worker_set_count(WORKERS);
	ls = lockset_new(STRIPES);
	assert_non_null(ls);
	assert_int_equal(lockset_open(ls, WORKERS), 0);
	assert_int_equal(lockset_open(ls, WORKERS), 0);
	for (int i = 0; i < WORKERS; i++) {
		assert_int_equal(worker_init(&workers[i], i), 0);
		lockset_join(ls, &workers[i]);
	}
	coming = 0;
	return 0;
}

static int
tear_down(void **state)
{
	assert_int_equal(lockset_waiting(ls), 0);
	for (uint32_t i = 0; i < STRIPES; i++)
		assert_int_equal(ls->stripes[i].holders, 0);
	for (int i = 0; i < WORKERS; i++)
		worker_fini(&workers[i]);
	lockset_free(ls);
	return 0;
}

static void
give_back(struct seeker *s)
{
	lockset_give_back(ls, &s->turn, 1);
	home_run(&ls->homes[s->turn.home]);
}

static void
go(struct turn *t)
{
	struct seeker *s = RING_OBJ(t, struct seeker, turn);

	assert_int_equal(s->came, 0);
	assert_true(t->held);
	s->came = ++coming;
	s->at = (uintptr_t)__builtin_frame_address(0);
	if (s->gives_back)
		give_back(s);
}

static enum taken
take(struct seeker *s, int home, bool shared)
{
	enum taken taken;

	s->turn.go = go;
	s->turn.home = (uint16_t)home;
	s->turn.shared = shared;
	taken = lockset_take(ls, &s->turn, 1000000);
	if (taken == TAKEN)
		s->came = ++coming;
	return taken;
}

#define WRITER false
#define READER true

static void
first_come_first_served(void **state)
{
	struct seeker s[4] = { 0 };

	assert_int_equal(take(&s[0], 0, WRITER), TAKEN);
	for (int i = 1; i < 4; i++)
		assert_int_equal(take(&s[i], 0, WRITER), QUEUED);
	assert_int_equal(lockset_waiting(ls), 3);
	for (unsigned i = 0; i < 4; i++) {
		assert_int_equal(s[i].came, i + 1);
		assert_int_equal(coming, i + 1);
		give_back(&s[i]);
	}
}

static void
other_stripes_are_others(void **state)
{
	struct seeker s[2] = { 0 };

	s[1].turn.stripe = 1;
	assert_int_equal(take(&s[0], 0, WRITER), TAKEN);
	assert_int_equal(take(&s[1], 0, WRITER), TAKEN);
	give_back(&s[0]);
	give_back(&s[1]);
}

static void
stripes_are_all_used(void **state)
{
	uint64_t seen = 0;

	for (uint64_t i = 0; i < STRIPES; i++)
		seen |= 1ULL << lockset_stripe(ls, (i << 61) + 5);
	assert_int_equal(seen, (1 << STRIPES) - 1);
	assert_int_equal(lockset_stripe(ls, UINT64_MAX), STRIPES - 1);
}

static void
readers_share(void **state)
{
	struct seeker r[3] = { 0 }, w = { 0 };

	for (int i = 0; i < 3; i++)
		assert_int_equal(take(&r[i], 0, READER), TAKEN);
	assert_int_equal(take(&w, 0, WRITER), QUEUED);
	give_back(&r[1]);
	give_back(&r[0]);
	assert_int_equal(w.came, 0);
	give_back(&r[2]);
	assert_int_equal(w.came, 4);
	give_back(&w);
}

static void
a_writer_is_not_kept_waiting_by_readers_that_come_later(void **state)
{
	struct seeker first = { 0 }, w[2] = { 0 }, r[4] = { 0 };

	take(&first, 0, READER);
	assert_int_equal(take(&w[0], 0, WRITER), QUEUED);
	assert_int_equal(take(&r[0], 0, READER), QUEUED);
	assert_int_equal(take(&r[1], 0, READER), QUEUED);
	assert_int_equal(take(&w[1], 0, WRITER), QUEUED);
	assert_int_equal(take(&r[2], 0, READER), QUEUED);
	give_back(&first);
	assert_int_equal(w[0].came, 2);
	assert_int_equal(coming, 2);
	give_back(&w[0]);
	/* The two before the next writer, and not the one behind it. */
	assert_int_equal(r[0].came, 3);
	assert_int_equal(r[1].came, 4);
	assert_int_equal(coming, 4);
	assert_int_equal(take(&r[3], 0, READER), QUEUED);
	give_back(&r[0]);
	assert_int_equal(coming, 4);
	give_back(&r[1]);
	assert_int_equal(w[1].came, 5);
	give_back(&w[1]);
	assert_int_equal(r[2].came, 6);
	assert_int_equal(r[3].came, 7);
	give_back(&r[2]);
	give_back(&r[3]);
}

static void
so_many_may_wait(void **state)
{
	struct seeker s[4] = { 0 };

	take(&s[0], 0, WRITER);
	for (int i = 1; i < 4; i++) {
		s[i].turn.go = go;
		assert_int_equal(lockset_take(ls, &s[i].turn, 2), i < 3 ? QUEUED : FULL);
	}
	for (int i = 0; i < 3; i++)
		give_back(&s[i]);
	assert_int_equal(s[3].came, 0);
	/* Nobody waits: even if none may. */
	assert_int_equal(lockset_take(ls, &s[3].turn, 0), TAKEN);
	give_back(&s[3]);
}

static void
who_leaves_is_not_called(void **state)
{
	struct seeker s[4] = { 0 };

	for (int i = 0; i < 4; i++)
		take(&s[i], 0, WRITER);
	assert_int_equal(lockset_leave(ls, &s[2].turn, 1), 1);
	assert_int_equal(lockset_leave(ls, &s[2].turn, 1), 0);
	assert_int_equal(lockset_leave(ls, &s[0].turn, 1), 0);
	give_back(&s[0]);
	give_back(&s[1]);
	assert_int_equal(s[2].came, 0);
	assert_int_equal(s[3].came, 3);
	give_back(&s[3]);
}

/* What stood between readers and readers is gone. */
static void
a_writer_that_leaves_lets_readers_through(void **state)
{
	struct seeker r[3] = { 0 }, w = { 0 };

	take(&r[0], 0, READER);
	take(&w, 0, WRITER);
	take(&r[1], 0, READER);
	take(&r[2], 0, READER);
	assert_int_equal(lockset_leave(ls, &w.turn, 1), 1);
	home_run(&ls->homes[0]);
	assert_int_equal(coming, 3);
	for (int i = 0; i < 3; i++)
		give_back(&r[i]);
}

#define MANY 1000

static void
a_thousand_are_a_loop(void **state)
{
	static struct seeker s[MANY];

	memset(s, 0, sizeof s);
	take(&s[0], 0, WRITER);
	for (int i = 1; i < MANY; i++) {
		s[i].gives_back = true;
		take(&s[i], 0, i % 3 == 0);
	}
	give_back(&s[0]);
	for (unsigned i = 0; i < MANY; i++)
		assert_int_equal(s[i].came, i + 1);
	/* Nobody was called from within another's call. */
	for (unsigned i = 2; i < MANY; i++)
		assert_int_equal(s[i].at, s[1].at);
}

/* ---- several workers, by turns on this thread ---- */

static void
on(int worker)
{
	worker_enter(&workers[worker]);
	worker_turn(&workers[worker]);
}

static void
turns_go_home(void **state)
{
	struct seeker s[4] = { 0 };

	take(&s[0], 0, WRITER);
	take(&s[1], 1, READER);
	take(&s[2], 2, READER);
	take(&s[3], 1, READER);
	on(0);
	give_back(&s[0]);
	assert_int_equal(coming, 1);
	on(2);
	assert_int_equal(s[2].came, 2);
	on(0);
	assert_int_equal(coming, 2);
	on(1);
	assert_int_equal(s[1].came, 3);
	assert_int_equal(s[3].came, 4);
	give_back(&s[1]);
	give_back(&s[3]);
	on(2);
	give_back(&s[2]);
	worker_enter(NULL);
}

/* On its way home it cannot leave any more, but it can be met. */
static void
mail_can_be_fetched(void **state)
{
	struct seeker s[3] = { 0 };

	take(&s[0], 0, WRITER);
	take(&s[1], 1, WRITER);
	take(&s[2], 1, WRITER);
	give_back(&s[0]);
	worker_enter(&workers[1]);
	assert_int_equal(lockset_leave(ls, &s[1].turn, 1), 0);
	home_fetch(&ls->homes[1]);
	assert_int_equal(s[1].came, 2);
	give_back(&s[1]);
	assert_int_equal(s[2].came, 3);
	give_back(&s[2]);
	/* The call arrives, and finds nothing; the next one is as good as the first. */
	on(1);
	assert_int_equal(coming, 3);
	s[0].came = s[1].came = 0;
	take(&s[0], 0, WRITER);
	take(&s[1], 1, WRITER);
	give_back(&s[0]);
	on(1);
	assert_int_equal(s[1].came, 5);
	give_back(&s[1]);
	worker_enter(NULL);
}

/* ---- all stripes ---- */

static unsigned swept;

static void
go_swept(struct turn *t)
{
	swept++;
}

static void
all_of(struct turn turns[STRIPES], int home)
{
	for (uint32_t i = 0; i < STRIPES; i++)
		turns[i] = (struct turn){ .go = go_swept, .stripe = i, .home = (uint16_t)home };
}

static void
all_stripes(void **state)
{
	struct turn one[STRIPES], two[STRIPES];
	struct seeker before = { 0 }, after = { 0 };

	swept = 0;
	all_of(one, 0);
	all_of(two, 0);
	before.turn.stripe = after.turn.stripe = 3;
	take(&before, 0, WRITER);
	assert_int_equal(lockset_take_all(ls, one), STRIPES - 1);
	assert_int_equal(lockset_take_all(ls, two), 0);
	assert_int_equal(take(&after, 0, READER), QUEUED);
	give_back(&before);
	assert_int_equal(swept, 1);
	assert_int_equal(after.came, 0);
	lockset_give_back(ls, one, STRIPES);
	home_run(&ls->homes[0]);
	assert_int_equal(swept, 1 + STRIPES);
	assert_int_equal(after.came, 0);
	lockset_give_back(ls, two, STRIPES);
	home_run(&ls->homes[0]);
	assert_int_equal(after.came, 2);
	give_back(&after);
}

static void
all_stripes_can_be_left(void **state)
{
	struct turn all[STRIPES];
	struct seeker before = { 0 }, after = { 0 };

	all_of(all, 0);
	take(&before, 0, WRITER);
	assert_int_equal(lockset_take_all(ls, all), STRIPES - 1);
	take(&after, 0, WRITER);
	assert_int_equal(lockset_leave(ls, all, STRIPES), 1);
	lockset_give_back(ls, all, STRIPES);
	give_back(&before);
	assert_int_equal(after.came, 2);
	give_back(&after);
}

/* ---- threads ---- */

#define ROUNDS 20000

static unsigned long counts[STRIPES]; /* what the stripes guard: plain numbers */

struct errand {
	struct seeker seeker;
	unsigned done; /* rounds */
	uint64_t dice;
};

static void
run_errand(struct errand *e)
{
	uint32_t stripe = e->seeker.turn.stripe;

	if (e->seeker.turn.shared)
		e->dice += counts[stripe];
	else
		counts[stripe]++;
	e->done++;
	lockset_give_back(ls, &e->seeker.turn, 1);
}

static void
go_errand(struct turn *t)
{
	run_errand(RING_OBJ(t, struct errand, seeker.turn));
}

static void *
busy(void *arg)
{
	struct rend_worker *w = arg;
	struct home *home = &ls->homes[w->index];
	struct errand e = { .dice = (uint64_t)w->index };
	unsigned long writes[STRIPES] = { 0 }, *sums = calloc(STRIPES, sizeof *sums);

	worker_enter(w);
	for (unsigned round = 0; round < ROUNDS; round++) {
		e.dice = e.dice * 6364136223846793005ULL + 1442695040888963407ULL;
		e.seeker.turn = (struct turn){ .go = go_errand,
			.stripe = (uint32_t)(e.dice >> 40) % 2,
			.home = (uint16_t)w->index,
			.shared = (e.dice >> 50) % 4 == 0 };
		writes[e.seeker.turn.stripe] += !e.seeker.turn.shared;
		if (lockset_take(ls, &e.seeker.turn, 1000) == TAKEN)
			run_errand(&e);
		home_run(home);
		while (e.done == round) {
			struct pollfd mail = { .fd = w->inbox.fd, .events = POLLIN };

			if (poll(&mail, 1, 10000) != 1)
				break;
			worker_turn(w);
		}
		if (e.done == round)
			break;
	}
	memcpy(sums, writes, sizeof writes);
	worker_enter(NULL);
	return sums;
}

static void
threads(void **state)
{
	pthread_t t[WORKERS];
	unsigned long sums[STRIPES] = { 0 }, all = 0;

	memset(counts, 0, sizeof counts);
	for (int i = 0; i < WORKERS; i++)
		assert_int_equal(pthread_create(&t[i], NULL, busy, &workers[i]), 0);
	for (int i = 0; i < WORKERS; i++) {
		void *writes;

		pthread_join(t[i], &writes);
		for (int k = 0; k < STRIPES; k++)
			sums[k] += ((unsigned long *)writes)[k];
		free(writes);
	}
	for (int k = 0; k < STRIPES; k++) {
		assert_int_equal(counts[k], sums[k]);
		all += counts[k];
	}
	assert_true(all > WORKERS * ROUNDS / 2);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(first_come_first_served),
		TEST(other_stripes_are_others),
		TEST(stripes_are_all_used),
		TEST(readers_share),
		TEST(a_writer_is_not_kept_waiting_by_readers_that_come_later),
		TEST(so_many_may_wait),
		TEST(who_leaves_is_not_called),
		TEST(a_writer_that_leaves_lets_readers_through),
		TEST(a_thousand_are_a_loop),
		TEST(turns_go_home),
		TEST(mail_can_be_fetched),
		TEST(all_stripes),
		TEST(all_stripes_can_be_left),
		TEST(threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
