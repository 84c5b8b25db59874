/*
 * Loading a plugin: from a file nobody else can write, of our ABI, bringing exactly one thing, under a name of its own.  A plugin is
 * never unloaded: leak reports keep their names, and nobody calls into memory that is gone.  A file with other content is another plugin,
 * also at the same path.
 */
#ifndef ENGINE_PLUGIN_LOAD_H
#define ENGINE_PLUGIN_LOAD_H

#include "base/error.h"
#include "rend/plugin.h"

struct plugin {
	char *path;
	const struct rend_plugin *self;
	/* Copies, zero-filled at the end where the plugin was built with a smaller one.  One of them has a name. */
	struct rend_handler handler;
	struct rend_policy policy;
};

/*
 * Another rend.conf is read: what was loaded for an earlier one may have the same names.  Main thread.
 */
void plugin_load_begin(void);

/* Plugins that stay in memory though the latest rend.conf does not name them.  Main thread. */
unsigned plugin_stale(void);

/*
 * The plugin called name: a name means name.so in dir, an absolute path itself.  The same content of a file is loaded
 * once; asking again gives the same plugin.  NULL after an error that says what was tried and what was found.  Main thread.
 */
struct plugin *plugin_load(const char *name, const char *dir, struct rend_error *err);

/* The loaded plugin's name and doc, whichever of the two it is. */
const char *plugin_name(const struct plugin *p);
const char *plugin_doc(const struct plugin *p);
const struct rend_option *plugin_options(const struct plugin *p);
size_t plugin_conf_size(const struct plugin *p);

/* May it stand under handlers = {}, rather than under policies = {}? */
bool plugin_is_handler(const struct plugin *p);

#endif
