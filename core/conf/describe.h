/* Plugins for people: `rend --describe inmem`, `rend --list-plugins`. */
#ifndef CONF_DESCRIBE_H
#define CONF_DESCRIBE_H

#include <stdio.h>

#include "base/error.h"

/* A plugin: what it is, and its options as the table that stands in docs/config.md.  "rend", "log", "listener": the
 * server's own. */
int describe_plugin(const char *name, const char *plugin_dir, FILE *out, struct rend_error *err);

/* A line for each .so in the folder: path, kind, name, version, ABI, and whether it can be used.  0, or -1: no such
 * folder. */
int describe_all(const char *plugin_dir, FILE *out, struct rend_error *err);

#endif
