/* A store goes on in another process: everything is there, nothing else is, and what was damaged on the way is not believed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "audit_test.h"
#include "base/clock.h"
#include "base/hash.h"
#include "parcel_test.h"
#include "pin.h"
#include "shelves_test.h"
#include "succession.h"

#define KEYS 600

/* ---- a system without such files ---- */

static bool no_files;

int __real_memfd_create(const char *name, unsigned flags);
int __wrap_memfd_create(const char *name, unsigned flags);

int
__wrap_memfd_create(const char *name, unsigned flags)
{
	return no_files ? -1 : __real_memfd_create(name, flags);
}

/* ---- a script, and what must be there ---- */

struct should {
	bool is;
	size_t len;
	int64_t exptime;
	uint64_t version;
};

static struct should model[KEYS];

static size_t
some_len(void)
{
	return roll(8) == 0 ? 3000 + roll(60000) : roll(400);
}

static void
note(int key, size_t len, int64_t exptime)
{
	const struct record *r = find(key);

	assert_non_null(r);
	model[key] = (struct should){ .is = true, .len = len, .exptime = exptime, .version = r->version };
}

static void
one_step(void)
{
	struct shelf *sh = shelves[roll(2)];
	int key = (int)roll(KEYS);
	size_t len = some_len();
	int64_t exptime = roll(3) == 0 ? rend_wall() + 1 + roll(4000) : 0;

	switch (roll(12)) {
	case 0:
		drop(sh, key);
		model[key].is = false;
		break;
	case 1:
		exptime = rend_wall() + 100;
		if (find(key) != NULL) {
			touch(sh, key, exptime);
			model[key].exptime = exptime;
		}
		break;
	case 2:
		if (roll(150) == 0) {
			store_flush(sh);
			memset(model, 0, sizeof model);
		}
		break;
	case 3:
		clock_fake(rend_now() + 1000000000, rend_wall() + 1);
		store_tick(sh);
		break;
	default:
		if (put_until(sh, key, len, exptime))
			note(key, len, exptime);
	}
	leave(sh);
}

/* Everything that is there is what it should be.  Nothing was evicted: there is room for all. */
static void
is_as_it_should(void)
{
	for (int key = 0; key < KEYS; key++) {
		const struct should *should = &model[key];
		struct record *r = find(key);
		bool expired = should->exptime != 0 && should->exptime <= rend_wall();

		assert_int_equal(r != NULL, should->is && !expired);
		if (r == NULL)
			continue;
		assert_true(is_whole(r, key, should->len));
		assert_int_equal(r->version, should->version);
		assert_int_equal(record_exptime(r), should->exptime);
	}
	leave(shelves[0]);
}

static uint64_t
blocks(void)
{
	struct stat st;

	assert_int_equal(fstat(store->arena.pages->map.fd, &st), 0);
	return (uint64_t)st.st_blocks * 512;
}

static void
begin(uint64_t limit)
{
	memset(model, 0, sizeof model);
	shelves_make(limit, true);
}

static void
i11_nothing_is_lost_at_any_point(void **state)
{
	begin(32 * MIB);
	for (int i = 0; i < 300; i++) {
		for (unsigned steps = roll(60); steps > 0; steps--)
			one_step();
		hand_over();
		if (i % 10 == 0)
			is_as_it_should();
	}
	is_as_it_should();
	settle();
	assert_true(audit(store) >= 0);
	assert_true(budget_used(store->arena.budget) <= store->arena.limit);
	shelves_end();
}

/* Each is a process of its own, and goes on where the one before ended. */
static int
one_process(int further)
{
	struct rend_parcel parcel;
	int status;
	pid_t pid;

	is_as_it_should();
	for (int i = 0; i < 200; i++)
		one_step();
	if (further == 0)
		return 0;
	parcel = give_parcel();
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		struct store *next = try_to_take(&parcel, store->arena.limit);

		if (next == NULL)
			_exit(1);
		/* Else it would be heard to be alive by itself. */
		close(store->arena.pages->pins.alive);
		store = next;
		store_served(store);
		for (unsigned w = 0; w < 2; w++)
			shelves[w] = shelf_new(store, w);
		_exit(one_process(further - 1));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

static void
i11_between_processes(void **state)
{
	begin(32 * MIB);
	assert_int_equal(one_process(5), 0);
	shelves_end();
}

static void
i1_memory_stays_within_the_limit(void **state)
{
	begin(4 * MIB);
	for (int i = 0; i < 200; i++) {
		for (int n = 0; n < 200; n++)
			put(shelves[n % 2], (int)roll(20000), roll(20) == 0 ? 10000 + roll(100000) : roll(2000));
		hand_over();
		assert_true(budget_used(store->arena.budget) <= 4 * MIB);
		assert_true(blocks() <= 4 * MIB);
	}
	settle();
	assert_true(audit(store) >= 0);
	shelves_end();
}

static void
memory_goes_back_to_the_system(void **state)
{
	uint64_t full;

	begin(16 * MIB);
	for (int key = 0; key < 4000; key++)
		put(shelves[0], key, key % 4 == 0 ? 10000 : 1000);
	full = blocks();
	assert_true(full > 12 * MIB);
	store_flush(shelves[0]);
	settle();
	for (int i = 0; i < 200 && blocks() > full / 4; i++) {
		clock_fake(rend_now() + 1000000000, rend_wall() + 1);
		store_tick(shelves[0]);
	}
	assert_true(blocks() <= full / 4);
	shelves_end();
}

/* ---- refused ---- */

static void
is_refused(const struct rend_parcel *parcel, uint64_t limit, const char *why)
{
	err.text[0] = '\0';
	assert_null(try_to_take(parcel, limit));
	if (strstr(err.text, why) == NULL)
		fail_msg("\"%s\" instead of \"%s\"", err.text, why);
}

/* Made anew when the table is sorted: so it does not matter what it was. */
static bool
is_made_anew(size_t at)
{
	static const struct {
		size_t from, len;
	} fields[] = {
		{ offsetof(struct segment, next), 4 },
		{ offsetof(struct segment, prev), 4 },
		{ offsetof(struct segment, epoch), 8 },
		{ offsetof(struct segment, rank), 1 },
		{ offsetof(struct segment, expired), 4 },
		{ offsetof(struct segment, taken), 4 },
	};

	for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
		if (at % sizeof(struct segment) - fields[i].from < fields[i].len)
			return true;
	return false;
}

static void
flip_is_refused(const struct rend_parcel *parcel, size_t at)
{
	store->arena.base[at] ^= (char)(1U << roll(8));
	is_refused(parcel, store->arena.limit, "");
}

static void
i11_a_flipped_byte_in_header_or_table_is_refused(void **state)
{
	struct rend_parcel parcel, other;
	struct store *next;

	begin(2 * MIB);
	for (int i = 0; i < 2000; i++)
		put(shelves[0], i, some_len());
	parcel = give_parcel();
	for (size_t at = 0; at < sizeof(struct header); at++) {
		char was = store->arena.base[at];

		flip_is_refused(&parcel, at);
		store->arena.base[at] = was;
	}
	for (size_t at = 0; at < store->arena.segments * sizeof(struct segment); at += 1 + roll(9)) {
		char *byte = &store->arena.base[store->arena.table_at + at], was = *byte;

		if (is_made_anew(at))
			continue;
		flip_is_refused(&parcel, store->arena.table_at + at);
		*byte = was;
	}
	for (size_t n = 0; n < parcel.note_len; n++) {
		other = parcel;
		other.note[n] ^= 1;
		/* The last four say nothing. */
		if (n < 28)
			is_refused(&other, store->arena.limit, "");
	}
	is_refused(&parcel, 3 * MIB, "another size");
	hash_seed(8);
	is_refused(&parcel, 2 * MIB, "hashes");
	hash_seed(7);
	other = parcel;
	other.fds[0] = parcel.fds[1];
	is_refused(&other, 2 * MIB, "another size");
	next = try_to_take(&parcel, 2 * MIB);
	assert_non_null(next);
	is_refused(&parcel, 2 * MIB, "somebody else");
	go_on_with(next);
	settle();
	assert_true(audit(store) >= 0);
	shelves_end();
}

/* ---- damaged items ---- */

/* The value is its key's, but for one byte, and for zeros behind it. */
static bool
is_nobody_elses(struct record *r, int key, size_t len)
{
	const char *bytes = record_value(r);
	struct op o;
	unsigned wrong = 0;

	op_of(&o, key);
	if (!record_has_key(r, o.op.key, o.op.keylen))
		return false;
	if (large_of(&store->arena, r) != NULL) {
		const struct large *l = large_of(&store->arena, r);
		size_t at = 0, n;

		for (unsigned piece = 0; (bytes = large_piece(store->arena.pages, l, piece, &n)) != NULL; piece++)
			for (size_t i = 0; i < n; i++, at++)
				wrong += bytes[i] != described(key, at);
		return at == len && wrong <= 1;
	}
	for (size_t i = 0; i < r->len; i++)
		wrong += i < len ? bytes[i] != described(key, i) : bytes[i] != 0;
	return wrong <= 1 && r->len < len + 8;
}

static size_t
len_of(int key)
{
	return key % 10 == 3 ? 9000 + (size_t)key % 7 * 1000 : 10 + (size_t)key * 13 % 700;
}

/* A byte of a record, or of what stands before a large value. */
static void
flip_one(void)
{
	for (;;) {
		struct record *r = find((int)roll(KEYS));
		char *p = (char *)r;
		size_t len;

		if (r == NULL)
			continue;
		len = record_footprint(r);
		if ((record_state(r) & RECORD_LARGE) != 0 && roll(2) == 0) {
			p = (char *)large_of(&store->arena, r);
			len = sizeof(struct large) + sizeof(struct pages_run);
		}
		p[roll((unsigned)len)] ^= (char)(1U << roll(8));
		return;
	}
}

static void
i11_a_flipped_byte_in_an_item_is_never_anothers_value(void **state)
{
	int rounds = getenv("REND_TEST_LONG") == NULL ? 30 : 150;
	unsigned gone = 0;

	for (int round = 0; round < rounds; round++) {
		struct rend_parcel parcel;
		struct store *next;

		begin(2 * MIB);
		for (int key = 0; key < KEYS; key++)
			put(shelves[0], key, len_of(key));
		leave(shelves[0]);
		parcel = give_parcel();
		/* As if it had been flipped by the time it is taken. */
		flip_one();
		next = try_to_take(&parcel, 2 * MIB);
		assert_non_null(next);
		go_on_with(next);
		for (int key = 0; key < KEYS; key++) {
			struct record *r = find(key);

			gone += r == NULL;
			if (r != NULL)
				assert_true(is_nobody_elses(r, key, len_of(key)));
		}
		/* It goes on with it: what is stored now is whole, and all of before is cleaned. */
		for (int i = 0; i < 3000; i++) {
			int key = KEYS + (int)roll(KEYS);
			struct record *r;

			put(shelves[i % 2], key, len_of(key));
			r = find(key);
			assert_true(r == NULL || is_whole(r, key, len_of(key)));
			r = find(key - KEYS);
			assert_true(r == NULL || is_nobody_elses(r, key - KEYS, len_of(key - KEYS)));
		}
		assert_true(budget_used(store->arena.budget) <= 2 * MIB);
		shelves_end();
	}
	print_message("%u were gone\n", gone);
	assert_true((int)gone > rounds / 3);
}

/* ---- and back ---- */

static void
what_was_given_for_nothing_is_kept(void **state)
{
	begin(32 * MIB);
	for (int i = 0; i < 100; i++) {
		struct rend_parcel parcel;
		struct store *next;

		for (int n = 0; n < 50; n++)
			one_step();
		parcel = give_parcel();
		/* The other one takes it, or not, and ends before it was asked anything. */
		if (i % 2 == 0) {
			struct shelf *sh;

			assert_non_null(next = try_to_take(&parcel, 32 * MIB));
			assert_non_null(sh = shelf_new(next, 0));
			store_tick(sh);
			shelf_free(&sh);
			store_free(&next);
		}
		store_tick(shelves[0]);
		store_keep(store);
		is_as_it_should();
	}
	settle();
	assert_true(audit(store) >= 0);
	shelves_end();
}

/* ---- values in the hands of those before ---- */

static struct large *
pin(int key, size_t len, struct rend_value *value)
{
	struct visit v;
	struct large *l;
	struct op o;

	assert_true(put(shelves[0], key, len));
	visit_enter(&v, shelves[0], op_of(&o, key));
	assert_non_null(l = large_of(&store->arena, v.found));
	assert_int_equal(pin_give(store->arena.pages, l, value), 0);
	visit_leave(&v);
	leave(shelves[0]);
	return l;
}

static void
is_described(const struct rend_value *value, int key, size_t len)
{
	char *copy = malloc(len);

	assert_non_null(copy);
	assert_int_equal(rend_value_copy_out(value, 0, copy, len), len);
	for (size_t i = 0; i < len; i++)
		assert_int_equal(copy[i], described(key, i));
	free(copy);
}

static void
second_passes(void)
{
	clock_fake(rend_now() + 1000000000, rend_wall() + 1);
	store_tick(shelves[0]);
}

static void
i6_what_those_before_still_send_stays(void **state)
{
	struct rend_value values[3] = { 0 }, body = { 0 };
	struct pages *p;
	uint64_t claimed;

	begin(4 * MIB);
	pin(1, 100000, &values[0]);
	pin(2, 100000, &values[1]);
	p = store->arena.pages;
	claimed = pages_claim(p, large_pages(50000));
	assert_int_equal(claimed, large_pages(50000));
	assert_int_equal(pin_lend(p, large_new(p, 50000), &body), 0);
	hand_over();
	pin(3, 100000, &values[2]);
	hand_over();
	assert_int_equal(store->tenants.count, 2);
	drop(shelves[0], 1);
	drop(shelves[0], 3);
	for (int i = 0; i < 3000; i++)
		put(shelves[0], 1000 + i, i % 4 == 0 ? 20000 : 1000);
	second_passes();
	for (int i = 0; i < 3; i++)
		is_described(&values[i], 1 + i, 100000);
	assert_true(store->arena.pages->orphans >= 2 * 100000);
	assert_int_equal(store->arena.pages->reserved >= 50000, true);
	/* The first is done when it has nothing any more, and not before. */
	rend_value_drop(&values[0]);
	rend_value_drop(&values[1]);
	second_passes();
	assert_int_equal(store->tenants.count, 2);
	rend_value_drop(&body);
	second_passes();
	assert_int_equal(store->tenants.count, 1);
	is_described(&values[2], 3, 100000);
	rend_value_drop(&values[2]);
	second_passes();
	assert_int_equal(store->tenants.count, 0);
	assert_int_equal(store->arena.pages->orphans, 0);
	assert_int_equal(store->arena.pages->pinned, 0);
	assert_int_equal(store->arena.pages->reserved, 0);
	settle();
	assert_true(audit(store) >= 0);
	shelves_end();
}

/* Who lets go between give and keep is heard when it is kept. */
static void
i6_what_was_let_go_meanwhile_is_free_when_it_is_kept(void **state)
{
	struct rend_value value = { 0 };

	begin(4 * MIB);
	pin(1, 100000, &value);
	drop(shelves[0], 1);
	give_parcel();
	rend_value_drop(&value);
	assert_true(store->arena.pages->orphans != 0);
	store_keep(store);
	assert_int_equal(store->arena.pages->orphans, 0);
	assert_int_equal(store->arena.pages->pinned, 0);
	settle();
	assert_int_equal(audit(store), 0);
	shelves_end();
}

/* ---- where it cannot be ---- */

static void
without_files_all_works_but_that(void **state)
{
	struct rend_parcel parcel = { 0 };

	no_files = true;
	begin(32 * MIB);
	no_files = false;
	for (int i = 0; i < 3000; i++)
		one_step();
	is_as_it_should();
	assert_int_equal(store_give(store, &parcel, &err), -1);
	assert_non_null(strstr(err.text, "no file"));
	for (int i = 0; i < 300; i++)
		one_step();
	is_as_it_should();
	settle();
	assert_true(audit(store) >= 0);
	shelves_end();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(i11_nothing_is_lost_at_any_point),
		cmocka_unit_test(i11_between_processes),
		cmocka_unit_test(i1_memory_stays_within_the_limit),
		cmocka_unit_test(memory_goes_back_to_the_system),
		cmocka_unit_test(i11_a_flipped_byte_in_header_or_table_is_refused),
		cmocka_unit_test(i11_a_flipped_byte_in_an_item_is_never_anothers_value),
		cmocka_unit_test(what_was_given_for_nothing_is_kept),
		cmocka_unit_test(i6_what_those_before_still_send_stays),
		cmocka_unit_test(i6_what_was_let_go_meanwhile_is_free_when_it_is_kept),
		cmocka_unit_test(without_files_all_works_but_that),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
