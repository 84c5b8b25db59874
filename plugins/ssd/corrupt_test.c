/*
 * I9: files that somebody, or a bad disk, changed between two runs.  No crash, and no value but the one that its key had last: what is not there any more is
 * a miss.  And rend-fsck: where it finds nothing wrong, nothing is missing.
 *
 *	a store, used ──► ended, or killed ──► copies of its disk, one thing wrong with each ──► fsck, open, each key, used on
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fsck.h"
#include "sim_disk.h"
#include "state.h"
#include "world.h"

#define KEYS	60
#define COPIES	40
#define BANKS	3
#define SEGMENT (128U << 10)

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
#define ROUNDS 6
#else
#define ROUNDS 24
#endif

struct life {
	uint64_t n; /* 0: nothing */
	uint32_t exptime;
};

/* Bytes of a bank. */
struct range {
	uint32_t bank;
	uint64_t from, to;
};

struct lives {
	struct world w;
	struct life is[KEYS];
	struct sim_random random;
	uint64_t next;
	/*
	 * The last record of each segment that was open when the process was killed.  If it is turned into what was there before (zeros), nobody can
	 * tell that it was written.
	 */
	struct range last[STREAMS];
	unsigned lasts;
	unsigned hits, misses, wrong, refused, unseen;
};

static uint64_t
pick(struct lives *l, uint64_t of)
{
	return sim_random(&l->random) % of;
}

static unsigned
rounds(void)
{
	return getenv("REND_TEST_LONG") != NULL ? 20 * ROUNDS : ROUNDS;
}

/* ---- using it ---- */

static void
use(struct lives *l)
{
	struct world *w = &l->w;
	unsigned key = (unsigned)pick(l, KEYS);
	struct life *is = &l->is[key];
	uint32_t exptime = pick(l, 4) == 0 ? (uint32_t)(w->wall + 20 + (int64_t)pick(l, 5000)) : 0;

	switch (pick(l, 8)) {
	case 0:
		world_delete(w, key);
		*is = (struct life){ 0 };
		break;
	case 1:
		if (world_touch(w, key, exptime))
			is->exptime = exptime;
		break;
	case 2:
		if (pick(l, 40) != 0)
			break;
		store_flush_all(w->store);
		memset(l->is, 0, sizeof(l->is));
		break;
	case 3:
		w->wall += (int64_t)pick(l, 3);
		break;
	default:
		*is = (struct life){ l->next++, exptime };
		if (world_set(w, key, is->n, 32 + pick(l, pick(l, 10) == 0 ? 30000 : 3000), exptime) != STORED)
			*is = (struct life){ 0 };
	}
	if (pick(l, 10) == 0)
		store_step(w->store, pick(l, 2) == 0, w->wall);
}

static void
note_last(struct lives *l)
{
	const struct store *s = l->w.store;

	l->lasts = 0;
	for (unsigned i = 0; i < STREAMS; i++) {
		const struct image *im = s->open[i];
		uint64_t at;
		struct row row;

		if (im == NULL || im->rows == 0)
			continue;
		memcpy(&row, im->data + s->g.segment - FORMAT_BLOCK - im->rows * sizeof(row), sizeof(row));
		at = geometry_offset(&s->g, im->segment);
		l->last[l->lasts++] = (struct range){ geometry_bank(&s->g, im->segment),
			at + (uint64_t)row_start(&row) * s->g.chunk, at + (uint64_t)im->used * s->g.chunk };
	}
}

/* ---- one thing wrong ---- */

static bool
is_last(const struct lives *l, const struct range *r)
{
	for (unsigned i = 0; i < l->lasts; i++) {
		const struct range *last = &l->last[i];

		if (last->bank == r->bank && r->from < last->to && r->to > last->from / FORMAT_BLOCK * FORMAT_BLOCK)
			return true;
	}
	return false;
}

static const char *const banks[BANKS] = { "store/data.000", "store/data.001", "store/data.002" };
static const char *const others[] = { "store/super.a", "store/super.b", "store/index.snap" };

/* Where it hurts: at a segment's begin or end, or anywhere. */
static uint64_t
byte_of_bank(struct lives *l, uint64_t bytes)
{
	uint64_t segment = pick(l, bytes / SEGMENT) * SEGMENT;

	switch (pick(l, 4)) {
	case 0:
		return segment + pick(l, 3 * FORMAT_BLOCK);
	case 1:
		return segment + SEGMENT - 1 - pick(l, 3 * FORMAT_BLOCK);
	default:
		return segment + pick(l, SEGMENT);
	}
}

static void
damage_bank(struct lives *l, struct io *io, uint64_t bytes)
{
	struct range r = { .bank = (uint32_t)pick(l, BANKS) };
	uint64_t bit = pick(l, 8), kind = pick(l, 16);

	do {
		r.from = byte_of_bank(l, bytes);
		r.to = r.from + 1;
		if (kind < 8)
			continue;
		r.from = r.from / FORMAT_BLOCK * FORMAT_BLOCK;
		r.to = r.from + FORMAT_BLOCK * (1 + bit % 2);
		if (r.to > bytes)
			r.to = bytes;
	} while (kind < 12 && is_last(l, &r));
	if (kind < 8)
		assert_int_equal(sim_flip(io, banks[r.bank], r.from * 8 + bit), IO_OK);
	else if (kind < 12)
		assert_int_equal(sim_zero(io, banks[r.bank], r.from, r.to - r.from), IO_OK);
	else if (kind < 14)
		assert_int_equal(sim_bad(io, banks[r.bank], r.from, r.to - r.from), IO_OK);
	else if (kind < 15)
		assert_int_equal(sim_truncate(io, banks[r.bank], r.from), IO_OK);
	else
		assert_int_equal(io_unlink(io, banks[r.bank]), IO_OK);
}

/* index.snap need not be there. */
static void
damage_other(struct lives *l, struct io *io)
{
	const char *path = others[pick(l, 3)];
	uint64_t at = pick(l, pick(l, 2) == 0 ? 200 : 4096);

	switch (pick(l, 4)) {
	case 0:
		sim_zero(io, path, 0, FORMAT_BLOCK);
		break;
	case 1:
		sim_truncate(io, path, at);
		break;
	case 2:
		sim_bad(io, path, 0, FORMAT_BLOCK);
		break;
	default:
		sim_flip(io, path, at * 8 + pick(l, 8));
	}
}

/* ---- and then ---- */

static void
hear(void *arg, bool wrong, const char *sentence)
{
}

/* Does fsck find something wrong? */
static bool
is_wrong(struct io *io)
{
	struct fsck_found found;

	return fsck(io, "store", hear, NULL, &found) != FSCK_LOOKED || found.wrong > 0;
}

static void
look(struct lives *l, struct world *w, bool wrong)
{
	for (unsigned key = 0; key < KEYS; key++) {
		const struct life *is = &l->is[key];
		bool there = is->n != 0 && !exptime_passed(is->exptime, w->wall);
		struct fetch f;
		uint64_t n = 0;

		if (world_fetch(w, key, true, &n, &f) == FETCH_HIT) {
			if (!there || n != is->n || f.entry.exptime != is->exptime)
				fail_msg("key %u has write %llu until %u; the last was %llu until %u; %s", key,
				    (unsigned long long)n, f.entry.exptime, (unsigned long long)is->n, is->exptime,
				    w->opened.sentence);
			l->hits++;
		} else if (there) {
			if (!wrong)
				fail_msg("key %u is lost, and fsck found nothing wrong", key);
			l->misses++;
		}
	}
}

/* It goes on: what is stored from now on is there, after a crash too. */
static void
use_on(struct lives *l, struct world *w)
{
	for (unsigned key = 0; key < KEYS; key++) {
		assert_int_equal(world_set(w, key, l->next + key, 900, 0), STORED);
		if (key % 20 == 0)
			world_settle(w, true);
	}
	world_settle(w, true);
	if (!world_close(w))
		fail_msg("could not be left");
	assert_true(world_open(w));
	for (unsigned key = 0; key < KEYS; key++) {
		uint64_t n = 0;

		if (world_get(w, key, &n, NULL))
			assert_int_equal(n, l->next + key);
	}
}

static void
try_copy(struct lives *l, unsigned seed)
{
	struct world w = l->w;
	bool wrong;

	w.io = sim_after(l->w.io, SIM_KILL, seed);
	w.store = NULL;
	w.queue = NULL;
	assert_non_null(w.io);
	if (pick(l, 5) == 0)
		damage_other(l, w.io);
	else
		damage_bank(l, w.io, w.options.bank);
	wrong = is_wrong(w.io);
	l->wrong += wrong;
	l->unseen += !wrong;
	if (world_open(&w)) {
		look(l, &w, wrong);
		use_on(l, &w);
	} else {
		assert_true(wrong);
		assert_true(w.opened.sentence[0] != '\0');
		l->refused++;
	}
	world_crash(&w, SIM_KILL);
	io_free(&w.io);
}

static void
changed(bool clean)
{
	struct lives l = { .next = 1 };
	unsigned n = rounds();

	for (unsigned round = 0; round < n; round++) {
		struct world *w = &l.w;

		l.random.state = round + (clean ? 1000 : 2000);
		memset(l.is, 0, sizeof(l.is));
		l.lasts = 0;
		world_init(w, BANKS * 8);
		w->options.objects = 400;
		assert_true(world_open(w));
		for (unsigned i = 0; i < 500 + round * 50; i++)
			use(&l);
		world_settle(w, true);
		if (clean)
			assert_true(world_close(w));
		else
			note_last(&l);
		world_crash(w, SIM_KILL);
		if (is_wrong(w->io))
			fail_msg("round %u: something is wrong before anything was changed", round);
		for (unsigned i = 0; i < COPIES; i++)
			try_copy(&l, i);
		world_fini(w);
	}
	print_message("%u values found, %u missed; of %u copies fsck found %u wrong, %u would not open\n", l.hits,
	    l.misses, n * COPIES, l.wrong, l.refused);
	assert_true(l.hits > 10 * n * COPIES);
	assert_true(l.misses > 0);
	assert_true(l.wrong > n * COPIES / 4);
}

static void
ended_then_changed(void **state)
{
	changed(true);
}

static void
killed_then_changed(void **state)
{
	changed(false);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ended_then_changed),
		cmocka_unit_test(killed_then_changed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
