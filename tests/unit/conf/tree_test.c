/* Files and words of the command line to settings. */
#include "../base/unit.h"

#include <sys/stat.h>
#include <sysexits.h>

#include "conf/arena.h"
#include "conf/tree.h"

struct fixture {
	void *arena;
	struct messages m;
	char dir[64];
};

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);
	const char *tmp = getenv("TMPDIR");

	if (f == NULL || (f->arena = arena_new(1)) == NULL)
		return -1;
	snprintf(f->dir, sizeof f->dir, "%.40s/tree.XXXXXX", tmp == NULL ? "/tmp" : tmp);
	*state = f;
	return mkdtemp(f->dir) == NULL ? -1 : 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;
	char command[100];

	snprintf(command, sizeof command, "rm -rf '%s'", f->dir);
	arena_free(f->arena);
	messages_fini(&f->m);
	if (system(command) != 0)
		return -1;
	free(f);
	return 0;
}

/* Makes a file in the test's folder; returns its path. */
static const char *
file(struct fixture *f, const char *name, const char *text, size_t len)
{
	const char *path = arena_print(f->arena, "%s/%s", f->dir, name);
	FILE *out = fopen(path, "w");

	assert_non_null(out);
	assert_int_equal(fwrite(text, 1, len, out), len);
	assert_int_equal(fclose(out), 0);
	assert_int_equal(chmod(path, 0644), 0);
	return path;
}

static const char *
write_file(struct fixture *f, const char *name, const char *text)
{
	return file(f, name, text, strlen(text));
}

/* The tree as text, without libconfig's help. */
static void
print(const struct tree *t, char *to, size_t size)
{
	size_t n = strlen(to);

	if (t->name != NULL)
		n += snprintf(to + n, size - n, "%s=", t->name);
	switch (t->kind) {
	case TREE_INT:
	case TREE_BOOL:
		snprintf(to + n, size - n, "%c%lld ", t->kind == TREE_INT ? 'i' : 'b', (long long)t->number);
		return;
	case TREE_FLOAT:
		snprintf(to + n, size - n, "f ");
		return;
	case TREE_STRING:
	case TREE_TEXT:
		snprintf(to + n, size - n, "%c'%s' ", t->kind == TREE_STRING ? 's' : 't', t->text);
		return;
	case TREE_GROUP:
	case TREE_LIST:
		snprintf(to + n, size - n, "%c ", t->kind == TREE_LIST ? '(' : '{');
		for (const struct tree *k = t->kids; k != NULL; k = k->next)
			print(k, to, size);
		n = strlen(to);
		snprintf(to + n, size - n, "%c ", t->kind == TREE_LIST ? ')' : '}');
	}
}

static void
expect(const struct tree *t, const char *expected)
{
	char text[2048] = "";

	assert_non_null(t);
	print(t, text, sizeof text);
	assert_string_equal(text, expected);
}

static void
expect_message(struct fixture *f, size_t i, unsigned line, const char *said)
{
	assert_true(f->m.count > i);
	assert_int_equal(f->m.all[i].place.line, line);
	if (strstr(f->m.all[i].text, said) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", f->m.all[i].text, said);
}

static void
reads_all_kinds(void **state)
{
	struct fixture *f = *state;
	const struct tree *t = tree_parse(f->arena, "x",
	    "a = 1; b = 5000000000L;\nc = \"text\"; d = true;\ne = 1.5; f = [ 1, 2 ];\ng = ( { h = \"\"; }, \"i\" ); j "
	    "= { };",
	    &f->m);

	assert_int_equal(f->m.count, 0);
	expect(t, "{ a=i1 b=i5000000000 c=s'text' d=b1 e=f f=( i1 i2 ) g=( { h=s'' } s'i' ) j={ } } ");
	assert_int_equal(tree_get(t, "d")->place.line, 2);
	assert_string_equal(tree_get(t, "d")->place.file, "x");
	assert_int_equal(tree_get(t, "f")->count, 2);
	assert_null(tree_get(t, "z"));
	assert_null(tree_get(tree_get(t, "f"), "z"));
}

static void
says_syntax_and_literals_at_once(void **state)
{
	struct fixture *f = *state;

	expect(tree_parse(f->arena, "x", "a = 3000000000;\nb = ;\nc = 4000000000;", &f->m), "{ } ");
	assert_int_equal(f->m.count, 3);
	expect_message(f, 0, 1, "3000000000");
	expect_message(f, 1, 3, "4000000000");
	expect_message(f, 2, 2, "syntax error");
}

static void
refuses_what_is_there_twice(void **state)
{
	struct fixture *f = *state;

	tree_parse(f->arena, "x", "a = 1;\na = 2;", &f->m);
	expect_message(f, 0, 2, "duplicate");
}

static void
survives_deep_nesting(void **state)
{
	struct fixture *f = *state;
	size_t n = 200000;
	char *text = malloc(n + 5);

	assert_non_null(text);
	memcpy(text, "a = ", 4);
	memset(text + 4, '(', n);
	text[n + 4] = '\0';
	tree_parse(f->arena, "x", text, &f->m);
	assert_int_equal(f->m.errors, 1);
	free(text);
	tree_parse(f->arena, "x", "a = ((((((((((1))))))))));", &f->m);
	expect_message(f, 1, 1, "nested too deep");
}

static void
overrides(void **state)
{
	static const struct place said = { "-o x", 0 };
	struct fixture *f = *state;
	struct tree *t = tree_parse(f->arena, "x", "a = 1; g = { b = 2; c = 3; }; l = ( { p = 1; }, 7 );", &f->m);

	tree_override(f->arena, t, "a", "9", said, &f->m);
	tree_override(f->arena, t, "g.b", "", said, &f->m);
	tree_override(f->arena, t, "g.c", NULL, said, &f->m);
	tree_override(f->arena, t, "g.none", NULL, said, &f->m);
	tree_override(f->arena, t, "l.0.p", "5", said, &f->m);
	tree_override(f->arena, t, "l.2.q", "6", said, &f->m);
	tree_override(f->arena, t, "n.m.o", "x=y", said, &f->m);
	tree_override(f->arena, t, "k.0.o", "z", said, &f->m);
	assert_int_equal(f->m.count, 0);
	expect(t, "{ a=t'9' g={ b=t'' } l=( { p=t'5' } i7 { q=t'6' } ) n={ m={ o=t'x=y' } } k=( { o=t'z' } ) } ");
	assert_int_equal(tree_get(t, "l")->count, 3);
	assert_string_equal(tree_get(t, "a")->place.file, "-o x");
}

static void
refuses_overrides(void **state)
{
	static const char *const wrong[] = { "", ".", "a.", ".a", "a..b", "9", "a.b", "l.5", "l.x", "g.7", "l.99999.x",
		"l.-1", "a b", "g.\n", "\303\244" };
	struct fixture *f = *state;
	struct tree *t = tree_parse(f->arena, "x", "a = 1; g = { }; l = ( 1 );", &f->m);
	struct place said = { "-o x", 0 };

	for (size_t i = 0; i < COUNT_OF(wrong); i++) {
		tree_override(f->arena, t, wrong[i], "v", said, &f->m);
		if (f->m.errors != i + 1)
			fail_msg("\"%s\" was taken", wrong[i]);
	}
	expect(t, "{ a=i1 g={ } l=( i1 ) } ");
}

static void
includes(void **state)
{
	struct fixture *f = *state;
	const char *top = write_file(f, "top", "a = 1;\n@include \"more\"\nc = 3;\n");
	const struct tree *t;

	write_file(f, "more", "\n\nb = 2;\n");
	t = tree_read(f->arena, top, &f->m);
	assert_int_equal(f->m.count, 0);
	expect(t, "{ a=i1 b=i2 c=i3 } ");
	assert_int_equal(tree_get(t, "b")->place.line, 3);
	assert_non_null(strstr(tree_get(t, "b")->place.file, "/more"));
	assert_string_equal(tree_get(t, "c")->place.file, top);
	assert_int_equal(tree_get(t, "c")->place.line, 3);
}

/* The folder of the file may be called by a link; what is included may not be behind one, which could be turned. */
static void
includes_behind_links(void **state)
{
	struct fixture *f = *state;
	const char *dir = arena_print(f->arena, "%s/real", f->dir), *link = arena_print(f->arena, "%s/link", f->dir);
	const struct tree *t;

	assert_int_equal(mkdir(dir, 0755), 0);
	assert_int_equal(symlink("real", link), 0);
	write_file(f, "real/top", "@include \"more\"\n");
	write_file(f, "real/more", "b = 2;\n");
	t = tree_read(f->arena, arena_print(f->arena, "%s/top", link), &f->m);
	assert_int_equal(f->m.count, 0);
	expect(t, "{ b=i2 } ");
	assert_string_equal(tree_get(t, "b")->place.file, arena_print(f->arena, "%s/more", link));

	expect(tree_read(f->arena, write_file(f, "top", "\n@include \"link/more\""), &f->m), "{ } ");
	expect_message(f, 0, 2, "/real/more: name it without links");
	expect(tree_read(f->arena, write_file(f, "top", "@include \"real/../real/more\""), &f->m), "{ } ");
	expect_message(f, 1, 1, "/real/more: name it without links");
	expect(tree_read(f->arena, write_file(f, "top", "@include \"real/more\""), &f->m), "{ b=i2 } ");
	assert_int_equal(f->m.count, 2);
}

static void
looks_into_what_is_included(void **state)
{
	struct fixture *f = *state;
	const char *top = write_file(f, "top", "@include \"more\"\n");
	const char *more = write_file(f, "more", "\nb = 3000000000;\n");

	tree_read(f->arena, top, &f->m);
	expect_message(f, 0, 2, "3000000000");
	assert_non_null(strstr(f->m.all[0].place.file, "/more"));
	assert_int_equal(chmod(more, 0666), 0);
	tree_read(f->arena, top, &f->m);
	assert_int_equal(f->m.all[1].exit_code, EX_NOPERM);
}

static void
refuses_includes(void **state)
{
	static const struct {
		const char *text, *said;
	} rows[] = {
		{ "@include \"top\"", "include each other" },
		{ "@include \"none\"", "No such file" },
		{ "@include \"/etc/passwd\"", "relative" },
		{ "@include \"\"", "relative" },
		{ "@include \".\"", "not a regular file" },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		expect(tree_read(f->arena, write_file(f, "top", rows[i].text), &f->m), "{ } ");
		assert_int_equal(f->m.errors, i + 1);
		expect_message(f, i, 1, rows[i].said);
	}
}

static void
refuses_files(void **state)
{
	struct fixture *f = *state;
	const char *path = file(f, "nul", "a = 1;\nb\0c", 10);
	char *big = calloc(1, 1024 * 1024 + 1);

	tree_read(f->arena, path, &f->m);
	expect_message(f, 0, 2, "a byte that is zero");
	assert_non_null(big);
	memset(big, ' ', 1024 * 1024 + 1);
	tree_read(f->arena, file(f, "big", big, 1024 * 1024 + 1), &f->m);
	expect_message(f, 1, 0, "at most 1 MiB");
	free(big);
	tree_read(f->arena, arena_print(f->arena, "%s/none", f->dir), &f->m);
	expect_message(f, 2, 0, "No such file");
	assert_int_equal(f->m.all[2].exit_code, EX_NOINPUT);
	assert_int_equal(chmod(write_file(f, "w", "a = 1;"), 0620), 0);
	expect(tree_read(f->arena, arena_print(f->arena, "%s/w", f->dir), &f->m), "{ } ");
	assert_int_equal(f->m.all[3].exit_code, EX_NOPERM);
	assert_int_equal(mkfifo(arena_print(f->arena, "%s/fifo", f->dir), 0600), 0);
	tree_read(f->arena, arena_print(f->arena, "%s/fifo", f->dir), &f->m);
	expect_message(f, 4, 0, "not a regular file");
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(reads_all_kinds),
		TEST(says_syntax_and_literals_at_once),
		TEST(refuses_what_is_there_twice),
		TEST(survives_deep_nesting),
		TEST(overrides),
		TEST(refuses_overrides),
		TEST(includes),
		TEST(includes_behind_links),
		TEST(looks_into_what_is_included),
		TEST(refuses_includes),
		TEST(refuses_files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
