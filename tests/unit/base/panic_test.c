/* Panics, in children: what they say, and that they end. */
#include "unit.h"

#include <sys/resource.h>
#include <sys/wait.h>

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>

#include "base/log.h"
#include "base/panic.h"
#include "rend/check.h"

static char said[1 << 16];

/* What a child writes to stderr while it does this goes to said.  Returns how it ended. */
static int
child(void (*act)(void))
{
	const struct rlimit none = { 0 };
	size_t len = 0;
	int ends[2], status;
	ssize_t n;
	pid_t pid;

	assert_int_equal(pipe(ends), 0);
	pid = fork();
	assert_int_not_equal(pid, -1);
	if (pid == 0) {
		setrlimit(RLIMIT_CORE, &none);
		signal(SIGABRT, SIG_DFL); /* a sanitizer may have an opinion of its own */
		dup2(ends[1], STDERR_FILENO);
		close(ends[0]);
		close(ends[1]);
		act();
		_exit(0);
	}
	close(ends[1]);
	while ((n = read(ends[0], said + len, sizeof(said) - 1 - len)) > 0)
		len += (size_t)n;
	said[len] = '\0';
	close(ends[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static void
assert_aborted(int status)
{
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGABRT);
}

static void
fail_assert(void)
{
	int two = 2;

	REND_ASSERT(two == 2);
	REND_ASSERT(two == 3);
}

static void
test_assert(void **state)
{
	assert_aborted(child(fail_assert));
	assert_non_null(strstr(said, " panic "));
	assert_non_null(strstr(said, "panic_test.c:"));
	assert_non_null(strstr(said, ": assert: two == 3\n"));
	/* A backtrace: this program's name, at least for the frame of the panic itself. */
	assert_non_null(strstr(said, "panic_test("));
}

static void
meet_a_debt(void)
{
	REND_MISSING("a value of %s pieces");
}

static void
test_missing(void **state)
{
	assert_aborted(child(meet_a_debt));
	assert_non_null(strstr(said, "not handled: a value of %s pieces\n"));
}

struct thing {
	unsigned magic;
};

static void
take_the_wrong_thing(void)
{
	struct thing wrong = { .magic = 0xbad }, *obj = &wrong;

	REND_CHECK(obj, 0xbad);
	REND_CHECK(obj, 0x600d);
}

static void
take_nothing(void)
{
	struct thing *obj = NULL;

	REND_CHECK(obj, 0x600d);
}

static void
test_check(void **state)
{
	assert_aborted(child(take_the_wrong_thing));
	assert_non_null(strstr(said, "obj is not what it should be (magic 0xbad)"));
	assert_aborted(child(take_nothing));
	assert_non_null(strstr(said, "obj is not what it should be (magic 0)"));
}

static void
write_context(int fd)
{
	dprintf(fd, "\tthe op at hand\n");
}

static void
panic_with_context(void)
{
	panic_context = write_context;
	rend_panic("here.c", 12, "%s", "two\nlines");
}

static void
test_context(void **state)
{
	const char *sentence, *context;

	assert_aborted(child(panic_with_context));
	sentence = strstr(said, " panic here.c:12: two?lines\n");
	context = strstr(said, "\tthe op at hand\n");
	assert_non_null(sentence);
	assert_non_null(context);
	assert_true(sentence < context);
}

static void
panic_again(int fd)
{
	REND_ASSERT(fd == -1);
}

static void
panic_in_a_panic(void)
{
	panic_context = panic_again;
	rend_panic("here.c", 12, "first");
}

static void
test_a_panic_in_a_panic(void **state)
{
	assert_aborted(child(panic_in_a_panic));
	assert_non_null(strstr(said, "first"));
}

static void
wait_forever(int fd)
{
	for (;;)
		pause();
}

static void
panic_that_hangs(void)
{
	sigset_t all;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, NULL);
	panic_context = wait_forever;
	rend_panic("here.c", 12, "hanging");
}

static void
test_a_panic_that_hangs(void **state)
{
	assert_aborted(child(panic_that_hangs));
	assert_non_null(strstr(said, "hanging"));
}

static void
panic_to_nobody(void)
{
	static const char page[4096];
	struct pollfd ready = { .events = POLLOUT };
	int ends[2];

	if (pipe(ends) != 0)
		_exit(1);
	ready.fd = ends[1];
	while (poll(&ready, 1, 0) == 1) {
		if (write(ends[1], page, sizeof(page)) <= 0)
			_exit(1);
	}
	dup2(ends[1], STDERR_FILENO);
	rend_panic("here.c", 12, "unheard");
}

static void
test_a_reader_that_does_not_read(void **state)
{
	assert_aborted(child(panic_to_nobody));
}

static void *
panic_too(void *arg)
{
	rend_panic("here.c", *(int *)arg, "one of many");
}

static void
panic_everywhere(void)
{
	pthread_t threads[4];
	int lines[4];

	for (int i = 0; i < 4; i++) {
		lines[i] = i;
		pthread_create(&threads[i], NULL, panic_too, &lines[i]);
	}
	pthread_join(threads[0], NULL);
}

static void
test_one_of_many_has_the_word(void **state)
{
	const char *one;

	assert_aborted(child(panic_everywhere));
	one = strstr(said, "one of many");
	assert_non_null(one);
	assert_null(strstr(one + 1, "one of many"));
}

static char path[64];

static void
panic_after_lines(void)
{
	if (log_open(path, REND_LOG_INFO) != 0 || log_start() != 0)
		_exit(1);
	for (int i = 0; i < 100; i++)
		rend_log(REND_LOG_INFO, "line %d of the story", i);
	rend_panic("here.c", 12, "the end of it");
}

/* The log has what led to it, and the panic too. */
static void
test_the_log_is_written_first(void **state)
{
	char dir[] = "/tmp/rend-panic-XXXXXX", text[1 << 15];
	const char *last, *end;
	ssize_t n;
	int fd;

	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/log", dir);
	assert_aborted(child(panic_after_lines));
	assert_non_null(strstr(said, "the end of it"));
	fd = open(path, O_RDONLY);
	assert_int_not_equal(fd, -1);
	n = read(fd, text, sizeof(text) - 1);
	assert_true(n > 0);
	text[n] = '\0';
	close(fd);
	last = strstr(text, "line 99 of the story\n");
	end = strstr(text, " panic here.c:12: the end of it\n");
	assert_non_null(last);
	assert_non_null(end);
	assert_true(last < end);
	unlink(path);
	rmdir(dir);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_assert),
		cmocka_unit_test(test_missing),
		cmocka_unit_test(test_check),
		cmocka_unit_test(test_context),
		cmocka_unit_test(test_a_panic_in_a_panic),
		cmocka_unit_test(test_a_panic_that_hangs),
		cmocka_unit_test(test_a_reader_that_does_not_read),
		cmocka_unit_test(test_one_of_many_has_the_word),
		cmocka_unit_test(test_the_log_is_written_first),
	};

	alarm(60);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
