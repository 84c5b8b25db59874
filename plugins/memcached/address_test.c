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
		const char *why = NULL;

		assert_non_null(address_fault(texts[i]));
		assert_null(address_resolve(texts[i], &why));
		assert_non_null(why);
	}
}

static void
what_they_mean(void **state)
{
	struct routes *r;
	const char *why;
	struct sockaddr_in in;
	struct sockaddr_un un;

	r = address_resolve("127.0.0.1:11311", &why);
	assert_non_null(r);
	assert_int_equal(r->count, 1);
	memcpy(&in, &r->route[0].addr, sizeof in);
	assert_int_equal(in.sin_family, AF_INET);
	assert_int_equal(ntohs(in.sin_port), 11311);
	assert_int_equal(ntohl(in.sin_addr.s_addr), INADDR_LOOPBACK);
	routes_drop(&r);
	assert_null(r);
	r = address_resolve("unix:/run/m.sock", &why);
	assert_non_null(r);
	assert_int_equal(r->count, 1);
	memcpy(&un, &r->route[0].addr, sizeof un);
	assert_int_equal(un.sun_family, AF_UNIX);
	assert_string_equal(un.sun_path, "/run/m.sock");
	routes_drop(&r);
}

static void
which_are_fixed(void **state)
{
	static const char *const fixed[] = { "unix:/tmp/s", "127.0.0.1:1", "[::1]:11211", "127.1:2" };
	static const char *const names[] = { "localhost:11211", "a.b-c.example:65535" };

	for (size_t i = 0; i < sizeof fixed / sizeof fixed[0]; i++)
		assert_true(address_is_fixed(fixed[i]));
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		assert_false(address_is_fixed(names[i]));
}

/* Routes to these ports of the loopback. */
static struct routes *
routes_of(size_t count, const uint16_t *ports)
{
	struct routes *r = routes_new(count);

	assert_non_null(r);
	for (size_t i = 0; i < count; i++) {
		struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(ports[i]) };

		memcpy(&r->route[i].addr, &in, sizeof in);
		r->route[i].len = sizeof in;
	}
	return r;
}

static void
which_are_the_same(void **state)
{
	struct routes *a = routes_of(2, (uint16_t[]){ 1, 2 }), *turned = routes_of(2, (uint16_t[]){ 2, 1 }),
		      *less = routes_of(1, (uint16_t[]){ 1 }), *none = routes_of(0, NULL), *twice = routes_ref(a);

	assert_true(routes_same(a, turned));
	assert_false(routes_same(a, less));
	assert_false(routes_same(less, a));
	assert_false(routes_same(none, a));
	assert_true(routes_same(none, none));
	assert_true(routes_have(a, &turned->route[0]));
	assert_false(routes_have(less, &turned->route[0]));
	routes_drop(&a);
	assert_true(routes_same(twice, turned));
	routes_drop(&twice);
	routes_drop(&turned);
	routes_drop(&less);
	routes_drop(&none);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_ones),
		cmocka_unit_test(bad_ones),
		cmocka_unit_test(what_they_mean),
		cmocka_unit_test(which_are_fixed),
		cmocka_unit_test(which_are_the_same),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
