/* Does something in a child first: see rehearse.h. */
#include "conf/rehearse.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

/* A page that both have.  The child may have written anything over it. */
struct page {
	char who[300], what[100];
	volatile bool finished;
};

#define SAID_MAX 8192 /* bytes of what a dying child wrote */

static struct page *page;

void
rehearse_doing(const char *who, const char *what)
{
	if (page == NULL)
		return;
	snprintf(page->who, sizeof page->who, "%s", who);
	snprintf(page->what, sizeof page->what, "%s", what);
}

int
rehearse_is_on(void)
{
	return page != NULL;
}

static __attribute__((noreturn)) void
child(void (*fn)(void *), void *arg, int said, pid_t parent, struct page *shared)
{
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	/* A group of its own, so that what it starts ends with it; and nobody outlives the one who asked. */
	setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(EX_OSERR);
	dup2(said, STDOUT_FILENO);
	dup2(said, STDERR_FILENO);
	page = shared;
	fn(arg);
	fflush(NULL);
	page->finished = true;
	_exit(0);
}

static int64_t
now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* Waits until the child has ended, but leaves it to be reaped.  false: it has not. */
static bool
await(pid_t pid, unsigned seconds)
{
	int64_t until = now_ms() + (int64_t)seconds * 1000;
	siginfo_t info;
	sigset_t chld;

	sigemptyset(&chld);
	sigaddset(&chld, SIGCHLD);
	for (;;) {
		int64_t left = until - now_ms();
		struct timespec ts = { left / 1000, left % 1000 * 1000000 };

		info.si_pid = 0;
		if (waitid(P_PID, pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == pid)
			return true;
		if (left <= 0)
			return false;
		sigtimedwait(&chld, NULL, &ts);
	}
}

static void
show_what_it_said(int said)
{
	char buf[SAID_MAX];
	ssize_t len = pread(said, buf, sizeof buf, 0);

	if (len > 0 && write(STDERR_FILENO, buf, len) < 0)
		return;
	if (len > 0 && buf[len - 1] != '\n' && write(STDERR_FILENO, "\n", 1) < 0)
		return;
}

static int
judge(struct page *p, int status, bool in_time, unsigned seconds, struct rend_error *err)
{
	const char *who = p->who, *what = p->what;

	p->who[sizeof p->who - 1] = p->what[sizeof p->what - 1] = '\0';
	if (!in_time)
		return error_set(err, EX_SOFTWARE, "%s did not come back within %u s %s", who, seconds, what);
	if (WIFSIGNALED(status))
		return error_set(err, EX_SOFTWARE, "%s died with signal %d (%s) %s", who, WTERMSIG(status),
		    strsignal(WTERMSIG(status)), what);
	if (!p->finished)
		return error_set(err, EX_SOFTWARE, "%s ended the program with exit status %d %s", who,
		    WIFEXITED(status) ? WEXITSTATUS(status) : 0, what);
	return 0;
}

int
rehearse(void (*fn)(void *arg), void *arg, unsigned seconds, struct rend_error *err)
{
	struct page *shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int said = memfd_create("rehearsal", MFD_CLOEXEC), status = 0, rc = -1;
	pid_t parent = getpid(), pid;
	sigset_t chld, before;
	bool in_time;

	if (said < 0)
		said = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (shared == MAP_FAILED || said < 0) {
		error_set(err, EX_OSERR, "cannot try the plugins out: %s", strerror(errno));
		goto out;
	}
	snprintf(shared->who, sizeof shared->who, "reading the configuration");
	sigemptyset(&chld);
	sigaddset(&chld, SIGCHLD);
	sigprocmask(SIG_BLOCK, &chld, &before);
	fflush(NULL);
	pid = fork();
	if (pid == 0)
		child(fn, arg, said, parent, shared);
	if (pid < 0) {
		error_set(err, EX_OSERR, "cannot try the plugins out: fork: %s", strerror(errno));
		sigprocmask(SIG_SETMASK, &before, NULL);
		goto out;
	}
	setpgid(pid, pid);
	in_time = await(pid, seconds);
	/* Its number cannot have become another's: it is not reaped yet. */
	kill(-pid, SIGKILL);
	kill(pid, SIGKILL);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	sigprocmask(SIG_SETMASK, &before, NULL);
	rc = judge(shared, status, in_time, seconds, err);
	if (rc != 0)
		show_what_it_said(said);
out:
	if (said >= 0)
		close(said);
	if (shared != MAP_FAILED)
		munmap(shared, sizeof *shared);
	return rc;
}
