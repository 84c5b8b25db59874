/*
 * What lies in a plugin's file.  The same path may hold other code later, and dlopen() of a path it knows gives what it has: what was
 * replaced is loaded from a copy in memory, which also stays as it is whatever becomes of the file.
 */
#ifndef ENGINE_PLUGIN_FILE_H
#define ENGINE_PLUGIN_FILE_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

struct plugin_sum {
	uint64_t size, hash[2]; /* of the content */
};

/* Copies that one process may have: each stays as long as it does. */
#define PLUGIN_COPIES_MAX 64

/* 0, or -1 with the reason.  Any thread. */
int plugin_file_sum(const char *path, struct plugin_sum *sum, struct rend_error *err);
bool plugin_sum_same(const struct plugin_sum *a, const struct plugin_sum *b);

/*
 * Loads a copy of it, as dlopen() with RTLD_NOW and RTLD_LOCAL would.  NULL: the reason is in err, or, if it is empty, dlerror() has it, and
 * *from is the name that it knows the file by.  Main thread.
 */
void *plugin_file_open_copy(
    const char *path, const struct plugin_sum *sum, char from[PATH_MAX], struct rend_error *err);

#endif
