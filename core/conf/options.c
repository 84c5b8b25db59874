/* Option tables: see options.h. */
#include "conf/options.h"

#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "conf/arena.h"
#include "conf/suggest.h"
#include "conf/units.h"

#define STRINGS_MAX 1024 /* in one list */

struct filling {
	const struct options *o;
	void *conf;
	struct messages *m;
};

/* Takes a value as one would write it between quotes: a fallback, or the command line's word. */
typedef int take_text_f(
    const struct filling *f, const struct rend_option *opt, const char *text, struct rend_error *err);
static take_text_f take_bool, take_number, take_string, take_strings, take_choice, take_node;

#define KIND(k) (1U << (k))

static const struct {
	const char *name;
	const char *want;
	unsigned kinds; /* of setting that may say it */
	size_t size;	/* of the field */
	take_text_f *take;
} types[] = {
	[REND_BOOL] = { "bool", "true or false", KIND(TREE_BOOL), sizeof(bool), take_bool },
	[REND_INT] = { "number", "a number", KIND(TREE_INT), sizeof(int64_t), take_number },
	[REND_SIZE] = { "size", "a size, like \"64MiB\"", KIND(TREE_INT) | KIND(TREE_STRING), sizeof(uint64_t),
	    take_number },
	[REND_DURATION] = { "duration", "a duration, like \"250ms\"", KIND(TREE_INT) | KIND(TREE_STRING),
	    sizeof(uint64_t), take_number },
	[REND_STRING] = { "string", "a string", KIND(TREE_STRING), sizeof(char *), take_string },
	[REND_STRINGS] = { "strings", "a list of strings, [ \"a\", \"b\" ]", KIND(TREE_LIST) | KIND(TREE_STRING),
	    sizeof(struct rend_strings), take_strings },
	[REND_CHOICE] = { "choice", "a string", KIND(TREE_STRING), sizeof(int), take_choice },
	[REND_HANDLER] = { "handler", "the name of a handler", KIND(TREE_STRING), sizeof(void *), take_node },
	[REND_NODE] = { "node", "the name of a handler or policy", KIND(TREE_STRING), sizeof(void *), take_node },
};

#define TYPES (sizeof types / sizeof *types)

const char *
options_type_name(enum rend_option_type type)
{
	return (unsigned)type < TYPES ? types[type].name : "?";
}

static void
put(const struct filling *f, const struct rend_option *opt, const void *value)
{
	memcpy((char *)f->conf + opt->at, value, types[opt->type].size);
}

static int
take_bool(const struct filling *f, const struct rend_option *opt, const char *text, struct rend_error *err)
{
	bool is = strcmp(text, "true") == 0;

	if (!is && strcmp(text, "false") != 0)
		return rend_error(err, "true or false is wanted, not \"%.60s\"", text);
	put(f, opt, &is);
	return 0;
}

static int
put_number(const struct filling *f, const struct rend_option *opt, int64_t value, struct rend_error *err)
{
	if (units_check(opt->type, opt->range, value, err) != 0)
		return -1;
	put(f, opt, &value);
	return 0;
}

static int
take_number(const struct filling *f, const struct rend_option *opt, const char *text, struct rend_error *err)
{
	int64_t value;

	if (units_parse(opt->type, text, &value, err) != 0)
		return -1;
	return put_number(f, opt, value, err);
}

static int
take_string(const struct filling *f, const struct rend_option *opt, const char *text, struct rend_error *err)
{
	const char *copy = arena_copy(f->conf, text, strlen(text));

	if (copy == NULL)
		return error_set(err, EX_OSERR, "no memory");
	put(f, opt, &copy);
	return 0;
}

/* "a,b" */
static int
take_strings(const struct filling *f, const struct rend_option *opt, const char *text, struct rend_error *err)
{
	struct rend_strings all = { 0 };
	char *copy = arena_copy(f->conf, text, strlen(text)), *word;
	const char **strings;
	size_t count = 1;

	if (*text == '\0')
		return 0;
	for (const char *p = text; *p != '\0'; p++)
		count += *p == ',';
	if (count > STRINGS_MAX)
		return rend_error(err, "a list of at most %d strings is wanted", STRINGS_MAX);
	strings = arena_more(f->conf, count * sizeof *strings);
	if (copy == NULL || strings == NULL)
		return error_set(err, EX_OSERR, "no memory");
	while ((word = strsep(&copy, ",")) != NULL)
		strings[all.count++] = word;
	all.strings = strings;
	put(f, opt, &all);
	return 0;
}

static int
take_list(const struct filling *f, const struct rend_option *opt, const struct tree *list, struct rend_error *err)
{
	struct rend_strings all = { 0 };
	const char **strings;

	if (list->count > STRINGS_MAX)
		return rend_error(err, "a list of at most %d strings is wanted", STRINGS_MAX);
	strings = arena_more(f->conf, (list->count + 1) * sizeof *strings);
	if (strings == NULL)
		return error_set(err, EX_OSERR, "no memory");
	for (const struct tree *t = list->kids; t != NULL; t = t->next) {
		if (t->kind != TREE_STRING && t->kind != TREE_TEXT)
			return rend_error(
			    err, "a list of strings is wanted, but there is %s in it", tree_kind_name(t->kind));
		strings[all.count] = arena_copy(f->conf, t->text, strlen(t->text));
		if (strings[all.count++] == NULL)
			return error_set(err, EX_OSERR, "no memory");
	}
	all.strings = strings;
	put(f, opt, &all);
	return 0;
}

/* As a list with nothing else in it. */
static int
take_one(const struct filling *f, const struct rend_option *opt, const char *text, struct rend_error *err)
{
	struct rend_strings all = { .count = 1 };
	const char **strings = arena_more(f->conf, sizeof *strings);
	const char *copy = arena_copy(f->conf, text, strlen(text));

	if (strings == NULL || copy == NULL)
		return error_set(err, EX_OSERR, "no memory");
	strings[0] = copy;
	all.strings = strings;
	put(f, opt, &all);
	return 0;
}

static int
take_choice(const struct filling *f, const struct rend_option *opt, const char *text, struct rend_error *err)
{
	struct suggest s = { .wrong = text };
	char *words = arena_copy(f->conf, opt->range, strlen(opt->range)), *word, near[80];
	int n = 0;

	if (words == NULL)
		return error_set(err, EX_OSERR, "no memory");
	for (; (word = strsep(&words, "|")) != NULL; n++) {
		if (strcmp(word, text) == 0) {
			put(f, opt, &n);
			return 0;
		}
		suggest_try(&s, word);
	}
	return rend_error(
	    err, "must be one of %s, not \"%.60s\"%s", opt->range, text, suggest_text(&s, near, sizeof near));
}

static int
take_node(const struct filling *f, const struct rend_option *opt, const char *text, struct rend_error *err)
{
	const struct rend_node *node;

	/* An option that may stay without one has "" to fall back to. */
	if (*text == '\0' && opt->fallback != NULL)
		return 0;
	node = f->o->find(f->o->find_arg, opt->type, text, err);
	if (node == NULL)
		return -1;
	put(f, opt, &node);
	return 0;
}

static int
wrong_kind(const struct rend_option *opt, const struct tree *t, struct rend_error *err)
{
	const char *hint = "";

	if (t->kind == TREE_STRING && (types[opt->type].kinds & (KIND(TREE_INT) | KIND(TREE_BOOL))) != 0)
		hint = ": leave out the quotes";
	else if ((types[opt->type].kinds & KIND(TREE_STRING)) != 0 &&
		 (t->kind == TREE_INT || t->kind == TREE_FLOAT || t->kind == TREE_BOOL))
		hint = ": put it in quotes";
	return rend_error(err, "%s is wanted, not %s%s", types[opt->type].want, tree_kind_name(t->kind), hint);
}

static int
take(const struct filling *f, const struct rend_option *opt, const struct tree *t, struct rend_error *err)
{
	if (t->kind == TREE_TEXT)
		return types[opt->type].take(f, opt, t->text, err);
	if ((types[opt->type].kinds & KIND(t->kind)) == 0)
		return wrong_kind(opt, t, err);
	switch (t->kind) {
	case TREE_INT:
		if (opt->type == REND_DURATION && t->number != 0)
			return rend_error(err, "%lld has no unit: write \"%llds\", or \"%lldms\"", (long long)t->number,
			    (long long)t->number, (long long)t->number);
		if (opt->type != REND_INT && t->number < 0)
			return rend_error(err, "must not be negative");
		return put_number(f, opt, t->number, err);
	case TREE_BOOL: {
		bool is = t->number != 0;

		put(f, opt, &is);
		return 0;
	}
	case TREE_LIST:
		return take_list(f, opt, t, err);
	case TREE_STRING:
		if (opt->type == REND_STRINGS)
			return take_one(f, opt, t->text, err);
		return types[opt->type].take(f, opt, t->text, err);
	default:
		return types[opt->type].take(f, opt, t->text, err);
	}
}

static void
path_of(const struct options *o, const char *name, char *path)
{
	snprintf(path, TREE_PATH_MAX, "%s%s%s", o->path, *o->path == '\0' ? "" : ".", name);
}

static bool
is_others(const struct options *o, const char *name)
{
	for (const char *const *p = o->others; p != NULL && *p != NULL; p++)
		if (strcmp(*p, name) == 0)
			return true;
	return false;
}

static const struct rend_option *
row_of(const struct options *o, const char *name)
{
	for (const struct rend_option *opt = o->table; opt != NULL && opt->name != NULL; opt++)
		if (strcmp(opt->name, name) == 0)
			return opt;
	return NULL;
}

static void
unknown(const struct options *o, const struct tree *t, struct messages *m)
{
	struct suggest s = { .wrong = t->name };
	char path[TREE_PATH_MAX], near[80];

	for (const struct rend_option *opt = o->table; opt != NULL && opt->name != NULL; opt++)
		suggest_try(&s, opt->name);
	for (const char *const *p = o->others; p != NULL && *p != NULL; p++)
		suggest_try(&s, *p);
	path_of(o, t->name, path);
	messages_error(m, t->place, 0, path, "%s has no such option%s", o->whose, suggest_text(&s, near, sizeof near));
}

void
options_fill(const struct options *o, const struct tree *block, struct place place, void *conf, struct messages *m)
{
	struct filling f = { o, conf, m };
	char path[TREE_PATH_MAX];

	if (block != NULL && block->kind != TREE_GROUP)
		block = NULL;
	for (const struct tree *t = block == NULL ? NULL : block->kids; t != NULL; t = t->next)
		if (row_of(o, t->name) == NULL && !is_others(o, t->name))
			unknown(o, t, m);
	for (const struct rend_option *opt = o->table; opt != NULL && opt->name != NULL; opt++) {
		const struct tree *t = tree_get(block, opt->name);
		struct rend_error err = { 0 };

		path_of(o, opt->name, path);
		if (t != NULL) {
			if (take(&f, opt, t, &err) != 0)
				messages_take(m, t->place, path, &err);
		} else if (opt->fallback == NULL)
			messages_error(m, place, 0, path, "must be given: %s", opt->doc);
		else if (types[opt->type].take(&f, opt, opt->fallback, &err) != 0)
			messages_error(m, place, EX_SOFTWARE, path, "its own default is wrong: %s", err.text);
	}
}
