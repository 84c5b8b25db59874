/* Connections of another process that come to a worker while it holds: what they have said is answered, also at the end; or they are closed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "engine/generation.h"
#include "net/arrivals.h"
#include "net/inherited.h"
#include "net/listener.h"
#include "net/passage.h"
#include "net/server.h"
#include "net/swap.h"

#define COUNT	 200
#define PATIENCE 60000 /* ms */

static struct rend_node policy;
static struct server_settings settings = { .workers = 1, .item_size_max = 1000 };
static struct listener listener = { .from = 1, .settings = &listener.own, .own.policy = &policy };
static struct inherited_socket socket_before = { .fd = -1, .policy = (char[]){ "main" } };
static struct inherited sockets = { .all = &socket_before, .count = 1 };
static struct loop loop;
static struct server server;
static int clients[COUNT];

static int
setup(void **state)
{
	struct rend_error err = { 0 };
	struct generation *g = calloc(1, sizeof *g);

	(void)state;
	if (g == NULL)
		return -1;
	g->magic = GENERATION_MAGIC;
	server = (struct server){ .settings = &settings,
		.generation = g,
		.loops = &loop,
		.listeners = &listener,
		.listener_count = 1,
		.listener_room = 1 };
	listener.server = &server;
	if (flush_timer_init(&server.flush_timer, 1) != 0 || loop_start(&loop, &server, 0, &err) != 0)
		return -1;
	server.loop_count = 1;
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	flush_timer_fini(&server.flush_timer);
	free(server.generation);
	for (int i = 0; i < COUNT; i++)
		close(clients[i]);
	return 0;
}

/* Where what they say lies: it was read, in another process, or it was not. */
enum lies { IN_LETTER, IN_SOCKET };

static void
arrive(const char *said, enum lies lies)
{
	static struct passenger all[COUNT];
	size_t len = strlen(said);

	for (int i = 0; i < COUNT; i++) {
		int pair[2];

		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair), 0);
		clients[i] = pair[0];
		all[i] = (struct passenger){ .fd = pair[1], .file = -1 };
		if (lies == IN_SOCKET) {
			assert_int_equal(send(clients[i], said, len, 0), len);
		} else {
			all[i].in = strdup(said);
			all[i].in_len = len;
		}
		all[i].dialog.protocol = &text_protocol;
	}
	arrivals_seat(&server, &loop, &sockets, all, COUNT, 1);
}

static void
hold(void)
{
	struct generation *g = server.generation;

	assert_int_equal(swap_hold(&server, &g, 1, 60000000000ULL), SWAP_HELD);
}

static void
go_on(void)
{
	const struct rend_node *policies[] = { &policy };

	swap_begin(&server, server.generation, policies, &settings);
}

/* Up to the end of the connection, or so many bytes. */
static size_t
hear(int fd, char *to, size_t room)
{
	size_t len = 0;

	while (len < room) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		ssize_t n;

		assert_int_equal(poll(&p, 1, PATIENCE), 1);
		n = recv(fd, to + len, room - len, 0);
		if (n <= 0)
			break;
		len += (size_t)n;
	}
	return len;
}

static void
end(void)
{
	static const struct timespec look = { .tv_nsec = 1000 * 1000 };

	loop_stop(&loop);
	while (!loop_is_quiet(&loop))
		nanosleep(&look, NULL);
	assert_true(loop_end(&loop));
	loop_fini(&loop);
	assert_int_equal(server.connections, 0);
	assert_int_equal(listener.open, 0);
}

static void
test_they_are_heard_when_it_goes_on(void **state)
{
	char said[16];

	(void)state;
	hold();
	arrive("mn\r\n", IN_LETTER);
	/* It has taken them, and holds. */
	assert_true(swap_next_turn(&server));
	assert_true(swap_next_turn(&server));
	assert_int_equal(recv(clients[0], said, 1, MSG_DONTWAIT), -1);
	go_on();
	for (int i = 0; i < COUNT; i++) {
		assert_int_equal(hear(clients[i], said, 4), 4);
		assert_memory_equal(said, "MN\r\n", 4);
	}
	end();
	assert_int_equal(hear(clients[COUNT - 1], said, 1), 0);
}

/* All that it was told before is answered before it ends. */
static void
are_answered_at_the_end(enum lies lies)
{
	char said[16];

	hold();
	arrive("mn\r\n", lies);
	loop_drain(&loop);
	assert_true(swap_next_turn(&server));
	go_on();
	for (int i = 0; i < COUNT; i++) {
		assert_int_equal(hear(clients[i], said, sizeof said), 4);
		assert_memory_equal(said, "MN\r\n", 4);
	}
	end();
}

static void
test_they_are_answered_at_the_end(void **state)
{
	(void)state;
	are_answered_at_the_end(IN_LETTER);
}

static void
test_what_nobody_has_read_is_answered_at_the_end(void **state)
{
	(void)state;
	are_answered_at_the_end(IN_SOCKET);
}

/* What waits for a seat is one of those that the next hold holds. */
static void
test_none_is_left_out_when_it_holds_again(void **state)
{
	char said[16];

	(void)state;
	arrive("mn\r\n", IN_LETTER);
	hold();
	assert_int_equal(loop_connections(&loop), COUNT);
	go_on();
	for (int i = 0; i < COUNT; i++)
		assert_int_equal(hear(clients[i], said, 4), 4);
	end();
}

static void
test_they_are_closed_if_it_never_goes_on(void **state)
{
	char said[16];

	(void)state;
	hold();
	arrive("mn\r\n", IN_LETTER);
	assert_true(swap_next_turn(&server));
	end();
	for (int i = 0; i < COUNT; i++)
		assert_int_equal(hear(clients[i], said, 1), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_they_are_heard_when_it_goes_on, setup, teardown),
		cmocka_unit_test_setup_teardown(test_they_are_answered_at_the_end, setup, teardown),
		cmocka_unit_test_setup_teardown(test_what_nobody_has_read_is_answered_at_the_end, setup, teardown),
		cmocka_unit_test_setup_teardown(test_none_is_left_out_when_it_holds_again, setup, teardown),
		cmocka_unit_test_setup_teardown(test_they_are_closed_if_it_never_goes_on, setup, teardown),
	};

	worker_set_count(1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
