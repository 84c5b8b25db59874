/* Notes to whoever runs next: a small file each, in a folder that outlives the process, and to which nobody else may write.  Main thread. */
#ifndef BASE_NOTE_H
#define BASE_NOTE_H

#include <stdbool.h>

#include "base/error.h"

/* Leaves a note of that name, with one line for people in it; it is there even if the machine stops.  One that is there stays as it is.  0, or
 * -1 with the reason. */
int note_leave(const char *folder, const char *name, const char *line, struct rend_error *err);

/* Is there one, and is it ours or root's?  1, 0, or -1 with the reason: nobody can tell. */
int note_look(const char *folder, const char *name, struct rend_error *err);

/* Takes it away for good.  0, or -1 with the reason. */
int note_remove(const char *folder, const char *name, struct rend_error *err);

#endif
