/*
 * Where rend_log() lines go.  Until log_start() they are written at once; from then on a thread of ours writes them, from a bounded
 * ring, so that a full disk or a pipe that nobody reads stops no worker.  What does not fit is dropped and counted; the log says how
 * many were.
 *
 *	rend_log ──► [ ring ] ──► our thread ──► stderr or a file
 *	    └─ the line before, once more: only counted
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdint.h>
#include <sys/types.h>

#include "rend/log.h"

/* "stderr", or a file to append to (0640).  Lines above level are not written.  0, or -1 and errno; stderr stays then.  Main thread. */
int log_open(const char *to, enum rend_log_level level);

/*
 * Gives the file to a user who is to open it again later; only one that log_open() made: what was there, a device even, belongs to whom it
 * belonged.  Before log_start().  0, or -1 and errno.
 */
int log_give(uid_t user, gid_t group);

/* "error", "warn", "info", "debug" to a level.  0, or -1: no such level. */
int log_level_parse(const char *name, enum rend_log_level *level);

/* Changes the level.  Any thread. */
void log_set_level(enum rend_log_level level);

/* Opens the file again, after it was renamed.  Any thread; not from a signal handler. */
void log_reopen(void);

/* Starts the writing thread (after fork and daemonising).  0, or -1 and errno: lines are written at once as before. */
int log_start(void);

/*
 * Writes what is waiting and ends the thread; lines are written at once again.  A reader that does not read is given a second, then the
 * rest is dropped; a disk that does not answer is left behind with the thread, and no line is written any more.
 */
void log_stop(void);

/* Lines that were dropped since the start. */
uint64_t log_dropped(void);

/* For a panic; takes no lock: gives the writing thread a moment to write what is waiting. */
void log_settle(void);

/* For a panic: where lines go. */
int log_fd(void);

#endif
