/* Notes are there until they are removed, and what keeps them from being written, or looked for, is said. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/note.h"

static char dir[256];

static int
make_folder(void **state)
{
	const char *tmp = getenv("TMPDIR");

	snprintf(dir, sizeof dir, "%s/notes.XXXXXX", tmp == NULL ? "/tmp" : tmp);
	return mkdtemp(dir) == NULL ? -1 : 0;
}

static int
remove_folder(void **state)
{
	return rmdir(dir);
}

static void
there_until_removed(void **state)
{
	struct rend_error err = { 0 };
	char path[300], text[100] = "";
	FILE *f;

	snprintf(path, sizeof path, "%s/a", dir);
	assert_int_equal(note_look(dir, "a", &err), 0);
	assert_int_equal(note_leave(dir, "a", "a line", &err), 0);
	assert_int_equal(note_look(dir, "a", &err), 1);
	assert_int_equal(note_look(dir, "b", &err), 0);
	/* The first who leaves it has said it. */
	assert_int_equal(note_leave(dir, "a", "another", &err), 0);
	f = fopen(path, "r");
	assert_non_null(f);
	assert_true(fread(text, 1, sizeof text - 1, f) > 0);
	fclose(f);
	assert_string_equal(text, "a line\n");
	assert_int_equal(note_remove(dir, "a", &err), 0);
	assert_int_equal(note_look(dir, "a", &err), 0);
	assert_int_equal(note_remove(dir, "a", &err), 0);
}

static void
not_through_a_link(void **state)
{
	struct rend_error err = { 0 };
	char path[300], other[300], said[400];

	snprintf(path, sizeof path, "%s/a", dir);
	snprintf(other, sizeof other, "%s/other", dir);
	assert_int_equal(symlink(other, path), 0);
	/* rend leaves files. */
	assert_int_equal(note_look(dir, "a", &err), 0);
	assert_int_equal(note_leave(dir, "a", "a line", &err), -1);
	snprintf(said, sizeof said, "cannot write %s/a: Too many levels of symbolic links", dir);
	assert_string_equal(err.text, said);
	assert_int_equal(access(other, F_OK), -1);
	assert_int_equal(note_remove(dir, "a", &err), 0);
}

static void
no_folder(void **state)
{
	static const char said[] = "cannot open the folder /nonexistent: No such file or directory";
	struct rend_error err = { 0 };

	assert_int_equal(note_look("/nonexistent", "a", &err), -1);
	assert_string_equal(err.text, said);
	err.text[0] = '\0';
	assert_int_equal(note_leave("/nonexistent", "a", "a line", &err), -1);
	assert_string_equal(err.text, said);
	err.text[0] = '\0';
	assert_int_equal(note_remove("/nonexistent", "a", &err), -1);
	assert_string_equal(err.text, said);
}

/* Where others can leave notes and take them away, none is believed. */
static void
others_may_write(void **state)
{
	struct rend_error err = { 0 };
	char said[400];

	assert_int_equal(note_leave(dir, "a", "a line", &err), 0);
	assert_int_equal(chmod(dir, 0770), 0);
	snprintf(said, sizeof said, "others may write to %s, and so to the notes in it: chmod go-w it", dir);
	assert_int_equal(note_look(dir, "a", &err), -1);
	assert_string_equal(err.text, said);
	assert_int_equal(chmod(dir, 01777), 0);
	assert_int_equal(note_look(dir, "a", &err), 1);
	assert_int_equal(chmod(dir, 0700), 0);
	assert_int_equal(note_remove(dir, "a", &err), 0);
}

/* A folder in its place cannot be written to, nor removed as a file. */
static void
in_the_way(void **state)
{
	struct rend_error err = { 0 };
	char path[300], said[400];

	snprintf(path, sizeof path, "%s/a", dir);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(note_leave(dir, "a", "a line", &err), -1);
	assert_int_equal(note_remove(dir, "a", &err), -1);
	snprintf(said, sizeof said, "cannot remove %s/a: Is a directory", dir);
	assert_string_equal(err.text, said);
	rmdir(path);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(there_until_removed),
		cmocka_unit_test(not_through_a_link),
		cmocka_unit_test(others_may_write),
		cmocka_unit_test(no_folder),
		cmocka_unit_test(in_the_way),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
