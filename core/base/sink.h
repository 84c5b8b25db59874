/* Where bytes of the log end up: a file descriptor that may be slow, full or broken. */
#ifndef BASE_SINK_H
#define BASE_SINK_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Never more than this in one write: a pipe that is ready takes it without waiting. */
#define SINK_WRITE_MAX 4096

/*
 * stderr if path is empty, else the file, to append to (0640).  made, unless NULL: it was not there before.  The file descriptor, or
 * -1 and errno.  Does not wait for a reader.
 */
int sink_open(const char *path, bool *made);

/* Closes it, but not stderr. */
void sink_close(int fd);

/* Writes some of len bytes; waits at most wait_ms until it can.  How many (0: none in that time), or -1 and errno. */
ssize_t sink_write(int fd, const char *p, size_t len, int wait_ms);

#endif
