/* Files to trees: see tree.h.  The only file that includes libconfig.h. */
#include "conf/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <libconfig.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "conf/arena.h"
#include "conf/literals.h"
#include "engine/trust.h"

#define FILE_SIZE_MAX (1024 * 1024)
#define INCLUDES_MAX  10 /* deep; libconfig's own limit */
#define INCLUDED_MAX  64 /* files: two that include a third twice, ten deep, would be a thousand */
#define DEPTH_MAX     8	 /* of settings: a string in a list in a handler is at 4 */
#define KIDS_MAX      4096

struct reading {
	void *arena;
	struct messages *m;
	const char *dir;  /* of the file that was named first: where includes are looked for */
	const char *real; /* the same, no link on the way */
	unsigned included;
};

const char *
tree_kind_name(enum tree_kind kind)
{
	static const char *const names[] = {
		[TREE_GROUP] = "a group { }",
		[TREE_LIST] = "a list",
		[TREE_INT] = "a number",
		[TREE_FLOAT] = "a number with a fraction",
		[TREE_BOOL] = "true or false",
		[TREE_STRING] = "a string",
		[TREE_TEXT] = "a word",
	};

	return names[kind];
}

static struct tree *
tree_new(void *arena, enum tree_kind kind, struct place place)
{
	struct tree *t = arena_more(arena, sizeof *t);

	if (t == NULL)
		return NULL;
	t->kind = kind;
	t->place = place;
	return t;
}

static void
add_kid(struct tree *parent, struct tree *kid)
{
	struct tree **end = &parent->kids;

	while (*end != NULL)
		end = &(*end)->next;
	*end = kid;
	parent->count++;
}

struct tree *
tree_get(const struct tree *group, const char *name)
{
	if (group == NULL || group->kind != TREE_GROUP)
		return NULL;
	for (struct tree *t = group->kids; t != NULL; t = t->next)
		if (strcmp(t->name, name) == 0)
			return t;
	return NULL;
}

void
tree_want(const struct tree *group, const char *name, enum tree_kind kind, struct messages *m)
{
	const struct tree *t = tree_get(group, name);

	if (t != NULL && t->kind != kind)
		messages_error(m, t->place, 0, name, "%s is wanted, not %s",
		    kind == TREE_GROUP ? "a group { }" : "a list ( { }, { } )", tree_kind_name(t->kind));
}

/* ---- the text, before libconfig sees it ---- */

/* What @include "file" means, for people. */
static char *
included(const struct reading *r, const char *file, size_t len)
{
	if (strcmp(r->dir, ".") == 0)
		return arena_copy(r->arena, file, len);
	return arena_print(r->arena, "%s/%.*s", r->dir, (int)len, file);
}

/* All of a file, with a NUL behind it, and where it lies; NULL after a message. */
static char *
slurp(struct reading *r, const char *path, struct place from, char whole[PATH_MAX], size_t *len)
{
	struct rend_error err = { 0 };
	struct stat st;
	char *text;
	ssize_t got;
	int fd;

	if (trust_file(path, whole, &err) != 0) {
		messages_take(r->m, from, NULL, &err);
		return NULL;
	}
	/* A regular file a moment ago; if it is a pipe now, open must not wait for a writer. */
	fd = open(whole, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0 || fstat(fd, &st) != 0) {
		messages_error(r->m, from, EX_NOINPUT, NULL, "cannot read %s: %s", path, strerror(errno));
		if (fd >= 0)
			close(fd);
		return NULL;
	}
	if (!S_ISREG(st.st_mode) || st.st_size > FILE_SIZE_MAX) {
		messages_error(r->m, from, EX_NOINPUT, NULL, "cannot read %s: not a file of at most 1 MiB", path);
		close(fd);
		return NULL;
	}
	text = arena_more(r->arena, (size_t)st.st_size + 1);
	for (*len = 0; text != NULL && *len < (size_t)st.st_size; *len += got) {
		got = read(fd, text + *len, st.st_size - *len);
		if (got <= 0)
			break;
	}
	close(fd);
	if (text == NULL)
		messages_error(r->m, from, EX_OSERR, NULL, "cannot read %s: no memory", path);
	return text;
}

static bool scan(struct reading *r, const char *name, const char *text, size_t len, unsigned depth);

/*
 * libconfig opens the folder and the file as they are written.  The folder is resolved; a link that somebody made below
 * it could lead elsewhere by then.
 */
static bool
is_below(const struct reading *r, const char *whole, const char *file, size_t filelen)
{
	size_t dirlen = strlen(r->real);

	return strncmp(whole, r->real, dirlen) == 0 && whole[dirlen] == '/' && strlen(whole) == dirlen + 1 + filelen &&
	       memcmp(whole + dirlen + 1, file, filelen) == 0;
}

/* false: libconfig must not be let at it. */
static bool
scan_include(struct reading *r, struct place from, const char *file, size_t filelen, unsigned depth)
{
	char whole[PATH_MAX], *path, *text;
	size_t len;

	if (filelen == 0 || *file == '/' || memchr(file, '\\', filelen) != NULL ||
	    memchr(file, '\n', filelen) != NULL) {
		messages_error(
		    r->m, from, 0, "@include", "a file name relative to the folder of the configuration is wanted");
		return false;
	}
	if (r->dir == NULL) {
		messages_error(r->m, from, 0, "@include", "only a file can include another");
		return false;
	}
	if (depth == INCLUDES_MAX || r->included++ == INCLUDED_MAX) {
		messages_error(r->m, from, 0, "@include", "too many files include each other");
		return false;
	}
	path = included(r, file, filelen);
	text = path == NULL ? NULL : slurp(r, path, from, whole, &len);
	if (text != NULL && !is_below(r, whole, file, filelen)) {
		messages_error(
		    r->m, from, 0, "@include", "%s is %s: name it without links and dots on the way", path, whole);
		return false;
	}
	return text != NULL && scan(r, path, text, len, depth + 1);
}

static bool
scan(struct reading *r, const char *name, const char *text, size_t len, unsigned depth)
{
	struct literals l = { .at = text, .end = text + len };
	const char *nul = memchr(text, '\0', len);
	struct place place = { name, 0 };
	bool fit = true;
	enum literal it;

	if (nul != NULL) {
		place.line = 1;
		for (const char *p = text; p < nul; p++)
			place.line += *p == '\n';
		messages_error(r->m, place, 0, NULL, "a byte that is zero: this is not a text file");
		return false;
	}
	while ((it = literals_next(&l)) != LITERAL_END) {
		place.line = l.line;
		if (it == LITERAL_INCLUDE)
			fit &= scan_include(r, place, l.text, l.len, depth);
		else if (it == LITERAL_OPEN) {
			messages_error(r->m, place, 0, NULL, "the %s that begins here does not end",
			    *l.text == '"' ? "string" : "comment");
			fit = false;
		} else
			messages_error(r->m, place, 0, NULL,
			    "%.*s does not fit into 32 bits: write sizes and times as \"4GiB\", other numbers with an "
			    "L behind",
			    l.len > 40 ? 40 : (int)l.len, l.text);
	}
	return fit;
}

/* ---- libconfig's tree to ours ---- */

static const enum tree_kind kinds[] = {
	[CONFIG_TYPE_GROUP] = TREE_GROUP,
	[CONFIG_TYPE_INT] = TREE_INT,
	[CONFIG_TYPE_INT64] = TREE_INT,
	[CONFIG_TYPE_FLOAT] = TREE_FLOAT,
	[CONFIG_TYPE_STRING] = TREE_STRING,
	[CONFIG_TYPE_BOOL] = TREE_BOOL,
	[CONFIG_TYPE_ARRAY] = TREE_LIST,
	[CONFIG_TYPE_LIST] = TREE_LIST,
};

static void
no_memory(struct reading *r, struct place place)
{
	messages_error(r->m, place, EX_OSERR, NULL, "no memory");
}

static struct tree *
convert(struct reading *r, const char *file, config_setting_t *s, unsigned depth)
{
	int type = config_setting_type(s);
	struct place place = { file, config_setting_source_line(s) };
	struct tree *t;

	/* What was included has a name; what was given as text has none. */
	if (config_setting_source_file(s) != NULL)
		place.file = included(r, config_setting_source_file(s), strlen(config_setting_source_file(s)));
	if (depth > DEPTH_MAX) {
		messages_error(r->m, place, 0, NULL, "nested too deep");
		return NULL;
	}
	t = tree_new(r->arena, kinds[type], place);
	if (t == NULL)
		return NULL;
	if (config_setting_name(s) != NULL)
		t->name = arena_print(r->arena, "%s", config_setting_name(s));
	if (type == CONFIG_TYPE_INT)
		t->number = config_setting_get_int(s);
	else if (type == CONFIG_TYPE_INT64)
		t->number = config_setting_get_int64(s);
	else if (type == CONFIG_TYPE_BOOL)
		t->number = config_setting_get_bool(s);
	else if (type == CONFIG_TYPE_STRING)
		t->text = arena_print(r->arena, "%s", config_setting_get_string(s));
	if ((config_setting_name(s) != NULL && t->name == NULL) || (type == CONFIG_TYPE_STRING && t->text == NULL)) {
		no_memory(r, place);
		return NULL;
	}
	if (!config_setting_is_aggregate(s))
		return t;
	if (config_setting_length(s) > KIDS_MAX) {
		messages_error(r->m, place, 0, NULL, "more than %d settings in one block", KIDS_MAX);
		return t;
	}
	for (int i = 0; i < config_setting_length(s); i++) {
		struct tree *kid = convert(r, file, config_setting_get_elem(s, i), depth + 1);

		if (kid != NULL)
			add_kid(t, kid);
	}
	return t;
}

static struct tree *
parse(struct reading *r, const char *name, const char *text, size_t len)
{
	struct tree *t = NULL;
	config_t c;

	if (!scan(r, name, text, len, 0))
		return tree_new(r->arena, TREE_GROUP, (struct place){ name, 0 });
	config_init(&c);
	if (r->real != NULL)
		config_set_include_dir(&c, r->real);
	if (config_read_string(&c, text) == CONFIG_TRUE)
		t = convert(r, name, config_root_setting(&c), 0);
	else {
		struct place place = { name, config_error_line(&c) };

		if (config_error_file(&c) != NULL)
			place.file = included(r, config_error_file(&c), strlen(config_error_file(&c)));
		messages_error(r->m, place, 0, NULL, "%s", config_error_text(&c));
	}
	config_destroy(&c);
	return t != NULL ? t : tree_new(r->arena, TREE_GROUP, (struct place){ name, 0 });
}

struct tree *
tree_read(void *arena, const char *path, struct messages *m)
{
	const char *slash = strrchr(path, '/');
	struct reading r = { .arena = arena, .m = m };
	const char *name = arena_copy(arena, path, strlen(path));
	char whole[PATH_MAX];
	size_t len;
	char *text;

	r.dir = slash == NULL ? "." : slash == path ? "" : arena_copy(arena, path, slash - path);
	if (name == NULL || r.dir == NULL)
		return NULL;
	text = slurp(&r, path, (struct place){ NULL, 0 }, whole, &len);
	if (text == NULL)
		return tree_new(arena, TREE_GROUP, (struct place){ name, 0 });
	r.real = arena_copy(arena, whole, strrchr(whole, '/') - whole);
	if (r.real == NULL)
		return NULL;
	return parse(&r, name, text, len);
}

struct tree *
tree_parse(void *arena, const char *name, const char *text, struct messages *m)
{
	struct reading r = { .arena = arena, .m = m };

	return parse(&r, name, text, strlen(text));
}

/* ---- the command line's word ---- */

static bool
is_index(const char *word)
{
	return word[strspn(word, "0123456789")] == '\0' && strlen(word) <= 4;
}

/* Where a word of a path points to in t: a member, or an element.  NULL: nowhere, and there it could be put. */
static struct tree **
slot(struct tree *t, const char *word)
{
	struct tree **k = &t->kids;

	if (t->kind == TREE_LIST) {
		long n = atol(word);

		while (n-- > 0 && *k != NULL)
			k = &(*k)->next;
		return k;
	}
	while (*k != NULL && strcmp((*k)->name, word) != 0)
		k = &(*k)->next;
	return k;
}

static bool
name_is_fit(const char *word)
{
	return ((*word | 0x20) >= 'a' && (*word | 0x20) <= 'z') &&
	       word[strspn(word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")] == '\0';
}

/* Names with dots between them, and numbers for elements: "listeners.0.port". */
static bool
path_is_fit(const char *path)
{
	char word[TREE_PATH_MAX];

	for (size_t len; *path != '\0'; path += len + (path[len] == '.')) {
		len = strcspn(path, ".");
		if (len >= sizeof word || (path[len] == '.' && path[len + 1] == '\0'))
			return false;
		memcpy(word, path, len);
		word[len] = '\0';
		if (!name_is_fit(word) && (len == 0 || !is_index(word)))
			return false;
	}
	return true;
}

static bool
can_hold(const struct tree *t, const char *word)
{
	if (t->kind == TREE_GROUP)
		return name_is_fit(word);
	/* The next element may be made; one with others missing before it may not. */
	return t->kind == TREE_LIST && *word != '\0' && is_index(word) && (size_t)atol(word) <= t->count;
}

void
tree_override(
    void *arena, struct tree *root, const char *path, const char *value, struct place place, struct messages *m)
{
	char *words = arena_copy(arena, path, strlen(path)), *rest = words, *word;
	struct tree *t = root;

	if (words == NULL) {
		messages_error(m, place, EX_OSERR, NULL, "no memory");
		return;
	}
	if (!path_is_fit(path)) {
		messages_error(m, place, 0, NULL, "\"%.80s\" cannot be the name of a setting", path);
		return;
	}
	while ((word = strsep(&rest, ".")) != NULL) {
		struct tree **at, *next, *made;

		if (!can_hold(t, word)) {
			messages_error(m, place, 0, path, "there is no \"%s\" here, and none can be made", word);
			return;
		}
		at = slot(t, word);
		if (*at != NULL && rest != NULL) {
			t = *at;
			continue;
		}
		if (value == NULL) {
			if (*at != NULL) {
				*at = (*at)->next;
				t->count--;
			}
			return;
		}
		next = *at == NULL ? NULL : (*at)->next;
		made = tree_new(arena, TREE_TEXT, place);
		if (made == NULL) {
			messages_error(m, place, EX_OSERR, path, "no memory");
			return;
		}
		if (t->kind == TREE_GROUP)
			made->name = word;
		if (rest != NULL)
			made->kind = *rest >= '0' && *rest <= '9' ? TREE_LIST : TREE_GROUP;
		else
			made->text = value;
		made->next = next;
		t->count += *at == NULL;
		*at = made;
		t = made;
	}
}
