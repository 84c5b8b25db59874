/*
 * Another process: a child that is started, and ended; or any, by a descriptor: whose it is stays so, while a number may become another one's.  Any
 * thread.
 */
#ifndef BASE_PROCESS_H
#define BASE_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* The caller's, to close; or -1: there is none of that number, or the system cannot tell. */
int process_open(pid_t pid);

/*
 * Who has made the socket at the other end of this one, or the pair: *pid (0: it is nobody here), and *process, the caller's to close; -1 there: the system
 * cannot tell that of anybody.  0; or -1 and errno: ESRCH, if he has ended already.  Whoever got his number since then is not taken for him where the
 * system can tell (SO_PEERPIDFD, Linux 6.5).
 */
int process_of_peer(int socket, pid_t *pid, int *process);

/* The same of a child that nobody has waited for. */
int process_of_child(pid_t pid, int *process);

/* Is it dead, or dies by then (monotonic ns)?  Of -1 nobody knows: false. */
bool process_is_dead(int process, uint64_t until);

/* SIGKILL; nobody, if it is dead already, or -1. */
void process_kill(int process);

/* A file of a program that is started: from this descriptor, or, if that is -1, opened at a path. */
struct process_file {
	int to, from;
	const char *path;
	int flags; /* of open() */
};

/* A program that is started. */
struct process_start {
	const char *program, *folder; /* NULL: where this process is */
	char **argv, **environment;
	const struct process_file *files;
	size_t file_count;
};

/* With no signal blocked, and SIGPIPE as it is by default.  0 and *pid, or what errno says. */
int process_start(const struct process_start *how, pid_t *pid);

/* Is this child over, or is by then (monotonic ns), or before *stop (a relaxed atomic; may be NULL)?  Then *status is as waitpid() says it, and
 * nobody else may wait for it. */
bool process_await(pid_t pid, int *status, uint64_t until, const bool *stop);

/* Kills a child, and waits for it a while.  false: the system does not let it end, and it is left behind. */
bool process_end(pid_t pid, int *status);

#endif
