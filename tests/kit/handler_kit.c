/*
 * Runs the list of behaviours, each in a child process:
 *
 *	kit ── fork ──► make, open, attach ─► behaviour ─► detach, close ─► exit 0
 *	 │                 a failure: the reason on stderr, exit 1; or a signal
 *	 └── a pipe: the child's stderr, until its end or its time is up
 */
#include "handler_kit.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "behaviour.h"

#define SAID_MAX   (16 << 10) /* of what a child says, so much is kept: a sanitizer's report is a long one */
#define REASON_MAX SAID_MAX

static const struct behaviour *const lists[] = {
	behaviours_item,
	behaviours_number,
	behaviours_cas,
	behaviours_mode,
	behaviours_lease,
	behaviours_time,
	behaviours_value,
	behaviours_store,
	behaviours_load,
};

/* ---- the child ---- */

struct beside {
	struct seat *seat;
	const struct behaviour *behaviour;
	pthread_barrier_t *attached;
};

static void *
run_beside(void *arg)
{
	struct beside *b = arg;

	seat_enter(b->seat);
	pthread_barrier_wait(b->attached);
	b->behaviour->beside(b->seat);
	seat_leave(b->seat);
	return NULL;
}

static void
skip_unless_has(const struct rig *r, uint32_t needs)
{
	for (unsigned v = 0; v < REND_VERB_COUNT; v++)
		if ((needs & NEEDS(v)) && !rig_has(r, v))
			rig_skip("it has no %s", rend_verb_name(v));
}

static void
run(const struct handler_kit *kit, const struct behaviour *b)
{
	static struct rig r;
	struct rend_error err = { 0 };
	pthread_barrier_t attached;
	pthread_t thread;
	struct beside second = { .seat = &r.seats[1], .behaviour = b, .attached = &attached };

	if (b->alone != NULL) {
		b->alone(kit);
		return;
	}
	if (rig_make(&r, kit, b->beside == NULL ? 1 : 2, &err) != 0 || rig_open(&r, &err) != 0)
		rig_fail("%s", err.text);
	if (b->beside != NULL) {
		pthread_barrier_init(&attached, NULL, 2);
		if (pthread_create(&thread, NULL, run_beside, &second) != 0)
			rig_fail("no thread");
	}
	seat_enter(&r.seats[0]);
	skip_unless_has(&r, b->needs);
	if (b->beside != NULL)
		pthread_barrier_wait(&attached);
	b->run(&r.seats[0]);
	seat_leave(&r.seats[0]);
	if (b->beside != NULL)
		pthread_join(thread, NULL);
	rig_close(&r);
}

static void __attribute__((noreturn)) child(const struct handler_kit *kit, const struct behaviour *b, int said)
{
	dup2(said, STDERR_FILENO);
	dup2(said, STDOUT_FILENO);
	signal(SIGPIPE, SIG_IGN);
	run(kit, b);
	exit(0); /* leak checkers run at exit */
}

/* ---- the parent ---- */

struct said {
	char text[SAID_MAX];
	size_t len;
};

/* Keeps the beginning; of what is longer, nobody needs more. */
static bool
hear(int fd, struct said *said)
{
	char more[1024];
	ssize_t n = read(fd, more, sizeof more);

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return true;
	if (n <= 0)
		return false;
	if ((size_t)n > sizeof said->text - 1 - said->len)
		n = (ssize_t)(sizeof said->text - 1 - said->len);
	memcpy(said->text + said->len, more, (size_t)n);
	said->len += (size_t)n;
	return true;
}

/* Until the child's end.  false: its time was up. */
static bool
listen_to(int fd, struct said *said, int seconds)
{
	uint64_t until = clock_mono() + (uint64_t)seconds * 1000000000ULL;

	for (;;) {
		struct pollfd ready = { .fd = fd, .events = POLLIN };
		uint64_t now = clock_mono();

		if (now >= until)
			return false;
		if (poll(&ready, 1, (int)((until - now) / 1000000) + 1) > 0 && !hear(fd, said))
			return true;
	}
}

/*
 * The sentence in what a child said: behind the mark; else what a sanitizer found, which no line of can be missed; else all of it.
 */
static const char *
sentence(struct said *said)
{
	char *at = strstr(said->text, RIG_MARK), *end;

	if (at != NULL) {
		at += strlen(RIG_MARK);
		end = strchr(at, '\n');
		if (end != NULL)
			*end = '\0';
		return at;
	}
	at = strstr(said->text, "Sanitizer: ");
	if (at == NULL)
		at = strstr(said->text, "runtime error: ");
	return at == NULL ? said->text + strspn(said->text, "\n") : at;
}

static enum verdict
judge(int status, bool in_time, struct said *said, int seconds, char *reason, size_t size)
{
	const char *says = sentence(said);

	if (!in_time) {
		snprintf(reason, size, "it was not over after %d seconds", seconds);
		return KIT_FAILED;
	}
	if (WIFSIGNALED(status)) {
		snprintf(
		    reason, size, "ended by signal %d (%s): %s", WTERMSIG(status), strsignal(WTERMSIG(status)), says);
		return KIT_FAILED;
	}
	if (WEXITSTATUS(status) == 0)
		return KIT_PASSED;
	snprintf(reason, size, "%s", says);
	return WEXITSTATUS(status) == RIG_SKIPPED ? KIT_SKIPPED : KIT_FAILED;
}

static enum verdict
run_one(const struct handler_kit *kit, const struct behaviour *b, char *reason, size_t size)
{
	struct said said = { .len = 0 };
	int seconds = kit_seconds(kit);
	int ends[2], status = 0;
	bool in_time;
	pid_t pid;

	*reason = '\0';
	fflush(NULL);
	if (pipe(ends) != 0 || (pid = fork()) < 0) {
		snprintf(reason, size, "no child process: %s", strerror(errno));
		return KIT_FAILED;
	}
	if (pid == 0) {
		close(ends[0]);
		child(kit, b, ends[1]);
	}
	close(ends[1]);
	in_time = listen_to(ends[0], &said, seconds);
	if (!in_time)
		kill(pid, SIGKILL);
	close(ends[0]);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		continue;
	return judge(status, in_time, &said, seconds, reason, size);
}

int
handler_kit_run(const struct handler_kit *kit, handler_kit_told_f *told, void *arg)
{
	int failed = 0;

	for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
		for (const struct behaviour *b = lists[i]; b->name != NULL; b++) {
			char reason[REASON_MAX];
			enum verdict verdict;

			if (kit->only != NULL && strstr(b->name, kit->only) == NULL)
				continue;
			verdict = run_one(kit, b, reason, sizeof reason);
			failed += verdict == KIT_FAILED;
			told(arg, b->name, verdict, reason);
		}
	return failed;
}

static void
try(struct seat *s)
{
}

int
handler_kit_try(const struct handler_kit *kit, char *why, size_t size)
{
	static const struct behaviour opens = { .name = "it opens", .run = try };

	return run_one(kit, &opens, why, size) == KIT_PASSED ? 0 : -1;
}
