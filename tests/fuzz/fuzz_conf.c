/*
 * rend.conf: from text to settings, from settings to options; the same over what a command line adds.  No plugin is loaded and no file
 * is read.
 *
 * Memory that libconfig 1.5 itself does not give back after some mistakes is not looked for: see run.sh.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf/arena.h"
#include "conf/literals.h"
#include "conf/options.h"
#include "conf/tree.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t len);

#define INPUT_MAX 4096

#define MUST(cond)                                                                                \
	do {                                                                                      \
		if (!(cond)) {                                                                    \
			fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #cond); \
			abort();                                                                  \
		}                                                                                 \
	} while (0)

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
	{ .name = NULL },
};

/* Nodes are only pointers here. */
static char node;

static const struct rend_node *
find(void *arg, enum rend_option_type type, const char *name, struct rend_error *err)
{
	if (strcmp(name, "mem") == 0)
		return (const struct rend_node *)(void *)&node;
	rend_error(err, "nobody is called %s", name);
	return NULL;
}

/* What holds of options that were filled without a complaint. */
static void
check_filled(const struct filled *f)
{
	MUST(f->number >= 1 && f->number <= 64);
	MUST(f->size >= 1024);
	MUST(f->time <= 3600000000000);
	MUST(f->name != NULL);
	MUST(f->choice == 0 || f->choice == 1);
	for (size_t i = 0; i < f->list.count; i++)
		MUST(f->list.strings[i] != NULL);
}

static void
fill(const struct tree *block, struct messages *m)
{
	static const char *const others[] = { "plugin", NULL };
	struct options o = { table, "inmem", "handlers.mem", others, find, NULL };
	struct filled *f = arena_new(sizeof *f);
	size_t errors = m->errors;

	MUST(f != NULL);
	options_fill(&o, block, (struct place){ "fuzz", 1 }, f, m);
	if (m->errors == errors)
		check_filled(f);
	arena_free(f);
}

static void
count(const struct tree *t, unsigned depth)
{
	size_t kids = 0;

	MUST(depth < 32 && tree_kind_name(t->kind) != NULL);
	for (const struct tree *k = t->kids; k != NULL; k = k->next, kids++) {
		if (t->kind == TREE_GROUP)
			MUST(k->name != NULL);
		count(k, depth + 1);
	}
	MUST(kids == t->count);
}

static void
print(struct messages *m)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	MUST(out != NULL);
	messages_print(m, out);
	MUST(fclose(out) == 0);
	MUST((m->count == 0) == (len == 0));
	if (m->errors > 0)
		MUST(messages_exit_code(m) != 0);
	free(text);
}

/* Behind the first line that is "-o" come settings of a command line, name=value, each on a line. */
static void
override(void *arena, struct tree *root, char *lines, struct messages *m)
{
	char *line;

	while ((line = strsep(&lines, "\n")) != NULL) {
		char *value = strchr(line, '=');

		if (value != NULL)
			*value++ = '\0';
		tree_override(arena, root, line, value, (struct place){ "-o", 0 }, m);
		count(root, 0);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t len)
{
	struct messages m = { 0 };
	struct tree *root, *block;
	char *text, *more;
	void *arena;

	if (len > INPUT_MAX)
		return 0;
	arena = arena_new(1);
	text = malloc(len + 1);
	MUST(arena != NULL && text != NULL);
	memcpy(text, p, len);
	text[len] = '\0';
	more = strstr(text, "\n-o\n");
	if (more != NULL) {
		*more = '\0';
		more += 4;
	}
	root = tree_parse(arena, "fuzz", text, &m);
	MUST(root != NULL && root->kind == TREE_GROUP);
	count(root, 0);
	if (more != NULL)
		override(arena, root, more, &m);
	fill(root, &m);
	block = tree_get(tree_get(root, "handlers"), "mem");
	if (block != NULL)
		fill(block, &m);
	print(&m);
	messages_fini(&m);
	arena_free(arena);
	free(text);
	return 0;
}
