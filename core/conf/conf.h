/*
 * rend.conf, and what the command line adds to it: from text to what the server is told, and the graph it asks.
 *
 *	text ──tree.c──► settings ──options.c──► structs ──┐
 *	  ▲ literals.c      ▲ -o                           ├──► struct conf
 *	                    └──graph.c──► nodes, sorted ───┘
 */
#ifndef CONF_CONF_H
#define CONF_CONF_H

#include "base/log.h"
#include "conf/messages.h"
#include "net/settings.h"
#include "rend/plugin.h"

/* One thing that the command line says about a setting. */
struct conf_override {
	const char *path;   /* "listeners.0.port" */
	const char *value;  /* NULL: the setting is taken out */
	const char *origin; /* in messages: "-o listeners.0.port", "-p" */
};

struct conf_source {
	const char *file; /* NULL: the one that is built in, inmem under l1only */
	const struct conf_override *overrides;
	size_t override_count;
	const char *memory; /* -m: for the one block of inmem, wherever it is; NULL: not said */
};

/* All-zero: nothing. */
struct conf {
	struct server_settings server;
	struct generation *generation; /* of server; freed with conf: NULL it when somebody else has it */
	const char *plugin_dir;
	const char *user, *pid_file; /* "": none */
	const char *log_to;
	enum rend_log_level log_level;
	int max_connections; /* as it was said; the server's may be less */
	size_t handlers, policies;
	void *arena;
};

/*
 * All of it, but nothing is opened.  Plugins are loaded in a child first: what one of them does to it is a message.  0,
 * or the exit code that fits the messages; there may be warnings in any case.  Main thread.
 */
int conf_load(struct conf *c, const struct conf_source *source, struct messages *m);

/*
 * The same while a generation runs: what is as it was there is taken over from it (carry.h).  Nothing is tried out in a child: whoever calls it
 * has had another process load it before.  The thread that opens and closes nodes.
 */
int conf_load_beside(
    struct conf *c, const struct conf_source *source, const struct generation *now, struct messages *m);

/* Its paths mean the same in every folder: those that did not began in this one; NULL: where we are.  0, or -1 with the reason. */
int conf_make_absolute(struct conf *c, const char *folder, struct rend_error *err);

/* Only what stands at the top of the file: plugin_dir, user, ...; the rest may be wrong.  0, or the exit code. */
int conf_load_top(struct conf *c, const struct conf_source *source, struct messages *m);

void conf_fini(struct conf *c);

/* Seconds a plugin has to be loaded and to check its options. */
#define CONF_REHEARSAL 10

/* What the server itself can be told: the top of the file, log = {}, an element of listeners, admin = {}. */
struct conf_table {
	const char *name; /* "rend", "log", "listener", "admin", "handler", "policy" */
	const char *doc;
	const struct rend_option *options;
};

extern const struct conf_table conf_tables[]; /* ends with one without a name */

#endif
