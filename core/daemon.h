/* What the process is to the system: its open files, its user, its pid file, and whether it is in the background. */
#ifndef DAEMON_H
#define DAEMON_H

#include <sys/types.h>

#include "base/error.h"
#include "net/settings.h"

/* All-zero: stay who we are. */
struct daemon_user {
	const char *name; /* NULL: stay */
	uid_t uid;
	gid_t gid;
};

/* Opens what is closed of stdin, stdout and stderr, so that no socket becomes one of them. */
void daemon_standard_files(void);

/*
 * Raises the limit of open files to what the settings need, or lowers max_connections to what it allows, with a line in
 * the log.  What so many handlers could open for themselves is asked for, but nobody is turned away for it.  0, or -1:
 * not even one connection fits.
 */
int daemon_open_files(struct server_settings *s, size_t handlers, struct rend_error *err);

/* Has the system make room for the descriptors of all connections.  While there is no other thread, and no other process that is to serve. */
void daemon_room_for_files(const struct server_settings *s);

/*
 * Forks.  Returns in the child, 0, or -1: EX_OSERR.  The parent waits until the child says daemon_ready() and exits
 * with 0, or has ended, and exits as it did: whoever started us sees what came of it.
 */
int daemon_begin(struct rend_error *err);

/*
 * The child of daemon_begin(): lets go of the parent, the terminal, and the folder in which it was started: no relative
 * path is opened from here on.  Nothing in another process.
 */
void daemon_ready(void);

/* Who to become: name is rend.conf's, "": nobody.  -1: there is no such user (EX_NOUSER), or root says nothing
 * (EX_USAGE). */
int daemon_user_find(struct daemon_user *u, const char *name, struct rend_error *err);

/*
 * Give the user what was bound by root, and the log if log_open() made it, so that they can be removed, or opened again,
 * later.  What cannot be given stays, with a line in the log.
 */
void daemon_user_give_socket(const struct daemon_user *u, const char *path);
void daemon_user_give_log(const struct daemon_user *u);

/* Becomes the user, for good; no new privileges for anybody; may leave a core.  0, or -1: EX_OSERR. */
int daemon_user_become(const struct daemon_user *u, struct rend_error *err);

/* Writes and locks the file; "": none.  It is not written if it is another process's, or something else than a pid
 * file.  -1: EX_CANTCREAT. */
int daemon_pid_write(const char *path, struct rend_error *err);

/* The descriptor that has it, and its path; -1: there is none. */
int daemon_pid_file(const char **path);

/* Takes over what another process wrote and locked, with its descriptor: it is this one's number from now on. */
void daemon_pid_take(int fd, const char *path);

/* It is another process's. */
void daemon_pid_leave(void);

/* Removes it, if it is still the one that was written. */
void daemon_pid_remove(void);

#endif
