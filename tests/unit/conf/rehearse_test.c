/* A child that does what a bad plugin does, and a parent that can say so. */
#include "../base/unit.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <sysexits.h>

#include "conf/rehearse.h"

/* Seen by both. */
static int *shared;

static void
go_well(void *arg)
{
	rehearse_doing("plugin good", "while it was loaded");
	*shared = rehearse_is_on() ? *(int *)arg : -1;
}

static void
leave(void *arg)
{
	rehearse_doing("plugin bad", "while it was loaded");
	_exit(*(int *)arg);
}

static void
die(void *arg)
{
	rehearse_doing("plugin bad", "while it checked its options");
	signal(SIGTERM, SIG_DFL);
	raise(*(int *)arg);
}

static void
loop(void *arg)
{
	rehearse_doing("plugin slow", "while it was loaded");
	for (;;)
		pause();
}

static void
leave_somebody_behind(void *arg)
{
	pid_t pid = fork();

	if (pid == 0)
		for (;;)
			pause();
	*shared = pid;
}

static void
goes_well(void **state)
{
	struct rend_error err = { 0 };
	int value = 5;

	*shared = 0;
	assert_int_equal(rehearse(go_well, &value, 10, &err), 0);
	assert_int_equal(*shared, 5);
	assert_false(rehearse_is_on());
	/* Outside of a rehearsal it is nothing. */
	rehearse_doing("nobody", "never");
}

static void
says_who_left(void **state)
{
	static const struct {
		int value;
		const char *said;
	} rows[] = {
		{ 3, "plugin bad ended the program with exit status 3 while it was loaded" },
		{ 0, "plugin bad ended the program with exit status 0 while it was loaded" },
	};

	for (size_t i = 0; i < 2; i++) {
		struct rend_error err = { 0 };
		int value = rows[i].value;

		assert_int_equal(rehearse(leave, &value, 10, &err), -1);
		assert_string_equal(err.text, rows[i].said);
		assert_int_equal(err.exit_code, EX_SOFTWARE);
	}
}

static void
says_who_died(void **state)
{
	struct rend_error err = { 0 };
	int sig = SIGTERM;

	assert_int_equal(rehearse(die, &sig, 10, &err), -1);
	assert_string_equal(err.text, "plugin bad died with signal 15 (Terminated) while it checked its options");
	assert_int_equal(err.exit_code, EX_SOFTWARE);
}

static void
does_not_wait_for_ever(void **state)
{
	struct rend_error err = { 0 };

	assert_int_equal(rehearse(loop, NULL, 1, &err), -1);
	assert_string_equal(err.text, "plugin slow did not come back within 1 s while it was loaded");
	/* Nobody is left to be reaped. */
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
}

/* A process that is gone, or has ended and only waits for whoever inherited it. */
static bool
is_over(pid_t pid)
{
	char path[64], text[512] = "";
	const char *state;
	int fd;

	if (kill(pid, 0) != 0)
		return true;
	snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
	fd = open(path, O_RDONLY);
	if (fd < 0 || read(fd, text, sizeof text - 1) < 0)
		text[0] = '\0';
	if (fd >= 0)
		close(fd);
	state = strrchr(text, ')');
	return state == NULL || state[2] == 'Z' || state[2] == 'X';
}

static void
ends_what_was_started(void **state)
{
	struct rend_error err = { 0 };
	int looks = 0;

	assert_int_equal(rehearse(leave_somebody_behind, NULL, 10, &err), 0);
	assert_true(*shared > 1);
	while (!is_over(*shared)) {
		assert_true(looks++ < 2000);
		usleep(5000);
	}
}

static void
keeps_the_signal_mask(void **state)
{
	struct rend_error err = { 0 };
	int value = 1;
	sigset_t mask;

	assert_int_equal(rehearse(go_well, &value, 10, &err), 0);
	assert_int_equal(sigprocmask(SIG_BLOCK, NULL, &mask), 0);
	assert_int_equal(sigismember(&mask, SIGCHLD), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(goes_well),
		cmocka_unit_test(says_who_left),
		cmocka_unit_test(says_who_died),
		cmocka_unit_test(does_not_wait_for_ever),
		cmocka_unit_test(ends_what_was_started),
		cmocka_unit_test(keeps_the_signal_mask),
	};

	shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
