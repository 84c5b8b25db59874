/*
 * A copy of a store while it runs.  Links, so it costs next to nothing, and has to be on the same disk.  Bins are copied one after the other: two
 * keys may be there as they were at two moments.
 */
#ifndef MNEMONIC_CHECKPOINT_H
#define MNEMONIC_CHECKPOINT_H

#include "rend/plugin.h"

/* As rend_command.run: argv[1] is the folder. */
int checkpoint_run(void *store, int argc, const char *const *argv, FILE *out, struct rend_error *err);

#endif
