/* Addresses as people write them. */
#include "address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/un.h>

#include <cmocka.h>

static void
good_ones(void **state)
{
	static const char *const texts[] = { "unix:/tmp/s", "localhost:11211", "127.0.0.1:1", "[::1]:11211",
		"a.b-c.example:65535" };

	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
		assert_null(address_fault(texts[i]));
}

static void
bad_ones(void **state)
{
	static const char *const texts[] = { "", "unix:", "unix:relative", "localhost", ":11211",
		"localhost:", "localhost:0", "localhost:65536", "localhost:123456", "localhost:1x", "localhost:-1",
		"::1:11211", "[::1]", "[::1:11211", "[]:1",
		"unix:/"
		"tttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttt"
		"ttttttttt" };

	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
		struct address a;
		const char *why = NULL;

		assert_non_null(address_fault(texts[i]));
		assert_int_equal(address_init(&a, texts[i], &why), -1);
		assert_non_null(why);
		assert_null(a.text);
	}
}

static void
what_they_mean(void **state)
{
	struct address a;
	const char *why;
	struct sockaddr_in in;
	struct sockaddr_un un;

	assert_int_equal(address_init(&a, "127.0.0.1:11311", &why), 0);
	assert_int_equal(a.count, 1);
	memcpy(&in, &a.routes[0].addr, sizeof in);
	assert_int_equal(in.sin_family, AF_INET);
	assert_int_equal(ntohs(in.sin_port), 11311);
	assert_int_equal(ntohl(in.sin_addr.s_addr), INADDR_LOOPBACK);
	assert_string_equal(a.text, "127.0.0.1:11311");
	address_fini(&a);
	assert_int_equal(address_init(&a, "unix:/run/m.sock", &why), 0);
	assert_int_equal(a.count, 1);
	memcpy(&un, &a.routes[0].addr, sizeof un);
	assert_int_equal(un.sun_family, AF_UNIX);
	assert_string_equal(un.sun_path, "/run/m.sock");
	address_fini(&a);
	assert_null(a.routes);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_ones),
		cmocka_unit_test(bad_ones),
		cmocka_unit_test(what_they_mean),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
