/* What the process is to the system: see daemon.h. */
#include "daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
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

#include "rend/log.h"

/* Beside clients: listeners, logs, event bases, and what plugins open. */
#define FILES_PER_WORKER 16
#define FILES_OTHER	 128

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
daemon_open_files(struct server_settings *s, struct rend_error *err)
{
	rlim_t others = FILES_OTHER + s->listener_count + (rlim_t)s->workers * FILES_PER_WORKER;
	rlim_t need = others + (rlim_t)s->max_connections;
	struct rlimit lim, more;

	if (getrlimit(RLIMIT_NOFILE, &lim) != 0)
		return error_set(err, EX_OSERR, "cannot read the limit of open files: %s", strerror(errno));
	if (lim.rlim_cur >= need)
		return 0;
	more = lim;
	more.rlim_cur = need;
	if (more.rlim_max < need)
		more.rlim_max = need; /* root may */
	if (setrlimit(RLIMIT_NOFILE, &more) == 0)
		return 0;
	lim.rlim_cur = lim.rlim_max < need ? lim.rlim_max : need;
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

void
daemon_user_give(const struct daemon_user *u, const char *path)
{
	if (u->name != NULL && u->uid != 0 && lchown(path, u->uid, u->gid) != 0)
		rend_log(REND_LOG_WARN, "cannot give %s to %s: %s", path, u->name, strerror(errno));
}

int
daemon_user_become(const struct daemon_user *u, struct rend_error *err)
{
	uid_t r, e, s;

	if (u->name != NULL && u->uid != 0) {
		if (initgroups(u->name, u->gid) != 0 || setresgid(u->gid, u->gid, u->gid) != 0 ||
		    setresuid(u->uid, u->uid, u->uid) != 0)
			return error_set(err, EX_OSERR, "cannot become %s: %s", u->name, strerror(errno));
		if (getresuid(&r, &e, &s) != 0 || r != u->uid || e != u->uid || s != u->uid || setuid(0) == 0)
			return error_set(err, EX_OSERR, "cannot become %s: still root", u->name);
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

int
daemon_pid_write(const char *path, struct rend_error *err)
{
	int fd;

	if (*path == '\0')
		return 0;
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0644);
	if (fd < 0)
		return error_set(err, EX_CANTCREAT, "pid file %s: %s", path, strerror(errno));
	if (pid_may_write(fd, path, err) != 0) {
		close(fd);
		return -1;
	}
	if (ftruncate(fd, 0) != 0 || dprintf(fd, "%d\n", (int)getpid()) < 0 || (pid_path = strdup(path)) == NULL) {
		error_set(err, EX_CANTCREAT, "pid file %s: %s", path, strerror(errno));
		close(fd);
		return -1;
	}
	pid_fd = fd;
	return 0;
}

void
daemon_pid_remove(void)
{
	if (pid_fd < 0)
		return;
	unlink(pid_path);
	free(pid_path);
	close(pid_fd);
	pid_path = NULL;
	pid_fd = -1;
}
