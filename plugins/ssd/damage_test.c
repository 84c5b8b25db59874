/* What cannot be read when the index is rebuilt: what it may have hidden is not served, and the rest is. */
#include "damage_test.h"

#define KIB 1024

/* ---- bad blocks ---- */

static void
block_of_an_open_segment(void **state)
{
	struct world w;
	struct spot at;

	make(&w, false);
	at = spot_of(&w, OVERWRITTEN);
	world_crash(&w, SIM_KILL);
	bad(&w, &at, at.record, at.record + 1);
	opened(&w);
	is_damaged(&w, true);
	nothing_old(&w);
	goes_on(&w);
	world_audit(&w);
	world_fini(&w);
}

/* Behind the first one: what is before it may be old, too. */
static void
last_block_of_an_open_segment(void **state)
{
	struct world w;
	struct spot at;

	make(&w, false);
	set(&w, OVERWRITTEN, 3, 100);
	world_settle(&w, true);
	at = spot_of(&w, OVERWRITTEN);
	world_crash(&w, SIM_KILL);
	bad(&w, &at, at.record, at.record + 1);
	opened(&w);
	is_damaged(&w, true);
	has_not(&w, OVERWRITTEN);
	nothing_old(&w);
	world_fini(&w);
}

/* Not only what the disk says it cannot read, also what is not what was written. */
static void
bits_of_an_open_segment(void **state)
{
	static const unsigned bytes[] = { 1, 20, RECORD_HEAD + 2, 500 };

	for (unsigned i = 0; i < 2 * sizeof(bytes) / sizeof(bytes[0]); i++) {
		struct world w;
		struct spot at;

		make(&w, false);
		at = spot_of(&w, i % 2 == 0 ? OVERWRITTEN : LAST);
		world_crash(&w, SIM_KILL);
		assert_int_equal(sim_flip(w.io, at.path, (at.record + bytes[i / 2]) * 8), IO_OK);
		opened(&w);
		is_damaged(&w, true);
		nothing_old(&w);
		goes_on(&w);
		world_fini(&w);
	}
}

/* After a power cut that is no more than what was not synced, of which nothing was promised. */
static void
hole_after_a_power_cut(void **state)
{
	struct world w;
	struct spot at;

	make(&w, false);
	at = spot_of(&w, LAST);
	world_crash(&w, SIM_POWER_CUT);
	assert_int_equal(sim_flip(w.io, at.path, (at.record + 500) * 8), IO_OK);
	opened(&w);
	is_damaged(&w, false);
	has(&w, OLD, 1);
	has(&w, OVERWRITTEN, 2);
	world_fini(&w);
}

/* One block of a sealed segment: all that it says is there twice, but for a value, and that is a miss. */
static void
one_block_of_a_sealed_segment(void **state)
{
	for (unsigned which = 0; which < 4; which++) {
		struct world w;
		struct spot at;
		uint64_t where, n;

		make(&w, true);
		at = spot_of(&w, OVERWRITTEN);
		world_crash(&w, SIM_KILL);
		where = which == 0 ? at.segment : which == 1 ? at.record : which == 2 ? at.rows : at.trailer;
		bad(&w, &at, where, where + 1);
		opened(&w);
		is_damaged(&w, false);
		has(&w, OLD, 1);
		has(&w, LATER, 1);
		assert_int_equal(world_get(&w, LAST, &n, NULL), which != 1);
		assert_int_equal(world_get(&w, OVERWRITTEN, &n, NULL), which != 1);
		nothing_old(&w);
		goes_on(&w);
		world_fini(&w);
	}
}

/* Records and rows: then what is newer than all that was there stays, and nothing else. */
static void
much_of_a_sealed_segment(void **state)
{
	struct world w;
	struct spot at;

	make(&w, true);
	at = spot_of(&w, OVERWRITTEN);
	world_crash(&w, SIM_KILL);
	bad(&w, &at, at.record, at.trailer);
	opened(&w);
	is_damaged(&w, true);
	has(&w, LATER, 1);
	has_not(&w, OLD);
	nothing_old(&w);
	goes_on(&w);
	has(&w, LATER, 1);
	world_fini(&w);
}

/*
 * Also when the machine was started since, as all of a sealed segment was on the disk before its trailer.  If nothing was ever synced, what is not there
 * may never have come to the disk.
 */
static void
rest_of_a_sealed_segment_is_zeros(void **state)
{
	for (unsigned never = 0; never < 2; never++) {
		struct world w;
		struct spot at;
		uint64_t from;

		make(&w, true);
		at = spot_of(&w, OVERWRITTEN);
		from = at.record / FORMAT_BLOCK * FORMAT_BLOCK;
		world_crash(&w, SIM_POWER_CUT_ALL);
		assert_int_equal(sim_zero(w.io, at.path, from, at.trailer - from), IO_OK);
		w.options.sync = never ? STORE_SYNC_NONE : STORE_SYNC_SEAL;
		opened(&w);
		is_damaged(&w, !never);
		has(&w, LATER, 1);
		if (!never) {
			nothing_old(&w);
			goes_on(&w);
		}
		world_fini(&w);
	}
}

static void
all_of_a_sealed_segment(void **state)
{
	struct world w;
	struct spot at;

	make(&w, true);
	at = spot_of(&w, OVERWRITTEN);
	world_crash(&w, SIM_KILL);
	bad(&w, &at, at.segment, at.trailer + FORMAT_BLOCK);
	for (unsigned i = 0; i < 3; i++) {
		opened(&w);
		is_damaged(&w, i == 0); /* then it is written anew */
		nothing_old(&w);
		set(&w, 50, 5, 1000);
		has(&w, 50, 5);
		world_settle(&w, true);
		world_crash(&w, SIM_KILL);
	}
	world_fini(&w);
}

static void
begin_of_a_segment_is_zeros(void **state)
{
	for (unsigned sealed = 0; sealed < 2; sealed++) {
		struct world w;
		struct spot at;

		make(&w, sealed);
		at = spot_of(&w, OVERWRITTEN);
		world_crash(&w, SIM_KILL);
		assert_int_equal(sim_zero(w.io, at.path, at.segment, FORMAT_BLOCK), IO_OK);
		opened(&w);
		is_damaged(&w, false);
		has(&w, OLD, 1);
		has(&w, OVERWRITTEN, 2);
		nothing_old(&w);
		world_fini(&w);

		make(&w, sealed);
		at = spot_of(&w, OVERWRITTEN);
		world_crash(&w, SIM_KILL);
		assert_int_equal(sim_zero(w.io, at.path, at.segment, 2 * FORMAT_BLOCK), IO_OK);
		opened(&w);
		is_damaged(&w, !sealed); /* its rows say what there was */
		nothing_old(&w);
		world_fini(&w);
	}
}

/* A file that is gone, or shorter: all that was in it is hidden. */
static void
file_is_cut(void **state)
{
	for (unsigned cut = 0; cut < 2; cut++) {
		struct world w;
		struct spot at;

		make(&w, true);
		at = spot_of(&w, OVERWRITTEN);
		world_crash(&w, SIM_KILL);
		if (cut)
			assert_int_equal(sim_truncate(w.io, at.path, at.segment), IO_OK);
		else
			assert_int_equal(io_unlink(w.io, at.path), IO_OK);
		opened(&w);
		assert_true(w.opened.damaged);
		assert_int_equal(w.opened.objects, 0);
		nothing_old(&w);
		goes_on(&w);
		world_fini(&w);
	}
}

/* Also when its end was a proper one: what the index that was kept leads to may be what the file had hidden, once it is rebuilt. */
static void
file_of_a_clean_store_is_cut(void **state)
{
	for (unsigned cut = 0; cut < 2; cut++) {
		struct world w;
		struct spot old, at;

		world_init(&w, 32);
		opened(&w);
		for (unsigned key = OLD; key <= SHORT; key++)
			set(&w, key, 1, 1000);
		seal(&w);
		old = spot_of(&w, OLD);
		/* Until the later ones lie in another file. */
		for (unsigned n = 0; n == 0 || strcmp(at.path, old.path) == 0; n++) {
			assert_true(n < 1000);
			set(&w, 100, n, 20 * KIB);
			world_settle(&w, true);
			at = spot_of(&w, 100);
		}
		seal(&w);
		set(&w, OVERWRITTEN, 2, 1000);
		assert_true(world_delete(&w, DELETED));
		at = spot_of(&w, OVERWRITTEN);
		assert_string_not_equal(at.path, old.path);
		assert_true(world_close(&w));
		if (cut)
			assert_int_equal(sim_truncate(w.io, at.path, at.segment), IO_OK);
		else
			assert_int_equal(io_unlink(w.io, at.path), IO_OK);
		opened(&w);
		assert_int_equal(w.opened.how, STORE_REBUILT);
		assert_true(w.opened.damaged);
		assert_non_null(strstr(w.opened.sentence, strrchr(at.path, '/') + 1));
		world_crash(&w, SIM_KILL);
		opened(&w);
		has_not(&w, OVERWRITTEN);
		has_not(&w, DELETED);
		set(&w, OLD, 3, 1000);
		has(&w, OLD, 3);
		world_fini(&w);
	}
}

/* Also when the start that finds it so does not come to its end. */
static void
file_is_cut_and_the_start_ends_early(void **state)
{
	bool ended = false;

	for (uint64_t n = 1; !ended; n++) {
		struct world w;
		struct spot old, at;

		assert_true(n < 1000);
		make(&w, false);
		old = spot_of(&w, OLD);
		at = spot_of(&w, OVERWRITTEN);
		assert_string_equal(old.path, at.path);
		assert_true(old.segment < at.segment);
		world_crash(&w, SIM_KILL);
		assert_int_equal(sim_truncate(w.io, at.path, at.segment), IO_OK);
		sim_stop_at(w.io, sim_operations(w.io) + n);
		ended = world_open(&w);
		world_crash(&w, n % 2 == 0 ? SIM_KILL : SIM_POWER_CUT);
		opened(&w);
		nothing_old(&w);
		world_fini(&w);
	}
}

/* What was found in open segments is served from then on, so a start that cannot make it durable is none. */
static void
sync_of_what_was_found_fails(void **state)
{
	struct world w;

	make(&w, false);
	world_crash(&w, SIM_KILL);
	assert_int_equal(sim_fault_next(w.io, IO_SYNC, 1, SIM_EIO, 0), IO_OK);
	assert_false(world_open(&w));
	assert_non_null(strstr(w.opened.sentence, "cannot sync"));
	opened(&w);
	has(&w, OVERWRITTEN, 2);
	world_fini(&w);
}

/* ---- what somebody made ---- */

static void
rewrite_head(struct world *w, const struct spot *at, uint32_t number, uint64_t seq, uint8_t of_another)
{
	char *block = aligned_alloc(IO_ALIGN, FORMAT_BLOCK);
	struct segment_head head;
	struct io_file *f;

	assert_non_null(block);
	assert_int_equal(io_open(w->io, at->path, 0, NULL, &f), IO_OK);
	assert_int_equal(io_read(f, block, FORMAT_BLOCK, at->segment, NULL), IO_OK);
	assert_true(format_segment_head_any(block, &head));
	head.seq = seq;
	head.uuid[0] ^= of_another;
	assert_int_equal(head.number, number);
	format_segment_head(block, &head);
	assert_int_equal(io_write(f, block, FORMAT_BLOCK, at->segment, NULL), IO_OK);
	io_close(&f);
	free(block);
}

static uint32_t
number_of(const struct world *w, const struct spot *at)
{
	return (uint32_t)(at->segment / w->store->g.segment) + w->store->g.per_bank * (uint32_t)(at->path[13] - '0');
}

/* A head of before, of this store or another, as when the write of the later one was lost without a word: the trailer knows better. */
static void
head_of_before(void **state)
{
	for (unsigned i = 0; i < 4; i++) {
		struct world w;
		struct entry e = { 0 };
		struct spot at;
		uint64_t seq;
		uint32_t number;

		make(&w, true);
		at = spot_of(&w, OVERWRITTEN);
		number = number_of(&w, &at);
		assert_true(index_find(w.store->index, store_khash(w.store, "key-2", 5), &e));
		assert_int_equal(e.place.seg, number);
		seq = w.store->segments[number].seq;
		assert_true(seq - 1 >= w.store->super.min_seq);
		world_crash(&w, i == 3 ? SIM_POWER_CUT : SIM_KILL);
		rewrite_head(&w, &at, number, i == 0 ? 1 : seq - 1, i == 2);
		opened(&w);
		is_damaged(&w, false);
		has(&w, OLD, 1);
		has(&w, OVERWRITTEN, 2);
		has(&w, LATER, 1);
		nothing_old(&w);
		goes_on(&w);
		world_fini(&w);
	}
}

/* A seq that none can have: it is not believed, and seqs go on from where they were. */
static void
seq_beyond_the_limit(void **state)
{
	static const uint64_t seqs[] = { UINT64_MAX, UINT64_MAX - 1, FORMAT_SEQ_MAX };

	for (unsigned i = 0; i < sizeof(seqs) / sizeof(seqs[0]); i++) {
		struct world w;
		struct spot at;
		uint64_t limit;
		uint32_t number;

		make(&w, true);
		at = spot_of(&w, OVERWRITTEN);
		number = number_of(&w, &at);
		limit = w.store->seq_limit;
		world_crash(&w, SIM_KILL);
		rewrite_head(&w, &at, number, seqs[i], 0);
		opened(&w);
		assert_in_range(w.store->next_seq, limit, limit + 100);
		nothing_old(&w);
		goes_on(&w);
		world_fini(&w);
	}
}

/* Rows that begin in the block where records end, and numbers that none can have. */
static void
numbers_that_cannot_be(void **state)
{
	struct geometry g = {
		.chunk = 64, .segment = 128 << 10, .per_bank = 8, .segments = 24, .banks = 3, .bank = 1 << 20
	};
	struct segment_trailer t = { .magic = TRAILER_MAGIC, .seq = 1, .number = 1 }, is;
	struct super s = { .magic = SUPER_MAGIC,
		.format = FORMAT_VERSION,
		.state = SUPER_DIRTY,
		.bank = 1 << 20,
		.banks = 1,
		.segment = 128 << 10,
		.chunk = 64,
		.buckets = 100 };
	struct row row = { .type = RECORD_VALUE, .version = { 1 }, .start = { 64 } };
	uint8_t uuid[FORMAT_UUID] = { 0 }, *block = malloc(FORMAT_BLOCK);

	assert_non_null(block);
	t.rows = 1;
	t.used = ((128 << 10) - 2 * FORMAT_BLOCK) / 64;
	format_trailer(block, &t);
	assert_true(format_trailer_read(block, &g, uuid, 1, &is));
	t.used++;
	format_trailer(block, &t);
	assert_false(format_trailer_read(block, &g, uuid, 1, &is));

	assert_true(format_row_ok(&row, &g, 65));
	assert_false(format_row_ok(&row, &g, 64));
	row.size = SIZE_CLASSES - 1;
	assert_false(format_row_ok(&row, &g, 65));

	assert_true(format_super_sound(&s, &g));
	s.seq_limit = UINT64_MAX;
	assert_false(format_super_sound(&s, &g));
	s.seq_limit = 0;
	s.discard_below = UINT64_MAX;
	assert_false(format_super_sound(&s, &g));
	s.discard_below = 0;
	s.buckets = UINT64_MAX;
	assert_false(format_super_sound(&s, &g));
	free(block);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(block_of_an_open_segment),
		cmocka_unit_test(last_block_of_an_open_segment),
		cmocka_unit_test(bits_of_an_open_segment),
		cmocka_unit_test(hole_after_a_power_cut),
		cmocka_unit_test(one_block_of_a_sealed_segment),
		cmocka_unit_test(much_of_a_sealed_segment),
		cmocka_unit_test(rest_of_a_sealed_segment_is_zeros),
		cmocka_unit_test(all_of_a_sealed_segment),
		cmocka_unit_test(begin_of_a_segment_is_zeros),
		cmocka_unit_test(file_is_cut),
		cmocka_unit_test(file_of_a_clean_store_is_cut),
		cmocka_unit_test(file_is_cut_and_the_start_ends_early),
		cmocka_unit_test(sync_of_what_was_found_fails),
		cmocka_unit_test(head_of_before),
		cmocka_unit_test(seq_beyond_the_limit),
		cmocka_unit_test(numbers_that_cannot_be),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
