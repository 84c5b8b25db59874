/* Who could have written this file? */
#ifndef ENGINE_TRUST_H
#define ENGINE_TRUST_H

#include <limits.h>

#include "base/error.h"

/*
 * A file is safe to take code or settings from if it is a regular file, and if it and every folder on the way to it
 * belong to root or to us, and nobody else may write them.  A folder with the sticky bit may be writable (/tmp): nobody
 * can replace what is ours in there.  Symbolic links on the way are resolved first; the file itself may not be one.
 *
 * 0, and whole is where it lies: only what is opened there is what was looked at.  Or -1: EX_NOPERM with the first thing
 * that is wrong, or EX_NOINPUT.
 */
int trust_file(const char *path, char whole[PATH_MAX], struct rend_error *err);

#endif
