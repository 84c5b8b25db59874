/* What the process is to the system: see daemon.h. */
#include "daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/log.h"
#include "net/http.h"
#include "rend/log.h"

/* Beside clients: listeners, logs, event bases, and what plugins open. */
#define FILES_PER_WORKER  16
#define FILES_PER_HANDLER 64 /* and worker: as many links as memcached may have */
#define FILES_OTHER	  128
#define FILES_ADMIN	  (HTTP_CONNS_MAX + 8)

/* Another process may take its pid file away between two looks, but not for ever. */
#define PID_TRIES 10

static int ready_fd = -1; /* the parent waits at the other end */
static int pid_fd = -1;
static char *pid_path;

void
daemon_standard_files(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd > STDERR_FILENO)
		close(fd);
}

/* ---- open files ---- */

int
daemon_open_files(struct server_settings *s, size_t handlers, struct rend_error *err)
{
	rlim_t others = FILES_OTHER + (s->admin.on ? FILES_ADMIN : 0) + s->listener_count +
			(rlim_t)s->workers * FILES_PER_WORKER;
	rlim_t need = others + (rlim_t)s->max_connections;
	rlim_t want = need + (rlim_t)s->workers * handlers * FILES_PER_HANDLER;
	struct rlimit lim, more;

	if (getrlimit(RLIMIT_NOFILE, &lim) != 0)
		return error_set(err, EX_OSERR, "cannot read the limit of open files: %s", strerror(errno));
	if (lim.rlim_cur >= want)
		return 0;
	more = lim;
	more.rlim_cur = want;
	if (more.rlim_max < want)
		more.rlim_max = want; /* root may */
	if (setrlimit(RLIMIT_NOFILE, &more) == 0)
		return 0;
	lim.rlim_cur = lim.rlim_max < want ? lim.rlim_max : want;
	if (setrlimit(RLIMIT_NOFILE, &lim) != 0 || getrlimit(RLIMIT_NOFILE, &lim) != 0)
		return error_set(err, EX_OSERR, "cannot raise the limit of open files: %s", strerror(errno));
	if (lim.rlim_cur >= need)
		return 0;
	if (lim.rlim_cur <= others)
		return error_set(err, EX_OSERR, "only %llu files may be open, and %llu are needed beside connections",
		    (unsigned long long)lim.rlim_cur, (unsigned long long)others);
	rend_log(REND_LOG_WARN, "max_connections is %llu instead of %d: only %llu files may be open (ulimit -n)",
	    (unsigned long long)(lim.rlim_cur - others), s->max_connections, (unsigned long long)lim.rlim_cur);
	s->max_connections = (int)(lim.rlim_cur - others);
	return 0;
}

/*
 * The table of descriptors grows when one is needed, and each time a process of several threads waits until every processor has seen that: some
 * milliseconds in which it takes nobody in, or in which all wait whose connections come from another process.
 */
void
daemon_room_for_files(const struct server_settings *s)
{
	struct rlimit lim;
	rlim_t most = FILES_OTHER + FILES_ADMIN + s->listener_count + (rlim_t)s->workers * FILES_PER_WORKER +
		      (rlim_t)s->max_connections;
	int fd;

	if (getrlimit(RLIMIT_NOFILE, &lim) != 0)
		return;
	fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, (int)(most < lim.rlim_cur ? most : lim.rlim_cur) - 1);
	/* Without it that room comes when it is needed. */
	if (fd >= 0)
		close(fd);
}

/* ---- the background ---- */

static __attribute__((noreturn)) void
wait_for_child(pid_t pid, int fd)
{
	int status = 0;
	char byte;
	ssize_t got;

	do
		got = read(fd, &byte, 1);
	while (got < 0 && errno == EINTR);
	if (got == 1)
		_exit(0);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (WIFSIGNALED(status))
		fprintf(stderr, "rend: died with signal %d (%s) while it started\n", WTERMSIG(status),
		    strsignal(WTERMSIG(status)));
	_exit(WIFEXITED(status) ? WEXITSTATUS(status) : EX_SOFTWARE);
}

int
daemon_begin(struct rend_error *err)
{
	int fds[2];
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) != 0)
		return error_set(err, EX_OSERR, "cannot go into the background: %s", strerror(errno));
	fflush(NULL);
	pid = fork();
	if (pid < 0) {
		close(fds[0]);
		close(fds[1]);
		return error_set(err, EX_OSERR, "cannot go into the background: %s", strerror(errno));
	}
	if (pid > 0) {
		close(fds[1]);
		wait_for_child(pid, fds[0]);
	}
	close(fds[0]);
	setsid();
	ready_fd = fds[1];
	return 0;
}

void
daemon_ready(void)
{
	int null;

	if (ready_fd < 0)
		return;
	if (chdir("/") != 0)
		rend_log(REND_LOG_WARN, "cannot leave the folder: %s", strerror(errno));
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null >= 0) {
		dup2(null, STDIN_FILENO);
		dup2(null, STDOUT_FILENO);
		dup2(null, STDERR_FILENO);
		close(null);
	}
	/* If the parent is gone, nobody waits. */
	if (write(ready_fd, "", 1) < 0)
		errno = 0;
	close(ready_fd);
	ready_fd = -1;
}

/* ---- the user ---- */

int
daemon_user_find(struct daemon_user *u, const char *name, struct rend_error *err)
{
	const struct passwd *pw;

	memset(u, 0, sizeof *u);
	if (geteuid() != 0)
		return 0;
	if (*name == '\0')
		return error_set(
		    err, EX_USAGE, "root must say who to become: -u USER, or user = in rend.conf (-u root to stay)");
	errno = 0;
	pw = getpwnam(name);
	if (pw == NULL)
		return error_set(err, EX_NOUSER, "there is no user %s%s%s", name, errno == 0 ? "" : ": ",
		    errno == 0 ? "" : strerror(errno));
	u->name = name;
	u->uid = pw->pw_uid;
	u->gid = pw->pw_gid;
	return 0;
}

/* Are they to be given to somebody at all? */
static bool
is_other(const struct daemon_user *u)
{
	return u->name != NULL && u->uid != 0;
}

static int
give_socket(const struct daemon_user *u, const char *path)
{
	/* Whoever may write the folder may have put something else there: only a socket that is ours is given away. */
	int fd = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC), rc, why;
	struct stat st;

	if (fd < 0)
		return -1;
	rc = fstat(fd, &st);
	if (rc == 0 && (!S_ISSOCK(st.st_mode) || st.st_uid != geteuid() || st.st_nlink != 1)) {
		rc = -1;
		errno = EPERM;
	} else if (rc == 0)
		rc = fchownat(fd, "", u->uid, u->gid, AT_EMPTY_PATH);
	why = errno;
	close(fd);
	errno = why;
	return rc;
}

void
daemon_user_give_socket(const struct daemon_user *u, const char *path)
{
	if (is_other(u) && give_socket(u, path) != 0)
		rend_log(REND_LOG_WARN, "cannot give %s to %s: %s", path, u->name, strerror(errno));
}

void
daemon_user_give_log(const struct daemon_user *u)
{
	if (is_other(u) && log_give(u->uid, u->gid) != 0)
		rend_log(REND_LOG_WARN, "cannot give the log to %s: %s", u->name, strerror(errno));
}

int
daemon_user_become(const struct daemon_user *u, struct rend_error *err)
{
	uid_t r, e, s;

	if (is_other(u)) {
		if (initgroups(u->name, u->gid) != 0 || setresgid(u->gid, u->gid, u->gid) != 0 ||
		    setresuid(u->uid, u->uid, u->uid) != 0)
			return error_set(err, EX_OSERR, "cannot become %s: %s", u->name, strerror(errno));
		if (getresuid(&r, &e, &s) != 0 || r != u->uid || e != u->uid || s != u->uid || setuid(0) == 0)
			return error_set(err, EX_OSERR, "cannot become %s: still root", u->name);
		/* Another user's process leaves no core unless it says so: nothing of root's is in it that it may not see. */
		prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
	}
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	return 0;
}

/* ---- the pid file ---- */

/* Is what lies there from one of us, and nobody's any more?  A path that was mistyped must not cost a file. */
static int
pid_may_write(int fd, const char *path, struct rend_error *err)
{
	char old[32];
	struct stat st;
	ssize_t len;

	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
		return error_set(err, EX_CANTCREAT, "pid file %s: not a regular file", path);
	len = pread(fd, old, sizeof old - 1, 0);
	if (len < 0)
		return error_set(err, EX_CANTCREAT, "pid file %s: %s", path, strerror(errno));
	old[len] = '\0';
	if (flock(fd, LOCK_EX | LOCK_NB) != 0)
		return error_set(
		    err, EX_CANTCREAT, "pid file %s: process %.*s has it", path, (int)strspn(old, "0123456789"), old);
	if (old[strspn(old, "0123456789 \n")] != '\0')
		return error_set(err, EX_CANTCREAT, "pid file %s: there is a file that is none", path);
	return 0;
}

/* Does path still lead to what fd is? */
static bool
pid_lies_at(int fd, const char *path)
{
	struct stat ours, there;

	return fstat(fd, &ours) == 0 && lstat(path, &there) == 0 && ours.st_dev == there.st_dev &&
	       ours.st_ino == there.st_ino;
}

/* Opens and locks it.  The descriptor, or -1. */
static int
pid_open(const char *path, struct rend_error *err)
{
	for (int i = 0; i < PID_TRIES; i++) {
		int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0644);

		if (fd < 0)
			return error_set(err, EX_CANTCREAT, "pid file %s: %s", path, strerror(errno));
		if (pid_may_write(fd, path, err) != 0) {
			close(fd);
			return -1;
		}
		/* Whoever had it may have removed it meanwhile, and then we hold the lock of a file that nobody sees. */
		if (pid_lies_at(fd, path))
			return fd;
		close(fd);
	}
	return error_set(err, EX_CANTCREAT, "pid file %s: it is removed as soon as it is made", path);
}

int
daemon_pid_write(const char *path, struct rend_error *err)
{
	int fd;

	if (*path == '\0')
		return 0;
	fd = pid_open(path, err);
	if (fd < 0)
		return -1;
	if (ftruncate(fd, 0) != 0 || dprintf(fd, "%d\n", (int)getpid()) < 0 || (pid_path = strdup(path)) == NULL) {
		error_set(err, EX_CANTCREAT, "pid file %s: %s", path, strerror(errno));
		close(fd);
		return -1;
	}
	pid_fd = fd;
	return 0;
}

int
daemon_pid_file(const char **path)
{
	*path = pid_path;
	return pid_fd;
}

void
daemon_pid_take(int fd, const char *path)
{
	pid_fd = fd;
	pid_path = strdup(path);
	if (pid_path == NULL || ftruncate(fd, 0) != 0 || lseek(fd, 0, SEEK_SET) != 0 ||
	    dprintf(fd, "%d\n", (int)getpid()) < 0)
		rend_log(REND_LOG_ERROR, "pid file %s: %s", path, strerror(errno));
}

void
daemon_pid_leave(void)
{
	if (pid_fd >= 0)
		close(pid_fd);
	free(pid_path);
	pid_path = NULL;
	pid_fd = -1;
}

void
daemon_pid_remove(void)
{
	if (pid_fd < 0)
		return;
	if (pid_path != NULL && pid_lies_at(pid_fd, pid_path))
		unlink(pid_path);
	free(pid_path);
	close(pid_fd);
	pid_path = NULL;
	pid_fd = -1;
}
