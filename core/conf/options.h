/* Option tables: from settings as they are written to the struct that a plugin, or the server itself, reads. */
#ifndef CONF_OPTIONS_H
#define CONF_OPTIONS_H

#include "conf/messages.h"
#include "conf/tree.h"
#include "rend/plugin.h"

/* Who knows which block a REND_HANDLER or REND_NODE means.  NULL after rend_error(). */
typedef const struct rend_node *options_find_f(
    void *arg, enum rend_option_type type, const char *name, struct rend_error *err);

/* One block and its table. */
struct options {
	const struct rend_option *table; /* NULL: none */
	const char *whose;		 /* in messages: "inmem", "a listener" */
	const char *path;		 /* "handlers.mem"; "": the top of the file */
	const char *const *others; /* names in the same block that are somebody else's; ends with NULL; NULL: none */
	options_find_f *find;
	void *find_arg;
};

/*
 * Fills conf, all zero and made by arena_new() with the size the table is for: what the block says, else the fallbacks.
 * What is wrong becomes messages: names the table does not have, wrong types, values out of range, options that must be
 * given.  block NULL: nothing was given.
 */
void options_fill(
    const struct options *o, const struct tree *block, struct place place, void *conf, struct messages *m);

/* "number", "size", ... */
const char *options_type_name(enum rend_option_type type);

#endif
