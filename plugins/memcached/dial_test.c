/* What becomes of an attempt to connect, in time and late. */
#include "dial.h"

#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>
#include <event2/event.h>

#define MS   1000000ULL
#define LONG (3600 * 1000 * MS) /* nobody waits for so long here */

struct call {
	struct event_base *base;
	struct dial dial;
	int calls, fd, error;
};

static void
on_done(void *arg, int fd, int error)
{
	struct call *c = arg;

	c->calls++;
	c->fd = fd;
	c->error = error;
}

/* A port of ours, and the way to it.  Who does not listen refuses. */
static int
port(struct route *to, int backlog)
{
	struct sockaddr_in *in = (struct sockaddr_in *)&to->addr;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	*in = (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	to->len = sizeof *in;
	assert_int_equal(bind(fd, (struct sockaddr *)in, to->len), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)in, &to->len), 0);
	if (backlog >= 0)
		assert_int_equal(listen(fd, backlog), 0);
	return fd;
}

static void
start(struct call *c, const struct routes *to, uint64_t limit)
{
	*c = (struct call){ .base = event_base_new(), .fd = -1 };
	assert_non_null(c->base);
	c->dial = (struct dial){ .base = c->base, .to = to, .limit = limit, .done = on_done, .arg = c };
	dial_start(&c->dial);
}

/* Goes on until it is done: once, and then nothing is left to wait for. */
static void
finish(struct call *c)
{
	assert_int_equal(event_base_dispatch(c->base), 1);
	assert_int_equal(c->calls, 1);
	assert_null(c->dial.event);
	if (c->fd >= 0)
		close(c->fd);
	event_base_free(c->base);
}

static uint64_t
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 * MS + (uint64_t)t.tv_nsec;
}

/* We do other things for longer than that, also as libevent counts, whose clock ticks 250 times a second or less. */
static void
be_late(void)
{
	uint64_t until = now() + 50 * MS;

	while (now() < until)
		nanosleep(&(struct timespec){ .tv_nsec = 10 * MS }, NULL);
}

/* Connections that nobody takes: then the next one hangs. */
static void
fill(const struct route *to, int *fds, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		assert_true(fds[i] >= 0);
		assert_true(connect(fds[i], (const struct sockaddr *)&to->addr, to->len) == 0 || errno == EINPROGRESS);
	}
}

static void
is_made(void **state)
{
	struct routes *to = routes_new(1);
	int server = port(&to->route[0], 1);
	struct call c;

	start(&c, to, LONG);
	finish(&c);
	assert_true(c.fd >= 0);
	close(server);
	routes_drop(&to);
}

/* One that is there is there, although its time is over when we come to look. */
static void
is_there_when_we_are_late(void **state)
{
	struct routes *to = routes_new(1);
	int server = port(&to->route[0], 1);
	struct call c;

	start(&c, to, MS);
	be_late();
	finish(&c);
	assert_true(c.fd >= 0);
	assert_int_equal(c.error, 0);
	close(server);
	routes_drop(&to);
}

/* So is one that was refused. */
static void
is_refused_when_we_are_late(void **state)
{
	struct routes *to = routes_new(1);
	int nobody = port(&to->route[0], -1);
	struct call c;

	start(&c, to, MS);
	be_late();
	finish(&c);
	assert_int_equal(c.fd, -1);
	assert_int_equal(c.error, ECONNREFUSED);
	close(nobody);
	routes_drop(&to);
}

/* And one that hangs is given up, for the next way if there is one. */
static void
ends_in_time(void **state)
{
	struct routes *hung = routes_new(1), *both = routes_new(2);
	int fillers[4], full = port(&hung->route[0], 0), server = port(&both->route[1], 1);
	struct call c;

	fill(&hung->route[0], fillers, 4);
	start(&c, hung, 20 * MS);
	finish(&c);
	assert_int_equal(c.fd, -1);
	assert_int_equal(c.error, ETIMEDOUT);
	both->route[0] = hung->route[0];
	start(&c, both, 20 * MS);
	finish(&c);
	assert_true(c.fd >= 0);
	assert_int_equal(c.dial.route, 1);
	for (size_t i = 0; i < 4; i++)
		close(fillers[i]);
	close(full);
	close(server);
	routes_drop(&hung);
	routes_drop(&both);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(is_made),
		cmocka_unit_test(is_there_when_we_are_late),
		cmocka_unit_test(is_refused_when_we_are_late),
		cmocka_unit_test(ends_in_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
