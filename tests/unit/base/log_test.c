/* The log: every line is written or counted, and nobody waits for it. */
#include "unit.h"

#include <sys/stat.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "base/log.h"

#define DEADLINE_S 20
#define TEXT_MAX   (1 << 22)

int __real_poll(struct pollfd *fds, nfds_t n, int ms);
int __wrap_poll(struct pollfd *fds, nfds_t n, int ms);

static char dir[32], path[64], other[64];
static char text[TEXT_MAX];

static int
setup(void **state)
{
	strcpy(dir, "/tmp/rend-log-XXXXXX");
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/log", dir);
	snprintf(other, sizeof(other), "%s/log.1", dir);
	return 0;
}

static int
teardown(void **state)
{
	log_stop();
	/* What the log still has to tell is told here, not in the next test. */
	assert_int_equal(log_open(other, REND_LOG_INFO), 0);
	rend_log(REND_LOG_INFO, "the end");
	log_open("stderr", REND_LOG_INFO);
	unlink(path);
	unlink(other);
	rmdir(path);
	return rmdir(dir);
}

/* What is in the file; nothing if there is none. */
static const char *
content(const char *file)
{
	int fd = open(file, O_RDONLY);
	ssize_t n, len = 0;

	text[0] = '\0';
	if (fd == -1)
		return text;
	while ((n = read(fd, text + len, TEXT_MAX - 1 - (size_t)len)) > 0)
		len += n;
	close(fd);
	text[len] = '\0';
	return text;
}

static bool
past(const struct timespec *deadline)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec > deadline->tv_sec;
}

static struct timespec
deadline(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	ts.tv_sec += DEADLINE_S;
	return ts;
}

static void
wait_for(const char *file, const char *what)
{
	struct timespec end = deadline();

	while (strstr(content(file), what) == NULL) {
		if (past(&end))
			fail_msg("\"%s\" did not come; there is: %s", what, text);
		usleep(1000);
	}
}

/* The sum of all n of "<before> n <after>". */
static unsigned long
sum_of(const char *in, const char *before, const char *after)
{
	unsigned long sum = 0;

	for (const char *at = in; (at = strstr(at, before)) != NULL;) {
		char *end;
		unsigned long n = strtoul(at += strlen(before), &end, 10);

		if (end != at && strncmp(end, after, strlen(after)) == 0)
			sum += n;
	}
	return sum;
}

static unsigned
occurrences(const char *in, const char *what)
{
	unsigned n = 0;

	for (; (in = strstr(in, what)) != NULL; in += strlen(what))
		n++;
	return n;
}

static void
test_format(void **state)
{
	struct stat st;
	int millis, len = 0;
	char stamp[32] = "";
	mode_t mask = umask(0);

	assert_int_equal(log_open(path, REND_LOG_INFO), 0);
	umask(mask);
	rend_log(REND_LOG_WARN, "cannot reach %s:%d\nindeed", "there", 11211);
	content(path);
	assert_int_equal(
	    sscanf(text, "%19[0-9T:-].%3dZ warn cannot reach there:11211\\nindeed%n", stamp, &millis, &len), 2);
	assert_int_equal(strlen(stamp), 19);
	assert_string_equal(text + len, "\n");
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0640);
}

static void
test_levels(void **state)
{
	enum rend_log_level level;

	assert_int_equal(log_open(path, REND_LOG_WARN), 0);
	rend_log(REND_LOG_INFO, "one");
	rend_log(REND_LOG_WARN, "two");
	log_set_level(REND_LOG_DEBUG);
	rend_log(REND_LOG_DEBUG, "three");
	content(path);
	assert_null(strstr(text, "one"));
	assert_non_null(strstr(text, " warn two\n"));
	assert_non_null(strstr(text, " debug three\n"));

	assert_int_equal(log_level_parse("error", &level), 0);
	assert_int_equal(level, REND_LOG_ERROR);
	assert_int_equal(log_level_parse("debug", &level), 0);
	assert_int_equal(level, REND_LOG_DEBUG);
	assert_int_equal(log_level_parse("", &level), -1);
	assert_int_equal(log_level_parse("warning", &level), -1);
	assert_int_equal(level, REND_LOG_DEBUG);
}

static void
test_places_that_cannot_be_opened(void **state)
{
	char longest[5000];

	assert_int_equal(log_open(path, REND_LOG_INFO), 0);
	assert_int_equal(log_open("/nowhere/at/all", REND_LOG_DEBUG), -1);
	assert_int_equal(errno, ENOENT);
	assert_int_equal(log_open(dir, REND_LOG_DEBUG), -1);
	assert_int_equal(errno, EISDIR);
	memset(longest, 'x', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	assert_int_equal(log_open(longest, REND_LOG_DEBUG), -1);
	assert_int_equal(errno, ENAMETOOLONG);
	rend_log(REND_LOG_INFO, "still here");
	rend_log(REND_LOG_DEBUG, "level unchanged");
	assert_non_null(strstr(content(path), "still here"));
	assert_null(strstr(text, "level unchanged"));
}

static void
test_errno_is_kept(void **state)
{
	assert_int_equal(log_open("/dev/full", REND_LOG_INFO), 0);
	errno = ECHILD;
	rend_log(REND_LOG_ERROR, "no room");
	assert_int_equal(errno, ECHILD);
}

static void
test_start_and_stop(void **state)
{
	assert_int_equal(log_open(path, REND_LOG_INFO), 0);
	log_stop();
	for (int i = 0; i < 20; i++) {
		rend_log(REND_LOG_INFO, "direct");
		assert_int_equal(log_start(), 0);
		assert_int_equal(log_start(), -1);
		assert_int_equal(errno, EBUSY);
		rend_log(REND_LOG_INFO, "through the ring");
		log_stop();
		log_stop();
		content(path);
		assert_int_equal(occurrences(text, "info direct\n"), i + 1);
		assert_int_equal(occurrences(text, "info through the ring\n"), i + 1);
	}
}

#define TALKERS 4
#define SAYINGS 3000

static void *
talk(void *arg)
{
	int who = *(int *)arg;

	for (int i = 0; i < SAYINGS; i++)
		rend_log(REND_LOG_INFO, "talker %d says %d.", who, i);
	return NULL;
}

static void
test_many_talkers(void **state)
{
	pthread_t threads[TALKERS];
	int who[TALKERS], next[TALKERS] = { 0 };
	uint64_t before = log_dropped();
	unsigned lines = 0;

	assert_int_equal(log_open(path, REND_LOG_INFO), 0);
	assert_int_equal(log_start(), 0);
	for (int t = 0; t < TALKERS; t++) {
		who[t] = t;
		assert_int_equal(pthread_create(&threads[t], NULL, talk, &who[t]), 0);
	}
	for (int t = 0; t < TALKERS; t++)
		pthread_join(threads[t], NULL);
	log_stop();

	content(path);
	for (const char *at = text; (at = strstr(at, "talker ")) != NULL; at++, lines++) {
		int t, i;

		assert_int_equal(sscanf(at, "talker %d says %d.\n", &t, &i), 2);
		assert_in_range(t, 0, TALKERS - 1);
		assert_true(i >= next[t]);
		next[t] = i + 1;
	}
	assert_true(lines > 0);
	assert_int_equal(lines + (log_dropped() - before), TALKERS * SAYINGS);
	assert_int_equal(sum_of(text, " warn ", " lines were dropped here\n"), log_dropped() - before);
}

/* The note may come in parts, if the machine stood still for a second meanwhile. */
static void
test_repeated_lines_are_counted(void **state)
{
	assert_int_equal(log_open(path, REND_LOG_INFO), 0);
	assert_int_equal(log_start(), 0);
	for (int i = 0; i < 1000; i++)
		rend_log(REND_LOG_WARN, "backend %s is down", "b1");
	rend_log(REND_LOG_INFO, "something else");
	rend_log(REND_LOG_INFO, "something else");
	log_stop();
	content(path);
	assert_int_equal(occurrences(text, "backend b1 is down"), 1);
	assert_int_equal(sum_of(text, "warn last line repeated ", " times\n"), 999);
	assert_int_equal(occurrences(text, "something else"), 1);
	assert_int_equal(sum_of(text, "info last line repeated ", " times\n"), 1);
	assert_true(strstr(text, "warn last line") < strstr(text, "something else"));
}

static void
test_repetitions_are_told_if_nothing_else_comes(void **state)
{
	assert_int_equal(log_open(path, REND_LOG_INFO), 0);
	assert_int_equal(log_start(), 0);
	for (int i = 0; i < 3; i++)
		rend_log(REND_LOG_WARN, "same");
	wait_for(path, "last line repeated ");
	assert_int_equal(sum_of(text, "last line repeated ", " times\n"), 2);
	rend_log(REND_LOG_WARN, "same");
	log_stop();
	content(path);
	assert_int_equal(occurrences(text, "same"), 1);
	assert_int_equal(sum_of(text, "last line repeated ", " times\n"), 3);
}

#define FLOOD 5000

/* A pipe that nobody reads for a while: the talker does not wait, and later the log tells what is missing, where it is
 * missing. */
static void
test_a_reader_that_sleeps(void **state)
{
	uint64_t before = log_dropped();
	struct timespec end;
	size_t len = 0;
	long last = -1, missing = 0;
	unsigned got = 0;
	int fd;

	assert_int_equal(mkfifo(path, 0600), 0);
	fd = open(path, O_RDONLY | O_NONBLOCK);
	assert_int_not_equal(fd, -1);
	assert_int_equal(log_open(path, REND_LOG_INFO), 0);
	assert_int_equal(log_start(), 0);
	for (int i = 0; i < FLOOD; i++)
		rend_log(REND_LOG_INFO, "flood %d %0200d", i, 0);
	assert_true(log_dropped() > before);

	end = deadline();
	text[0] = '\0';
	while (occurrences(text, "000\n") + sum_of(text, " warn ", " lines were dropped here\n") < FLOOD) {
		ssize_t n = read(fd, text + len, TEXT_MAX - 1 - len);

		assert_false(past(&end));
		if (n > 0)
			text[len += (size_t)n] = '\0';
		else
			usleep(1000);
	}
	assert_int_equal(sum_of(text, " warn ", " lines were dropped here\n"), log_dropped() - before);
	for (const char *at = text; (at = strstr(at, "flood ")) != NULL; at++, got++) {
		long i = strtol(at + strlen("flood "), NULL, 10);

		assert_true(i > last);
		missing += i - last - 1;
		last = i;
	}
	missing += FLOOD - 1 - last;
	assert_int_equal(got + (unsigned long)missing, FLOOD);
	assert_int_equal(missing, log_dropped() - before);
	close(fd);
}

static void
test_a_reader_that_goes(void **state)
{
	uint64_t before = log_dropped();
	int fd;

	assert_int_equal(mkfifo(path, 0600), 0);
	fd = open(path, O_RDONLY | O_NONBLOCK);
	assert_int_equal(log_open(path, REND_LOG_INFO), 0);
	assert_int_equal(log_start(), 0);
	close(fd);
	for (int i = 0; i < 10; i++)
		rend_log(REND_LOG_INFO, "to nobody %d", i);
	log_stop();
	assert_int_equal(log_dropped() - before, 10);
}

/* More than a pipe takes, even if the thread is late and only what is in the ring gets there. */
static void
flood(void)
{
	for (int i = 0; i < FLOOD; i++)
		rend_log(REND_LOG_INFO, "flood %d %0900d", i, 0);
}

/* Runs act in a child whose stderr is a pipe that nobody reads; act gets the other end, and returns 0 if all is well.
 */
static void
with_nobody_at_stderr(int (*act)(int reader))
{
	int ends[2], status;
	pid_t pid;

	assert_int_equal(pipe(ends), 0);
	pid = fork();
	assert_int_not_equal(pid, -1);
	if (pid == 0) {
		alarm(DEADLINE_S);
		dup2(ends[1], STDERR_FILENO);
		close(ends[1]);
		_exit(act(ends[0]) != 0);
	}
	close(ends[1]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	close(ends[0]);
}

/* stderr as a service manager that hangs gives it to us: the program must still end. */
static int
stop_without_reader(int reader)
{
	if (log_start() != 0)
		return 1;
	flood();
	log_stop();
	/* The thread came to its end. */
	if (log_start() != 0)
		return 1;
	log_stop();
	/* Lines at once wait a bounded time, too. */
	for (int i = 0; i < 100; i++)
		rend_log(REND_LOG_INFO, "at once %d", i);
	return log_dropped() < FLOOD / 2;
}

static void
test_stop_does_not_wait_for_a_reader(void **state)
{
	with_nobody_at_stderr(stop_without_reader);
}

/* When set, whatever is asked is ready, and the write that follows does not return. */
static atomic_bool poll_lies;

int
__wrap_poll(struct pollfd *fds, nfds_t n, int ms)
{
	return poll_lies ? 1 : __real_poll(fds, n, ms);
}

/* A thread that does not come back from a write is left behind; when it comes back after all, everything is as before.
 */
static int
stop_in_a_write(int reader)
{
	struct timespec end = deadline();
	uint64_t before;

	if (log_start() != 0)
		return 1;
	poll_lies = true;
	flood();
	log_stop();
	if (log_start() != -1 || errno != EBUSY)
		return 1;
	before = log_dropped();
	rend_log(REND_LOG_INFO, "to nobody");
	if (log_dropped() - before != 1)
		return 1;

	poll_lies = false;
	fcntl(reader, F_SETFL, O_NONBLOCK);
	while (log_start() != 0) {
		if (past(&end))
			return 1;
		while (read(reader, text, TEXT_MAX) > 0)
			;
	}
	log_stop();
	return 0;
}

static void
test_stop_does_not_wait_for_a_write(void **state)
{
	with_nobody_at_stderr(stop_in_a_write);
}

static void
test_a_full_disk(void **state)
{
	uint64_t before = log_dropped();
	struct timespec end = deadline();

	assert_int_equal(log_open("/dev/full", REND_LOG_INFO), 0);
	assert_int_equal(log_start(), 0);
	/* One by one: the notes of what is missing have no room, either. */
	for (unsigned i = 0; i < 50; i++) {
		rend_log(REND_LOG_INFO, "no room %u", i);
		while (log_dropped() - before != i + 1)
			assert_false(past(&end));
	}
	log_stop();
	assert_int_equal(log_dropped() - before, 50);

	/* When there is room again, the log says what is missing. */
	assert_int_equal(log_open(path, REND_LOG_INFO), 0);
	assert_int_equal(log_start(), 0);
	rend_log(REND_LOG_INFO, "room");
	log_stop();
	content(path);
	assert_int_equal(sum_of(text, " warn ", " lines were dropped here\n"), 50);
	assert_int_equal(occurrences(text, "info room\n"), 1);
	assert_int_equal(log_dropped() - before, 50);
}

static void
reopen_after_rename(bool threaded)
{
	assert_int_equal(log_open(path, REND_LOG_INFO), 0);
	if (threaded)
		assert_int_equal(log_start(), 0);
	rend_log(REND_LOG_INFO, "before");
	wait_for(path, "before");
	assert_int_equal(rename(path, other), 0);
	log_reopen();
	rend_log(REND_LOG_INFO, "after");
	log_stop();
	assert_null(strstr(content(path), "before"));
	assert_non_null(strstr(text, "after"));
	assert_null(strstr(content(other), "after"));
}

static void
test_reopen(void **state)
{
	reopen_after_rename(false);
}

static void
test_reopen_with_a_thread(void **state)
{
	reopen_after_rename(true);
}

static void
test_reopen_in_vain(void **state)
{
	assert_int_equal(log_open(path, REND_LOG_INFO), 0);
	assert_int_equal(log_start(), 0);
	assert_int_equal(rename(path, other), 0);
	assert_int_equal(mkdir(path, 0700), 0);
	log_reopen();
	wait_for(other, "error cannot open the log");
	rend_log(REND_LOG_INFO, "still here");
	log_stop();
	assert_non_null(strstr(content(other), "still here"));
}

static void
test_another_place_while_it_runs(void **state)
{
	assert_int_equal(log_open(path, REND_LOG_INFO), 0);
	assert_int_equal(log_start(), 0);
	rend_log(REND_LOG_INFO, "here");
	wait_for(path, "here");
	assert_int_equal(log_open(other, REND_LOG_ERROR), 0);
	rend_log(REND_LOG_INFO, "too low");
	rend_log(REND_LOG_ERROR, "there");
	log_stop();
	assert_non_null(strstr(content(other), "error there\n"));
	assert_null(strstr(text, "too low"));
	assert_null(strstr(content(path), "there"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_format),
		TEST(test_levels),
		TEST(test_places_that_cannot_be_opened),
		TEST(test_errno_is_kept),
		TEST(test_start_and_stop),
		TEST(test_many_talkers),
		TEST(test_repeated_lines_are_counted),
		TEST(test_repetitions_are_told_if_nothing_else_comes),
		TEST(test_a_reader_that_sleeps),
		TEST(test_a_reader_that_goes),
		TEST(test_stop_does_not_wait_for_a_reader),
		TEST(test_stop_does_not_wait_for_a_write),
		TEST(test_a_full_disk),
		TEST(test_reopen),
		TEST(test_reopen_with_a_thread),
		TEST(test_reopen_in_vain),
		TEST(test_another_place_while_it_runs),
	};

	/* A test that hangs fails. */
	alarm(120);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
