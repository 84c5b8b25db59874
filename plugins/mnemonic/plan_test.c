/* What follows from rend.conf, what a folder says of how it was made, and which bin a key is in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/error.h"
#include "plan.h"

#define MIB (1ULL << 20)
#define GIB (1ULL << 30)

static struct mnemonic_conf
conf_of(uint64_t size)
{
	return (struct mnemonic_conf){ .path = "/somewhere", .size = size, .filter_bits = 10, .queue = 1, .mend = 2 };
}

static struct plan
plan_of(const struct mnemonic_conf *c, const struct label *made)
{
	struct rend_error err = { 0 };
	struct plan p;

	if (plan_make(&p, c, made, "PATH", &err) != 0)
		fail_msg("%s", err.text);
	return p;
}

static void
is_refused(const struct mnemonic_conf *c, const struct label *made, const char *says)
{
	struct rend_error err = { 0 };
	struct plan p;

	assert_int_equal(plan_make(&p, c, made, "PATH", &err), -1);
	if (strstr(err.text, says) == NULL)
		fail_msg("%s", err.text);
}

/* As many bins as keep one at some dozens of files, each as large as eight flushes. */
static void
bins_and_buffers_by_size(void **state)
{
	static const struct {
		uint64_t size;
		unsigned bins;
		uint64_t buffer;
	} rows[] = {
		{ MIB, 4, 64 << 10 },
		{ 64 * MIB, 4, 2 * MIB },
		{ 2 * GIB, 4, 64 * MIB },
		{ 64 * GIB, 4, 64 * MIB },
		{ 64 * GIB + 4, 8, 64 * MIB },
		{ 1024 * GIB, 64, 64 * MIB },
		{ 16384 * GIB, 64, 64 * MIB },
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct mnemonic_conf c = conf_of(rows[i].size);
		struct plan p = plan_of(&c, NULL);

		assert_int_equal(p.bins, rows[i].bins);
		assert_int_equal(p.rocks.write_buffer, rows[i].buffer);
		assert_int_equal(p.rocks.bin_size, rows[i].size / rows[i].bins);
		assert_true(p.readers >= 4 && p.readers <= 64 && p.rocks.jobs >= 2 && p.rocks.jobs <= 16);
		assert_int_equal(p.mend, 2);
	}
}

static void
what_is_said_is_done(void **state)
{
	struct mnemonic_conf c = conf_of(64 * MIB);
	struct plan p;

	c.bins = 3;
	c.readers = 1;
	c.jobs = 7;
	c.write_buffer = MIB;
	c.compaction = ROCKS_UNIVERSAL;
	c.wal = ROCKS_WAL_SYNC;
	p = plan_of(&c, NULL);
	assert_int_equal(p.bins, 3);
	assert_int_equal(p.readers, 1);
	assert_int_equal(p.rocks.jobs, 7);
	assert_int_equal(p.rocks.write_buffer, MIB);
	assert_int_equal(p.rocks.compaction, ROCKS_UNIVERSAL);
	assert_int_equal(p.rocks.wal, ROCKS_WAL_SYNC);
	/* What is dropped is a whole file. */
	c.write_buffer = 11 * MIB;
	is_refused(&c, NULL, "less than twice the write_buffer");
	c.path = "";
	is_refused(&c, NULL, "path is empty");
}

static void
a_folder_stays_what_it_was_made(void **state)
{
	struct mnemonic_conf c = conf_of(1024 * GIB);
	struct label made = { .bins = 5, .seed = 77, .compaction = "fifo" }, label;
	struct plan p = plan_of(&c, &made);

	/* More size, and still the same bins. */
	assert_int_equal(p.bins, 5);
	assert_int_equal(p.seed, 77);
	plan_label(&p, &label);
	assert_int_equal(label.bins, 5);
	assert_int_equal(label.seed, 77);
	assert_string_equal(label.compaction, "fifo");
	c.bins = 5;
	plan_of(&c, &made);
	c.bins = 6;
	is_refused(&c, &made, "PATH was made with 5 bins, and bins is 6");
	c.bins = 0;
	c.compaction = ROCKS_LEVEL;
	is_refused(&c, &made, "made with compaction = \"fifo\", and now it is \"level\"");
}

/* ---- the label ---- */

static void
write_file(const struct folder *f, const char *name, const char *text)
{
	char *path = folder_at(f, name);
	FILE *out = fopen(path, "w");

	assert_non_null(out);
	fputs(text, out);
	fclose(out);
	free(path);
}

static void
a_label_is_read_as_it_was_written(void **state)
{
	const char *tmp = getenv("TMPDIR");
	struct label label = { .bins = 9, .seed = 0xfedcba9876543210ULL, .compaction = "universal" }, got = { 0 };
	struct rend_error err = { 0 };
	struct folder f;
	char root[96], remove[128];

	snprintf(root, sizeof root, "%s/rend-plan.XXXXXX", tmp == NULL ? "/tmp" : tmp);
	assert_non_null(mkdtemp(root));
	assert_int_equal(folder_open(&f, root, &err), 0);
	assert_int_equal(folder_label(&f, &got, &err), 0);
	assert_false(folder_is_lost(&f));
	write_file(&f, "STATE", "");
	assert_true(folder_is_lost(&f));
	/* While it is made. */
	assert_int_equal(folder_begin(&f, &err), 0);
	write_file(&f, "STATE", "");
	assert_false(folder_is_lost(&f));
	assert_int_equal(folder_set_label(&f, &label, false, &err), 0);
	folder_begun(&f);
	assert_int_equal(folder_label(&f, &got, &err), 1);
	assert_int_equal(got.bins, 9);
	assert_int_equal(got.seed, label.seed);
	assert_string_equal(got.compaction, "universal");
	/* What was made before there were seeds has none. */
	write_file(&f, "LABEL", "mnemonic 1\nbins 4\ncompaction level\n");
	assert_int_equal(folder_label(&f, &got, &err), 1);
	assert_int_equal(got.bins, 4);
	assert_int_equal(got.seed, 0);
	assert_string_equal(got.compaction, "level");
	write_file(&f, "LABEL", "mnemonic 3\nbins 4\ncompaction level\n");
	assert_int_equal(folder_label(&f, &got, &err), -1);
	assert_non_null(strstr(err.text, "made by another version, format 3"));
	static const char *const odd[] = { "", "mnemonic 2\n", "mnemonic 2\nbins 4\ncompaction level\n",
		"mnemonic 2\nbins 0\ncompaction fifo\nseed 1\n", "mnemonic 2\nbins 257\ncompaction fifo\nseed 1\n",
		"bins 4\n" };
	for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
		write_file(&f, "LABEL", odd[i]);
		assert_int_equal(folder_label(&f, &got, &err), -1);
		assert_non_null(strstr(err.text, "LABEL is none of ours"));
	}
	folder_close(&f);
	snprintf(remove, sizeof remove, "rm -rf %s", root);
	assert_int_equal(system(remove), 0);
}

/* ---- which bin ---- */

/* In folders of format 1 all keys are where they were. */
static void
without_a_seed_keys_are_where_they_were(void **state)
{
	static const struct {
		const char *key;
		unsigned of4, of100;
	} rows[] = {
		{ "k", 2, 66 },
		{ "key0", 1, 45 },
		{ "key1", 0, 21 },
		{ "a:much:longer:key:of:more:than:sixteen:bytes", 0, 3 },
		{ "", 0, 17 },
	};
	struct plan four = { .bins = 4 }, hundred = { .bins = 100 };

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		assert_int_equal(plan_bin(&four, rows[i].key, strlen(rows[i].key)), rows[i].of4);
		assert_int_equal(plan_bin(&hundred, rows[i].key, strlen(rows[i].key)), rows[i].of100);
	}
}

/* Keys that all are in one bin of a store are spread in another one. */
static void
each_store_spreads_keys_in_its_own_way(void **state)
{
	struct mnemonic_conf c = conf_of(64 * MIB);
	struct plan one = plan_of(&c, NULL), other = plan_of(&c, NULL);
	unsigned counts[4] = { 0 }, there[4] = { 0 };

	assert_int_not_equal(one.seed, other.seed);
	for (int i = 0; i < 4000; i++) {
		char key[16];
		size_t len = (size_t)snprintf(key, sizeof key, "key%d", i);
		unsigned bin = plan_bin(&one, key, len);

		counts[bin]++;
		if (bin == 0)
			there[plan_bin(&other, key, len)]++;
	}
	/* A thousand each, and 250 each of those of the first: far from either once in 10^20 stores. */
	for (int i = 0; i < 4; i++) {
		assert_in_range(counts[i], 600, 1400);
		assert_in_range(there[i], 50, 600);
	}
}

static void
files_that_may_be_open(void **state)
{
	struct plan p = { .bins = 4, .rocks = { .bin_size = 64 * MIB, .write_buffer = MIB } };
	uint64_t has = 0, wants = 0;
	struct rlimit was, limit;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &was), 0);
	limit = was;
	limit.rlim_cur = 100;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	assert_int_equal(plan_files(&p, &has, &wants), was.rlim_max >= wants);
	assert_int_equal(wants, 4 * (64 + 48) + 1024);
	assert_int_equal(has, wants < was.rlim_max ? wants : was.rlim_max);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	assert_int_equal(limit.rlim_cur, has);
	/* More than anybody may have. */
	p.rocks.bin_size = 1ULL << 60;
	if (was.rlim_max < 1ULL << 40)
		assert_false(plan_files(&p, &has, &wants));
	setrlimit(RLIMIT_NOFILE, &was);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bins_and_buffers_by_size),
		cmocka_unit_test(what_is_said_is_done),
		cmocka_unit_test(a_folder_stays_what_it_was_made),
		cmocka_unit_test(a_label_is_read_as_it_was_written),
		cmocka_unit_test(without_a_seed_keys_are_where_they_were),
		cmocka_unit_test(each_store_spreads_keys_in_its_own_way),
		cmocka_unit_test(files_that_may_be_open),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
