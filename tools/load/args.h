/* The command line. */
#ifndef LOAD_ARGS_H
#define LOAD_ARGS_H

#include "settings.h"

/*
 * Reads it.  Returns -1, and *s is complete; or a status to end with, everything being said: 0 after --help, EX_USAGE.
 * Points into argv.
 */
int args_read(struct settings *s, int argc, char **argv);

#endif
