/*
 * Crashes.  A script of random operations runs over a simulated disk; before each operation that reaches the disk, the disk is copied as it would
 * be found if all ended there, and a store is opened on the copy.  What that store says must be what was true at some moment since the last
 * flush that had ended.
 *
 *	key ── history: (operation, write or nothing, exptime) ... ──► of those since the last flush any, and the last before it
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "state.h"
#include "world.h"

#define KEYS 40
#define OPS  2000

struct moment {
	uint64_t op, n; /* n 0: nothing */
	uint32_t exptime;
};

struct history {
	struct moment *moments;
	unsigned count;
};

struct crashes {
	struct world w;
	struct history keys[KEYS];
	uint64_t op;	  /* the one under way */
	uint64_t flushed; /* all before this one are on the disk */
	uint64_t next_n, rnd;
	enum sim_crash how;
	bool loses;	 /* the store may evict: nothing is always an answer */
	bool any_moment; /* nothing is promised but that it was true once */
	bool large;	 /* some values are in pieces */
	bool always;	 /* sync = always: what store_commit_at() says is what is promised */
	uint64_t at;	 /* of what was changed last */
	uint32_t share;	 /* store_options; some proper ends, too, if it is not 0 */
	unsigned stride, points, tried, halves, ends, commits;
	uint64_t found;
};

static uint64_t
random_next(uint64_t *state)
{
	*state = *state * 6364136223846793005ULL + 1442695040888963407ULL;
	return *state >> 33;
}

static void
note(struct crashes *c, unsigned key, uint64_t n, uint32_t exptime)
{
	struct history *h = &c->keys[key];

	h->moments[h->count++] = (struct moment){ c->op, n, exptime };
}

static struct moment *
last(struct crashes *c, unsigned key)
{
	return &c->keys[key].moments[c->keys[key].count - 1];
}

/* Was it ever so, since the last flush? */
static bool
was_so(const struct crashes *c, const struct history *h, uint64_t n, uint32_t exptime, int64_t wall)
{
	for (unsigned i = h->count; i-- > 0;) {
		const struct moment *m = &h->moments[i];
		bool nothing = m->n == 0 || exptime_passed(m->exptime, wall);

		if (n == 0 ? nothing : m->n == n && m->exptime == exptime)
			return true;
		if (!c->any_moment && m->op < c->flushed)
			return false;
	}
	return n == 0;
}

/* So many writes are of items that are stale. */
static bool
is_stale(uint64_t n)
{
	return n % 5 == 0;
}

static void
check_key(struct crashes *c, struct world *after, unsigned key)
{
	const struct history *h = &c->keys[key];
	uint64_t n = 0;
	struct fetch f;

	if (world_fetch(after, key, true, &n, &f) == FETCH_MISS)
		n = 0;
	c->found += n != 0;
	if (n == 0 && c->loses)
		return;
	if (n != 0)
		assert_int_equal((f.head.flags & RECORD_STALE) != 0, is_stale(n));
	if (!was_so(c, h, n, n == 0 ? 0 : f.entry.exptime, after->wall))
		fail_msg("after a crash (%d) in operation %llu, all before %llu flushed: key %u has write %llu until "
			 "%u; the last was %llu until %u; %s",
		    (int)c->how, (unsigned long long)c->op, (unsigned long long)c->flushed, key, (unsigned long long)n,
		    n == 0 ? 0 : f.entry.exptime, (unsigned long long)last(c, key)->n, last(c, key)->exptime,
		    after->opened.sentence);
}

/* Does a store find its way from here?  Twice: it may crash again as soon as it is open. */
static void
try_crash(struct crashes *c, struct io *disk)
{
	struct world after = c->w;

	after.io = disk;
	after.store = NULL;
	after.queue = NULL;
	after.options.flushed = NULL;
	for (int again = 0; again < 2; again++) {
		if (!world_open(&after))
			fail_msg("%s", after.opened.sentence);
		if (again == 0 || c->tried % 8 == 0) {
			for (unsigned key = 0; key < KEYS; key++)
				check_key(c, &after, key);
			world_audit(&after);
		}
		world_crash(&after, SIM_KILL);
	}
	io_free(&after.io);
}

static void
on_operation(void *arg, struct io *io, uint64_t n)
{
	struct crashes *c = arg;
	struct io *disk;

	if (++c->points % c->stride != 0)
		return;
	disk = sim_after(io, c->how, n);
	assert_non_null(disk);
	c->tried++;
	try_crash(c, disk);
}

/* ---- the script ---- */

static void
step(struct crashes *c, bool flush)
{
	uint64_t began = c->op, before = store_flushed(c->w.store);

	sim_advance(c->w.io, 1);
	store_step(c->w.store, flush, c->w.wall);
	if (!flush)
		return;
	/* And it says so. */
	assert_true(store_flushed(c->w.store) > before);
	c->flushed = began + 1;
}

/* The keeper says so in the middle of a step: a crash in what is left of that takes nothing either. */
static void
committed(void *arg)
{
	struct crashes *c = arg;

	if (store_committed(c->w.store) >= c->at)
		c->flushed = c->op + 1;
}

/* As a keeper, until all that was changed so far may be answered. */
static void
commit(struct crashes *c)
{
	c->at = store_commit_at(c->w.store);
	store_commit_ask(c->w.store);
	for (unsigned n = 0; store_committed(c->w.store) < c->at; n++) {
		assert_true(n < 100 && (n > 0 || store_commit_due(c->w.store)));
		sim_advance(c->w.io, 1);
		store_step(c->w.store, true, c->w.wall);
	}
	assert_int_equal(c->flushed, c->op + 1);
	assert_false(store_commit_missed(c->w.store));
	c->commits++;
}

/* A proper end, and a crash may be in the middle of that, too. */
static void
end(struct crashes *c)
{
	assert_true(world_close(&c->w));
	c->flushed = c->op + 1;
	if (!world_open(&c->w))
		fail_msg("%s", c->w.opened.sentence);
	assert_int_equal(c->w.opened.how, STORE_CLEAN);
	c->ends++;
}

static void
set(struct crashes *c, unsigned key, uint32_t exptime, size_t len)
{
	uint64_t n = c->next_n++;

	c->w.stale = is_stale(n);
	if (world_set(&c->w, key, n, len, exptime) == STORED)
		note(c, key, n, exptime);
	else
		note(c, key, 0, 0);
}

static void
operate(struct crashes *c)
{
	unsigned key = random_next(&c->rnd) % KEYS;
	uint32_t until = (uint32_t)(c->w.wall + 5 + (int64_t)(random_next(&c->rnd) % 3000));
	uint32_t exptime = random_next(&c->rnd) % 2 == 0 ? 0 : until;
	uint64_t n;

	switch (random_next(&c->rnd) % 16) {
	case 0:
	case 1:
		world_delete(&c->w, key);
		note(c, key, 0, 0);
		break;
	case 2:
	case 3:
		if (world_touch(&c->w, key, until))
			note(c, key, last(c, key)->n, until);
		break;
	case 4:
		world_get(&c->w, key, &n, NULL);
		break;
	case 5:
		c->w.wall += random_next(&c->rnd) % 20;
		break;
	case 6:
		if (random_next(&c->rnd) % 30 != 0)
			break;
		store_flush_all(c->w.store);
		for (unsigned k = 0; k < KEYS; k++)
			note(c, k, 0, 0);
		break;
	case 7:
		if (c->large && random_next(&c->rnd) % 3 == 0) {
			set(c, key, exptime, (115 << 10) + random_next(&c->rnd) % (300 << 10));
			break;
		}
		/* fall through */
	default:
		set(c, key, exptime, 32 + random_next(&c->rnd) % (c->loses ? 8000 : 1500));
	}
}

static void
run(struct crashes *c, uint32_t segments, enum store_sync sync, uint64_t seed)
{
	for (unsigned key = 0; key < KEYS; key++) {
		c->keys[key].moments = calloc(2 * OPS, sizeof(struct moment));
		assert_non_null(c->keys[key].moments);
		note(c, key, 0, 0);
	}
	world_init(&c->w, segments);
	c->w.options.sync = sync;
	c->w.options.objects = 400;
	c->w.options.share = c->share;
	c->w.options.flushed = committed;
	c->w.options.flushed_arg = c;
	c->rnd = seed;
	c->next_n = 1;
	if (!world_open(&c->w))
		fail_msg("%s", c->w.opened.sentence);
	sim_watch(c->w.io, on_operation, c);
	for (c->op = 1; c->op <= OPS; c->op++) {
		c->at = UINT64_MAX;
		operate(c);
		if (c->always && random_next(&c->rnd) % 3 == 0)
			commit(c);
		else if (random_next(&c->rnd) % 12 == 0)
			step(c, !c->always && random_next(&c->rnd) % 2 == 0);
		c->halves += c->w.store->leaving.active;
		if (c->share != 0 && random_next(&c->rnd) % 60 == 0)
			end(c);
	}
	sim_watch(c->w.io, NULL, NULL);
	assert_true(c->points > 200);
	/* With a stride of 1 that is every point there is. */
	assert_int_equal(c->tried, c->points / c->stride);
	assert_true(c->found > c->tried);
	print_message(
	    "%u of %u points tried, %llu values found; %u operations in the middle of a leaving, %u ends, %u commits\n",
	    c->tried, c->points, (unsigned long long)c->found, c->halves, c->ends, c->commits);
	assert_true(!c->always || c->commits > OPS / 5);
	if (c->share != 0)
		assert_true(c->halves > OPS / 40 && c->ends > OPS / 200);
	world_fini(&c->w);
	for (unsigned key = 0; key < KEYS; key++)
		free(c->keys[key].moments);
}

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
#define STRIDE 13
#else
#define STRIDE 1
#endif

/* I3: a process that is killed loses what was not flushed, and nothing else. */
static void
killed(void **state)
{
	struct crashes c = { .how = SIM_KILL, .stride = STRIDE };

	run(&c, 64, STORE_SYNC_SEAL, 1);
}

/* The same while segments are freed and values moved: what is there is right. */
static void
killed_while_freeing(void **state)
{
	struct crashes c = { .how = SIM_KILL, .stride = STRIDE, .loses = true, .share = 8 };

	run(&c, 18, STORE_SYNC_SEAL, 2);
}

/* I3, with sync = flush: a power cut does no more than that. */
static void
power_cut(void **state)
{
	struct crashes c = { .how = SIM_POWER_CUT, .stride = STRIDE };

	run(&c, 64, STORE_SYNC_FLUSH, 3);
}

static void
power_cut_while_freeing(void **state)
{
	struct crashes c = { .how = SIM_POWER_CUT, .stride = STRIDE, .loses = true, .share = 8 };

	run(&c, 18, STORE_SYNC_FLUSH, 4);
}

/* With sync = seal a power cut may take what the open segments have; but nothing is made up. */
static void
power_cut_unsynced(void **state)
{
	struct crashes c = { .how = SIM_POWER_CUT_4K, .stride = STRIDE * 3, .loses = true, .any_moment = true };

	run(&c, 18, STORE_SYNC_SEAL, 5);
}

/* With sync = always a power cut takes nothing that was answered: what is not answered yet is what came since. */
static void
power_cut_always(void **state)
{
	struct crashes c = { .how = SIM_POWER_CUT, .stride = STRIDE * 5, .always = true };

	run(&c, 64, STORE_SYNC_ALWAYS, 10);
}

static void
power_cut_always_while_freeing(void **state)
{
	struct crashes c = { .how = SIM_POWER_CUT, .stride = STRIDE * 5, .always = true, .loses = true, .share = 8 };

	run(&c, 18, STORE_SYNC_ALWAYS, 11);
}

static void
power_cut_always_with_pieces(void **state)
{
	struct crashes c = { .how = SIM_POWER_CUT, .stride = STRIDE * 11, .always = true, .large = true };

	run(&c, 200, STORE_SYNC_ALWAYS, 12);
}

/* The same with values in pieces: while one is being stored the older one is there, and what is there is whole. */
static void
killed_with_pieces(void **state)
{
	struct crashes c = { .how = SIM_KILL, .stride = STRIDE * 11, .large = true };

	run(&c, 200, STORE_SYNC_SEAL, 6);
}

static void
power_cut_with_pieces(void **state)
{
	struct crashes c = { .how = SIM_POWER_CUT, .stride = STRIDE * 11, .large = true };

	run(&c, 200, STORE_SYNC_FLUSH, 7);
}

static void
killed_while_freeing_pieces(void **state)
{
	struct crashes c = { .how = SIM_KILL, .stride = STRIDE * 11, .large = true, .loses = true, .share = 8 };

	run(&c, 20, STORE_SYNC_SEAL, 8);
}

static void
power_cut_while_freeing_pieces(void **state)
{
	struct crashes c = { .how = SIM_POWER_CUT, .stride = STRIDE * 11, .large = true, .loses = true, .share = 8 };

	run(&c, 20, STORE_SYNC_FLUSH, 9);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(killed_with_pieces),
		cmocka_unit_test(power_cut_with_pieces),
		cmocka_unit_test(killed_while_freeing_pieces),
		cmocka_unit_test(power_cut_while_freeing_pieces),
		cmocka_unit_test(killed),
		cmocka_unit_test(killed_while_freeing),
		cmocka_unit_test(power_cut),
		cmocka_unit_test(power_cut_while_freeing),
		cmocka_unit_test(power_cut_unsynced),
		cmocka_unit_test(power_cut_always),
		cmocka_unit_test(power_cut_always_while_freeing),
		cmocka_unit_test(power_cut_always_with_pieces),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
