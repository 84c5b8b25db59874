/*
 * A configuration as it is written, before anybody knows what it means: groups of named settings, each with its place.
 * From here on nobody needs libconfig, whose getters take a wrong type for an absent setting.
 */
#ifndef CONF_TREE_H
#define CONF_TREE_H

#include <stdint.h>

#include "conf/messages.h"

enum tree_kind {
	TREE_GROUP,  /* { a = 1; } */
	TREE_LIST,   /* ( 1, "a" ), [ 1, 2 ] */
	TREE_INT,    /* 12, 12L, 0x0c */
	TREE_FLOAT,  /* 1.5: no option is one */
	TREE_BOOL,   /* true */
	TREE_STRING, /* "text" */
	TREE_TEXT,   /* said on the command line: whatever its option is */
};

struct tree {
	const char *name; /* NULL: the root, or an element of a list */
	enum tree_kind kind;
	struct place place;
	int64_t number;	  /* INT, BOOL */
	const char *text; /* STRING, TEXT */
	struct tree *kids, *next;
	size_t count; /* of kids */
};

/* Room for the path of a setting, "handlers.mem.memory". */
#define TREE_PATH_MAX 320

/*
 * Reads a file and all that it includes; only files that nobody else may write.  Errors become messages; what could be
 * read is returned (never NULL but without memory), so that more can be said about it.  Lives in arena.  name: what
 * messages call the file.
 */
struct tree *tree_read(void *arena, const char *path, struct messages *m);

/* The same from text. */
struct tree *tree_parse(void *arena, const char *name, const char *text, struct messages *m);

/*
 * Sets one setting, "listeners.0.port", making the groups on the way to it as needed; value NULL takes it out.  The
 * place is what the command line said.
 */
void tree_override(
    void *arena, struct tree *root, const char *path, const char *value, struct place place, struct messages *m);

/* The setting of that name in a group, or NULL. */
struct tree *tree_get(const struct tree *group, const char *name);

/* If there is a setting of that name, it must be of this kind: a group, or a list. */
void tree_want(const struct tree *group, const char *name, enum tree_kind kind, struct messages *m);

/* "a string", "a list", ...: for people. */
const char *tree_kind_name(enum tree_kind kind);

#endif
