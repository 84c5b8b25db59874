/* Sinks that are full, gone, or only slow. */
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>

#include "base/sink.h"

static void
test_a_full_pipe(void **state)
{
	static char bytes[2 * SINK_WRITE_MAX], got[2 * SINK_WRITE_MAX];
	size_t total = 0;
	int ends[2];
	ssize_t n;

	memset(bytes, 'x', sizeof(bytes));
	assert_int_equal(pipe(ends), 0); /* as stderr: blocking */
	while ((n = sink_write(ends[1], bytes, sizeof(bytes), 0)) > 0) {
		assert_in_range(n, 1, SINK_WRITE_MAX);
		total += (size_t)n;
	}
	assert_int_equal(n, 0);
	assert_in_range(total, SINK_WRITE_MAX, 1 << 24);

	/* Room for less than a page is not room: the write would wait. */
	assert_int_equal(read(ends[0], got, 1), 1);
	assert_int_equal(sink_write(ends[1], bytes, SINK_WRITE_MAX, 1), 0);
	assert_int_equal(read(ends[0], got, SINK_WRITE_MAX), SINK_WRITE_MAX);
	assert_int_equal(sink_write(ends[1], bytes, SINK_WRITE_MAX, 1), SINK_WRITE_MAX);
	close(ends[0]);
	close(ends[1]);
}

static void
test_a_reader_that_is_gone(void **state)
{
	int ends[2];

	signal(SIGPIPE, SIG_IGN);
	assert_int_equal(pipe(ends), 0);
	close(ends[0]);
	assert_int_equal(sink_write(ends[1], "x", 1, 1000), -1);
	assert_int_equal(errno, EPIPE);
	close(ends[1]);
	signal(SIGPIPE, SIG_DFL);
}

static void
test_a_full_disk(void **state)
{
	bool made = true;
	int fd = sink_open("/dev/full", &made);

	assert_int_not_equal(fd, -1);
	assert_false(made);
	assert_int_equal(sink_write(fd, "x", 1, 1000), -1);
	assert_int_equal(errno, ENOSPC);
	sink_close(fd);
	assert_int_equal(fcntl(fd, F_GETFD), -1);
}

static void
test_stderr_stays(void **state)
{
	bool made = true;

	assert_int_equal(sink_open("", &made), STDERR_FILENO);
	assert_false(made);
	sink_close(STDERR_FILENO);
	sink_close(-1);
	assert_int_not_equal(fcntl(STDERR_FILENO, F_GETFD), -1);
}

static void
test_a_pipe_without_a_reader(void **state)
{
	char dir[] = "/tmp/rend-sink-XXXXXX", path[64];

	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/fifo", dir);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(sink_open(path, NULL), -1); /* at once */
	assert_int_equal(errno, ENXIO);
	unlink(path);
	rmdir(dir);
}

static void
test_a_file_is_made_once(void **state)
{
	char dir[] = "/tmp/rend-sink-XXXXXX", path[64];
	bool made = false;

	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/log", dir);
	sink_close(sink_open(path, &made));
	assert_true(made);
	sink_close(sink_open(path, &made));
	assert_false(made);
	sink_close(sink_open("/no/such/folder", &made));
	assert_false(made);
	assert_int_equal(unlink(path), 0);
	rmdir(dir);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_full_pipe),
		cmocka_unit_test(test_a_reader_that_is_gone),
		cmocka_unit_test(test_a_full_disk),
		cmocka_unit_test(test_stderr_stays),
		cmocka_unit_test(test_a_pipe_without_a_reader),
		cmocka_unit_test(test_a_file_is_made_once),
	};

	alarm(60);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
