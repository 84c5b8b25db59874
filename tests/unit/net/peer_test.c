/* Addresses as people read them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "net/peer.h"

static const char *
print_un(const char *path, size_t len)
{
	static char name[PEER_NAME_MAX];
	struct sockaddr_storage ss = { 0 };
	struct sockaddr_un *un = (struct sockaddr_un *)(void *)&ss;

	un->sun_family = AF_UNIX;
	memcpy(un->sun_path, path, len);
	peer_print(&ss, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len), name);
	return name;
}

static void
test_tcp(void **state)
{
	struct sockaddr_storage ss = { 0 };
	struct sockaddr_in *in = (struct sockaddr_in *)(void *)&ss;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)(void *)&ss;
	char name[PEER_NAME_MAX];

	(void)state;
	in->sin_family = AF_INET;
	in->sin_port = htons(11211);
	in->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	peer_print(&ss, sizeof *in, name);
	assert_string_equal(name, "tcp:127.0.0.1:11211");
	memset(&ss, 0, sizeof ss);
	in6->sin6_family = AF_INET6;
	in6->sin6_port = htons(1);
	in6->sin6_addr = in6addr_loopback;
	peer_print(&ss, sizeof *in6, name);
	assert_string_equal(name, "tcp6:[::1]:1");
}

static void
test_unix(void **state)
{
	char longest[sizeof(((struct sockaddr_un *)0)->sun_path)], expected[PEER_NAME_MAX] = "unix:";

	(void)state;
	assert_string_equal(print_un("", 0), "unix:<unnamed>");
	assert_string_equal(print_un("/tmp/x.sock", 12), "unix:/tmp/x.sock");
	assert_string_equal(print_un("/tmp/x.sock\0junk", 16), "unix:/tmp/x.sock");
	assert_string_equal(print_un("/tmp/no end", 11), "unix:/tmp/no%20end");
	assert_string_equal(print_un("\0abstract\0\n", 11), "unix:@abstract%00%0A");
	assert_string_equal(print_un("\0", 1), "unix:@");
	/* The longest there is fills the address to its end. */
	memset(longest, 0xff, sizeof longest);
	for (size_t i = 0; i < sizeof longest; i++)
		strcat(expected, "%FF");
	assert_string_equal(print_un(longest, sizeof longest), expected);
}

static void
test_what_it_does_not_know(void **state)
{
	struct sockaddr_storage ss = { .ss_family = AF_APPLETALK };
	char name[PEER_NAME_MAX];
	int pair[2];

	(void)state;
	peer_print(&ss, sizeof ss, name);
	assert_string_equal(name, "?:<AF 5>");
	peer_print(&ss, 0, name);
	assert_string_equal(name, "?:<AF 0>");
	peer_of(-1, name);
	assert_string_equal(name, "?:<AF 0>");
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	peer_of(pair[0], name);
	assert_string_equal(name, "unix:<unnamed>");
	peer_self(pair[0], name);
	assert_string_equal(name, "unix:<unnamed>");
	close(pair[0]);
	close(pair[1]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tcp),
		cmocka_unit_test(test_unix),
		cmocka_unit_test(test_what_it_does_not_know),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
