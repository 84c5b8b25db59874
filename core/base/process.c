/* Another process: see process.h. */
#include "base/process.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77
#endif

/* How long a process that is killed may take to be gone: one that hangs in the system does not go. */
#define KILLED_NS 2000000000ULL

int
process_open(pid_t pid)
{
	/* It is closed in programs that are started. */
	return pid <= 0 ? -1 : (int)syscall(SYS_pidfd_open, pid, 0);
}

/* Of nobody, or of this one alone? */
static int
found(int process, int *to)
{
	*to = process;
	return process >= 0 || errno == ENOSYS || errno == EPERM ? 0 : -1;
}

int
process_of_child(pid_t pid, int *process)
{
	return found(process_open(pid), process);
}

int
process_of_peer(int socket, pid_t *pid, int *process)
{
	struct ucred who = { 0 };
	socklen_t len = sizeof who;

	*pid = 0;
	*process = -1;
	if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &who, &len) != 0)
		return -1;
	*pid = who.pid;
	if (who.pid <= 0)
		return 0;
	len = sizeof *process;
	if (getsockopt(socket, SOL_SOCKET, SO_PEERPIDFD, process, &len) == 0)
		return 0;
	if (errno == ENOPROTOOPT)
		return found(process_open(who.pid), process);
	return found(-1, process);
}

bool
process_is_dead(int process, uint64_t until)
{
	struct pollfd p = { .fd = process, .events = POLLIN };

	if (process < 0)
		return false;
	for (;;) {
		uint64_t now = clock_mono(), wait = now < until ? until - now : 0;
		int n = poll(&p, 1, (int)((wait + 999999) / 1000000));

		if (n > 0)
			return (p.revents & POLLIN) != 0;
		if (n == 0 || errno != EINTR)
			return false;
	}
}

void
process_kill(int process)
{
	if (process >= 0)
		syscall(SYS_pidfd_send_signal, process, SIGKILL, NULL, 0);
}

int
process_start(const struct process_start *how, pid_t *pid)
{
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attr;
	sigset_t none, standard;
	int e;

	sigemptyset(&none);
	sigemptyset(&standard);
	sigaddset(&standard, SIGPIPE);
	posix_spawn_file_actions_init(&files);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawnattr_setsigdefault(&attr, &standard);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	if (how->folder != NULL)
		posix_spawn_file_actions_addchdir_np(&files, how->folder);
	for (size_t i = 0; i < how->file_count; i++) {
		const struct process_file *f = &how->files[i];

		if (f->from >= 0)
			posix_spawn_file_actions_adddup2(&files, f->from, f->to);
		else
			posix_spawn_file_actions_addopen(&files, f->to, f->path, f->flags, 0);
	}
	e = posix_spawn(pid, how->program, &files, &attr, how->argv, how->environment);
	posix_spawn_file_actions_destroy(&files);
	posix_spawnattr_destroy(&attr);
	return e;
}

bool
process_await(pid_t pid, int *status, uint64_t until, const bool *stop)
{
	static const struct timespec look = { .tv_nsec = 2 * 1000 * 1000 };
	pid_t got;

	while ((got = waitpid(pid, status, WNOHANG)) == 0 || (got < 0 && errno == EINTR)) {
		if (clock_mono() >= until || (stop != NULL && __atomic_load_n(stop, __ATOMIC_RELAXED)))
			return false;
		nanosleep(&look, NULL);
	}
	/* There is no such child: nobody can say how it ended. */
	if (got < 0)
		*status = W_EXITCODE(EX_OSERR, 0);
	return true;
}

bool
process_end(pid_t pid, int *status)
{
	kill(pid, SIGKILL);
	return process_await(pid, status, clock_mono() + KILLED_NS, NULL);
}
