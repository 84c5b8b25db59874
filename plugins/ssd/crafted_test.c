/*
 * Files that somebody made: every sum is right, and a number is not.  No crash, no loop, no value under another's key; and the store goes on.
 *
 *	a store, used ──► copies of its disk ──► one struct of it with another number, summed again ──► fsck, open, each key, laps, end
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

#define KEYS	40
#define BANK	(1U << 20)
#define BANKS	2
#define SEGMENT (128U << 10)

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
#define COPIES 60
#else
#define COPIES 300
#endif

struct craft {
	struct io *io;
	struct sim_random random;
	char *segment; /* memory for one */
};

static uint64_t
pick(struct craft *c, uint64_t of)
{
	return sim_random(&c->random) % of;
}

static void
transfer(struct craft *c, const char *path, uint64_t at, void *p, size_t len, bool write)
{
	struct io_file *f;

	assert_int_equal(io_open(c->io, path, 0, NULL, &f), IO_OK);
	assert_int_equal(write ? io_write(f, p, len, at, NULL) : io_read(f, p, len, at, NULL), IO_OK);
	io_close(&f);
}

/* A number of two to eight bytes somewhere in [p, p + len), where numbers are. */
static void
change(struct craft *c, void *p, size_t len)
{
	static const uint64_t numbers[] = { 0, 1, 2, 63, 64, 4095, 4096, 1 << 16, 1 << 17, (1 << 20) - 1, 1 << 20,
		INT32_MAX, UINT32_MAX, 1ULL << 47, (1ULL << 48) - 2, (1ULL << 48) - 1, 1ULL << 59, 1ULL << 60,
		INT64_MAX, UINT64_MAX };
	size_t bytes = (size_t)2 << pick(c, 3), at = pick(c, len / bytes) * bytes;
	uint64_t is = 0, n = numbers[pick(c, sizeof(numbers) / sizeof(numbers[0]))];

	memcpy(&is, (char *)p + at, bytes);
	if (pick(c, 3) == 0)
		n = pick(c, 2) == 0 ? is + 1 + pick(c, 100) : is - 1 - pick(c, 100);
	memcpy((char *)p + at, &n, bytes);
}

/* ---- each struct ---- */

static const char *const supers[] = { "store/super.a", "store/super.b" };

static void
put_super(struct craft *c, unsigned which, const struct super *s)
{
	format_super(c->segment, s);
	transfer(c, supers[which], 0, c->segment, FORMAT_BLOCK, true);
}

static void
get_super(struct craft *c, unsigned which, struct super *s)
{
	transfer(c, supers[which], 0, c->segment, FORMAT_BLOCK, false);
	memcpy(s, c->segment, sizeof(*s));
}

/* Both, or the newer one. */
static void
craft_super(struct craft *c)
{
	struct super s;
	bool both = pick(c, 2) == 0;

	get_super(c, 0, &s);
	change(
	    c, (char *)&s + offsetof(struct super, state), offsetof(struct super, sum) - offsetof(struct super, state));
	for (unsigned i = 0; i < 2; i++) {
		struct super is;

		get_super(c, i, &is);
		s.generation = is.generation;
		if (both || is.generation % 2 == 0)
			put_super(c, i, &s);
	}
}

/* With right sums for the index that is kept, and for both supers that name it. */
static void
craft_snap(struct craft *c)
{
	struct super s;
	uint64_t sum = 0;
	char *piece;

	get_super(c, 0, &s);
	if (s.state != SUPER_CLEAN)
		return;
	assert_true(s.snap_bytes <= 1 << 20);
	piece = aligned_alloc(IO_ALIGN, s.snap_bytes);
	assert_non_null(piece);
	transfer(c, "store/index.snap", 0, piece, s.snap_bytes, false);
	for (unsigned n = 1 + (unsigned)pick(c, 40); n > 0; n--)
		change(
		    c, piece + pick(c, 2) * FORMAT_BLOCK, pick(c, 2) == 0 ? FORMAT_BLOCK : s.snap_bytes - FORMAT_BLOCK);
	sum = format_sum_on(piece, s.snap_bytes, 0);
	transfer(c, "store/index.snap", 0, piece, s.snap_bytes, true);
	free(piece);
	for (unsigned i = 0; i < 2; i++) {
		get_super(c, i, &s);
		s.snap_sum = sum;
		put_super(c, i, &s);
	}
}

static void
craft_segment(struct craft *c)
{
	static const char *const banks[BANKS] = { "store/data.000", "store/data.001" };
	const char *path = banks[pick(c, BANKS)];
	uint64_t at = pick(c, BANK / SEGMENT) * SEGMENT;
	char *end = c->segment + SEGMENT - FORMAT_BLOCK;
	struct segment_head head;
	struct segment_trailer t;
	struct row *row;

	transfer(c, path, at, c->segment, SEGMENT, false);
	memcpy(&head, c->segment, sizeof(head));
	memcpy(&t, end, sizeof(t));
	switch (pick(c, 4)) {
	case 0:
		change(c, &head, offsetof(struct segment_head, sum));
		format_segment_head(c->segment, &head);
		break;
	case 1:
		change(c, &t, offsetof(struct segment_trailer, sum));
		if (pick(c, 2) == 0 && t.rows < 5000)
			t.rows_sum = format_sum(end - t.rows * sizeof(*row), t.rows * sizeof(*row));
		format_trailer(end, &t);
		break;
	case 2:
		if (t.rows == 0 || t.rows > 5000)
			return;
		for (unsigned n = 1 + (unsigned)pick(c, 20); n > 0; n--)
			change(c, end - t.rows * sizeof(*row), t.rows * sizeof(*row));
		t.rows_sum = format_sum(end - t.rows * sizeof(*row), t.rows * sizeof(*row));
		format_trailer(end, &t);
		break;
	default:
		if (t.rows == 0 || t.rows > 5000)
			return;
		row = (struct row *)(void *)end - (1 + pick(c, t.rows));
		if ((uint64_t)row_start(row) * 64 + RECORD_HEAD <= SEGMENT) {
			struct record_head h;
			char *p = c->segment + (size_t)row_start(row) * 64;

			memcpy(&h, p, sizeof(h));
			change(c, (char *)&h + 4, sizeof(h) - 4);
			format_record(&h);
			memcpy(p, &h, sizeof(h));
		}
		/* So that records have to do. */
		if (pick(c, 2) == 0)
			memset(end, 0, FORMAT_BLOCK);
	}
	transfer(c, path, at, c->segment, SEGMENT, true);
}

/* ---- and then ---- */

static void
hear(void *arg, bool wrong, const char *sentence)
{
}

static unsigned
all_keys(struct world *w)
{
	unsigned hits = 0;

	for (unsigned key = 0; key < KEYS; key++) {
		struct fetch f;
		uint64_t n = 0;

		hits += world_fetch(w, key, true, &n, &f) == FETCH_HIT;
		if (key % 8 == 0)
			world_touch(w, key, (uint32_t)w->wall + 100);
	}
	return hits;
}

/* Several times around, so that all that was there is freed, and some of it moved. */
static void
laps(struct world *w)
{
	for (unsigned i = 0; i < 30 * BANKS; i++) {
		world_set(w, i % KEYS, 100 + i, 20000, i % 3 == 0 ? (uint32_t)w->wall + 1 : 0);
		if (i % 5 == 0)
			world_delete(w, (i + 7) % KEYS);
		w->wall += i % 7 == 0;
		store_step(w->store, i % 2 == 0, w->wall);
	}
	world_settle(w, true);
}

static unsigned
try_copy(const struct world *of, unsigned seed, unsigned *hits)
{
	struct world w = *of;
	struct craft c = {
		.io = sim_after(of->io, SIM_KILL, seed), .random = { seed }, .segment = aligned_alloc(IO_ALIGN, SEGMENT)
	};
	struct fsck_found found;
	unsigned opened = 0;

	assert_non_null(c.io);
	assert_non_null(c.segment);
	for (unsigned n = 1 + (unsigned)pick(&c, 2); n > 0; n--)
		switch (pick(&c, 5)) {
		case 0:
			craft_super(&c);
			break;
		case 1:
			craft_snap(&c);
			break;
		default:
			craft_segment(&c);
		}
	free(c.segment);
	w.io = c.io;
	w.store = NULL;
	w.queue = NULL;
	fsck(w.io, "store", hear, NULL, &found);
	for (unsigned n = 0; n < 2; n++) {
		if (!world_open(&w)) {
			assert_true(w.opened.sentence[0] != '\0');
			break;
		}
		opened = 1;
		*hits += all_keys(&w);
		laps(&w);
		all_keys(&w);
		if (n == 0)
			world_close(&w);
	}
	world_crash(&w, SIM_KILL);
	io_free(&w.io);
	return opened;
}

static void
crafted(bool clean)
{
	unsigned opened = 0, hits = 0;
	struct world w;

	world_init(&w, BANKS * (BANK / SEGMENT));
	w.options.bank = BANK;
	w.options.objects = 200;
	assert_true(world_open(&w));
	for (unsigned i = 0; i < 300; i++) {
		world_set(&w, i % KEYS, i + 1, 32 + i * 37 % 4000, i % 4 == 0 ? WORLD_WALL + 1000 : 0);
		if (i % 9 == 0)
			world_delete(&w, i % KEYS);
		if (i % 7 == 0)
			world_touch(&w, (i + 3) % KEYS, WORLD_WALL + 2000);
		if (i % 20 == 0)
			world_settle(&w, true);
	}
	world_settle(&w, true);
	if (clean)
		assert_true(world_close(&w));
	world_crash(&w, SIM_KILL);
	for (unsigned i = 0; i < COPIES * (getenv("REND_TEST_LONG") != NULL ? 20 : 1); i++)
		opened += try_copy(&w, i + 1, &hits);
	print_message("%u copies opened, %u values found\n", opened, hits);
	assert_true(opened > COPIES / 2);
	assert_true(hits > COPIES);
	world_fini(&w);
}

static void
ended_then_crafted(void **state)
{
	crafted(true);
}

static void
killed_then_crafted(void **state)
{
	crafted(false);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ended_then_crafted),
		cmocka_unit_test(killed_then_crafted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
