/* Option tables: what they take, what they refuse, what they fall back to. */
#include "../base/unit.h"

#include <sysexits.h>

#include "conf/arena.h"
#include "conf/options.h"

struct filled {
	bool on;
	int64_t number;
	uint64_t size, time;
	const char *name;
	struct rend_strings list;
	int choice;
	const struct rend_node *node, *other;
};

static const struct rend_option table[] = {
	REND_OPTION("on", REND_BOOL, filled, on, "true", NULL, "A bool."),
	REND_OPTION("number", REND_INT, filled, number, "7", "1..64", "A number."),
	REND_OPTION("size", REND_SIZE, filled, size, "64MiB", "1KiB..", "A size."),
	REND_OPTION("time", REND_DURATION, filled, time, "250ms", "..1h", "A time."),
	REND_OPTION("name", REND_STRING, filled, name, "x", NULL, "A name."),
	REND_OPTION("list", REND_STRINGS, filled, list, "", NULL, "A list."),
	REND_OPTION("choice", REND_CHOICE, filled, choice, "fifo", "lru|fifo", "A choice."),
	REND_OPTION("node", REND_NODE, filled, node, "", NULL, "A node."),
	REND_OPTION("other", REND_HANDLER, filled, other, "", NULL, "A handler."),
	{ 0 },
};

/* Nodes are only pointers here. */
static char nodes[2];

static const struct rend_node *
find(void *arg, enum rend_option_type type, const char *name, struct rend_error *err)
{
	assert_ptr_equal(arg, nodes);
	if (strcmp(name, "mem") == 0)
		return (const struct rend_node *)(void *)&nodes[type == REND_HANDLER];
	rend_error(err, "nobody is called %s", name);
	return NULL;
}

struct fixture {
	void *arena;
	struct messages m;
	struct filled *conf;
};

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);

	if (f == NULL)
		return -1;
	f->arena = arena_new(1);
	*state = f;
	return f->arena == NULL ? -1 : 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	arena_free(f->arena);
	arena_free(f->conf);
	messages_fini(&f->m);
	free(f);
	return 0;
}

static const char *const others[] = { "plugin", NULL };

static void
fill_with(struct fixture *f, const struct rend_option *rows, const struct tree *block)
{
	struct options o = { rows, "inmem", "handlers.mem", others, find, nodes };

	arena_free(f->conf);
	messages_fini(&f->m);
	f->conf = arena_new(sizeof *f->conf);
	assert_non_null(f->conf);
	options_fill(&o, block, (struct place){ "x", 9 }, f->conf, &f->m);
}

static void
fill(struct fixture *f, const char *text)
{
	struct messages m = { 0 };
	struct tree *t = tree_parse(f->arena, "x", text, &m);

	assert_int_equal(m.count, 0);
	fill_with(f, table, t);
}

static void
falls_back(void **state)
{
	struct fixture *f = *state;

	fill_with(f, table, NULL);
	assert_int_equal(f->m.count, 0);
	assert_true(f->conf->on);
	assert_int_equal(f->conf->number, 7);
	assert_int_equal(f->conf->size, 64 << 20);
	assert_int_equal(f->conf->time, 250000000);
	assert_string_equal(f->conf->name, "x");
	assert_int_equal(f->conf->list.count, 0);
	assert_int_equal(f->conf->choice, 1);
	assert_null(f->conf->node);
	assert_null(f->conf->other);
}

static void
takes(void **state)
{
	struct fixture *f = *state;

	fill(f, "plugin = \"p\"; on = false; number = 64; size = \"2KiB\"; time = \"1h\"; name = \"\";\n"
		"list = [ \"a\", \"b\" ]; choice = \"lru\"; node = \"mem\"; other = \"mem\";");
	assert_int_equal(f->m.count, 0);
	assert_false(f->conf->on);
	assert_int_equal(f->conf->number, 64);
	assert_int_equal(f->conf->size, 2048);
	assert_int_equal(f->conf->time, 3600000000000);
	assert_string_equal(f->conf->name, "");
	assert_int_equal(f->conf->list.count, 2);
	assert_string_equal(f->conf->list.strings[1], "b");
	assert_int_equal(f->conf->choice, 0);
	assert_ptr_equal(f->conf->node, &nodes[0]);
	assert_ptr_equal(f->conf->other, &nodes[1]);
	fill(f, "size = 5000; time = 0; number = 5L; list = ( \"c\" );");
	assert_int_equal(f->m.count, 0);
	assert_int_equal(f->conf->size, 5000);
	assert_int_equal(f->conf->time, 0);
	assert_int_equal(f->conf->number, 5);
	assert_int_equal(f->conf->list.count, 1);
	fill(f, "list = \"a,b\";");
	assert_int_equal(f->m.count, 0);
	assert_int_equal(f->conf->list.count, 1);
	assert_string_equal(f->conf->list.strings[0], "a,b");
}

static void
takes_the_command_lines_words(void **state)
{
	static const char *const words[][2] = { { "on", "false" }, { "number", "3" }, { "size", "4096" },
		{ "time", "2s" }, { "name", "a,b" }, { "list", "a,b" }, { "choice", "lru" }, { "node", "mem" } };
	struct fixture *f = *state;
	struct tree *t = tree_parse(f->arena, "x", "", &f->m);

	for (size_t i = 0; i < COUNT_OF(words); i++)
		tree_override(f->arena, t, words[i][0], words[i][1], (struct place){ "-o", 0 }, &f->m);
	fill_with(f, table, t);
	assert_int_equal(f->m.count, 0);
	assert_false(f->conf->on);
	assert_int_equal(f->conf->number, 3);
	assert_int_equal(f->conf->size, 4096);
	assert_int_equal(f->conf->time, 2000000000);
	assert_string_equal(f->conf->name, "a,b");
	assert_int_equal(f->conf->list.count, 2);
	assert_string_equal(f->conf->list.strings[0], "a");
	assert_int_equal(f->conf->choice, 0);
	assert_ptr_equal(f->conf->node, &nodes[0]);
}

static const struct {
	const char *text, *said;
} wrong[] = {
	{ "on = 1;", "handlers.mem.on: true or false is wanted, not a number" },
	{ "on = \"true\";", "handlers.mem.on: true or false is wanted, not a string: leave out the quotes" },
	{ "number = \"7\";", "handlers.mem.number: a number is wanted, not a string: leave out the quotes" },
	{ "number = 1.5;", "handlers.mem.number: a number is wanted, not a number with a fraction" },
	{ "number = 65;", "handlers.mem.number: must be 1 to 64" },
	{ "number = 0;", "handlers.mem.number: must be 1 to 64" },
	{ "number = 5000000000L;", "handlers.mem.number: must be 1 to 64" },
	{ "size = -1;", "handlers.mem.size: must not be negative" },
	{ "size = 1;", "handlers.mem.size: must be at least 1KiB" },
	{ "size = 1.5;",
	    "handlers.mem.size: a size, like \"64MiB\" is wanted, not a number with a fraction: put it in quotes" },
	{ "size = \"1MB\";", "handlers.mem.size: MB is not a unit here; write MiB" },
	{ "size = true;", "handlers.mem.size: a size, like \"64MiB\" is wanted, not true or false: put it in quotes" },
	{ "time = 30;", "handlers.mem.time: 30 has no unit: write \"30s\", or \"30ms\"" },
	{ "time = \"61min\";", "handlers.mem.time: must be at most 1h" },
	{ "name = 5;", "handlers.mem.name: a string is wanted, not a number: put it in quotes" },
	{ "name = { };", "handlers.mem.name: a string is wanted, not a group { }" },
	{ "list = 1;",
	    "handlers.mem.list: a list of strings, [ \"a\", \"b\" ] is wanted, not a number: put it in quotes" },
	{ "list = [ 1 ];", "handlers.mem.list: a list of strings is wanted, but there is a number in it" },
	{ "choice = \"lfu\";", "handlers.mem.choice: must be one of lru|fifo, not \"lfu\"; did you mean lru?" },
	{ "choice = \"\";", "handlers.mem.choice: must be one of lru|fifo, not \"\"" },
	{ "node = \"men\";", "handlers.mem.node: nobody is called men" },
	{ "numbr = 1;", "handlers.mem.numbr: inmem has no such option; did you mean number?" },
	{ "plugn = 1;", "handlers.mem.plugn: inmem has no such option; did you mean plugin?" },
	{ "whatever = 1;", "handlers.mem.whatever: inmem has no such option" },
};

static void
refuses(void **state)
{
	struct fixture *f = *state;

	for (size_t i = 0; i < COUNT_OF(wrong); i++) {
		fill(f, wrong[i].text);
		assert_int_equal(f->m.count, 1);
		assert_string_equal(f->m.all[0].text, wrong[i].said);
		assert_int_equal(f->m.all[0].place.line, 1);
	}
}

static void
wants_what_must_be_given(void **state)
{
	static const struct rend_option must[] = {
		REND_OPTION("name", REND_STRING, filled, name, NULL, NULL, "Its name."),
		{ 0 },
	};
	struct fixture *f = *state;

	fill_with(f, must, NULL);
	assert_int_equal(f->m.count, 1);
	assert_string_equal(f->m.all[0].text, "handlers.mem.name: must be given: Its name.");
	assert_int_equal(f->m.all[0].place.line, 9);
}

static void
blames_the_plugin(void **state)
{
	static const struct rend_option broken[] = {
		REND_OPTION("number", REND_INT, filled, number, "many", NULL, "A number."),
		REND_OPTION("size", REND_SIZE, filled, size, "1KiB", "everything", "A size."),
		REND_OPTION("choice", REND_CHOICE, filled, choice, "none", "a|b", "A choice."),
		{ 0 },
	};
	struct fixture *f = *state;

	fill_with(f, broken, NULL);
	assert_int_equal(f->m.count, 3);
	assert_int_equal(messages_exit_code(&f->m), EX_SOFTWARE);
}

static void
takes_no_list_without_end(void **state)
{
	struct fixture *f = *state;
	size_t n = 5000;
	char *text = malloc(n + 1);
	struct tree *t = tree_parse(f->arena, "x", "", &f->m);

	assert_non_null(text);
	memset(text, ',', n);
	text[n] = '\0';
	tree_override(f->arena, t, "list", text, (struct place){ "-o", 0 }, &f->m);
	fill_with(f, table, t);
	assert_int_equal(f->m.errors, 1);
	assert_non_null(strstr(f->m.all[0].text, "at most 1024"));
	free(text);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(falls_back),
		TEST(takes),
		TEST(takes_the_command_lines_words),
		TEST(refuses),
		TEST(wants_what_must_be_given),
		TEST(blames_the_plugin),
		TEST(takes_no_list_without_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
