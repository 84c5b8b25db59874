/* Where keys go: as libmemcached and twemproxy say (ring.golden, made by ring_golden.py), and by hand for what they have not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "key_hash.h"
#include "md5.h"
#include "ring.h"

#define KEYS	    20000
#define SHOWN	    64
#define KEY_ROOM    40
#define SERVERS_MAX 100
#define LINE_MAX    16384

/* 1 to 40 bytes, each but spaces and controls; as ring_golden.py makes them. */
static size_t
make_key(char to[KEY_ROOM], unsigned i)
{
	uint32_t x = (uint32_t)i * 2654435761U + 12345;
	size_t len = 1 + i % 40;

	for (size_t j = 0; j < len; j++) {
		uint8_t c;

		x = x * 1664525 + 1013904223;
		c = (uint8_t)(x >> 24);
		to[j] = (char)(c <= ' ' || c == 0x7f ? c ^ 0x80 : c);
	}
	return len;
}

/* ---- hashes ---- */

static void
digests(void **state)
{
	static const struct {
		const char *text, *hex;
	} rows[] = { { "", "d41d8cd98f00b204e9800998ecf8427e" }, { "a", "0cc175b9c0f1b6a831c399e269772661" },
		{ "abc", "900150983cd24fb0d6963f7d28e17f72" }, { "message digest", "f96b697d7cb7938d525a2f31aaf161d0" },
		{ "abcdefghijklmnopqrstuvwxyz", "c3fcd3d76192e4007dfb496cca67e13b" },
		{ "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789",
		    "d174ab98d277d9f5a5611c2c9f419d9f" },
		{ "12345678901234567890123456789012345678901234567890123456789012345678901234567890",
		    "57edf4a22be3c955ac49da2e2107b67a" } };

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		uint8_t digest[MD5_SIZE];
		char hex[2 * MD5_SIZE + 1];

		md5(rows[i].text, strlen(rows[i].text), digest);
		for (unsigned j = 0; j < MD5_SIZE; j++)
			snprintf(hex + 2 * (size_t)j, 3, "%02x", digest[j]);
		assert_string_equal(hex, rows[i].hex);
	}
}

static void
hashes(void **state)
{
	assert_int_equal(key_hash(KEY_HASH_FNV1A_32, "foobar", 6), 0xbf9cf968);
	assert_int_equal(key_hash(KEY_HASH_FNV1_32, "foobar", 6), 0x31f0b262);
	assert_int_equal(key_hash(KEY_HASH_FNV1_64, "foobar", 6), 0xa4dda9c2);
	assert_int_equal(key_hash(KEY_HASH_CRC32A, "123456789", 9), 0xcbf43926);
	assert_int_equal(key_hash(KEY_HASH_CRC32, "123456789", 9), 0x4bf4);
	assert_int_equal(key_hash(KEY_HASH_CRC16, "123456789", 9) & 0xffff, 0x31c3);
}

/* ---- what libmemcached and twemproxy say ---- */

static enum key_hash
hash_named(const char *name)
{
	const char *at = KEY_HASH_NAMES;
	int which = 0;

	for (; strncmp(at, name, strlen(name)) != 0 || (at[strlen(name)] != '|' && at[strlen(name)] != '\0'); which++) {
		at = strchr(at, '|');
		assert_non_null(at);
		at++;
	}
	return (enum key_hash)which;
}

static void
check_line(char *line)
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
	static struct server servers[SERVERS_MAX];
	char *rest = line, *kind = strsep(&rest, ";"), *hash = strsep(&rest, ";"), *list = strsep(&rest, ";"),
	     *shown = strsep(&rest, ";"), *one;
	uint32_t sum = 0, should = (uint32_t)strtoul(rest, NULL, 10);
	size_t count = 0;
	struct ring *r;

	for (; (one = strsep(&list, ",")) != NULL; count++)
		assert_null(server_parse(&servers[count], one));
	r = ring_new(
	    strcmp(kind, "ketama") == 0 ? RING_KETAMA : RING_KETAMA_WEIGHTED, hash_named(hash), servers, count);
	for (unsigned i = 0; i < KEYS; i++) {
		char key[KEY_ROOM];
		size_t len = make_key(key, i), place = ring_find(r, key_hash(hash_named(hash), key, len));

		if (i < SHOWN && (place < strlen(letters) ? letters[place] : '~') != shown[i])
			fail_msg("%s, %s, %zu servers: key %u goes to %zu, not to %c", kind, hash, count, i, place,
			    shown[i]);
		sum = sum * 31 + (uint32_t)place + 1;
	}
	if (sum != should)
		fail_msg(
		    "%s, %s, %zu servers: the first %d keys are right, not all of %d", kind, hash, count, SHOWN, KEYS);
	ring_free(&r);
}

static void
as_others(void **state)
{
	const char *src = getenv("srcdir");
	char path[4096], line[LINE_MAX];
	unsigned lines = 0;
	FILE *f;

	snprintf(path, sizeof path, "%s/plugins/memcached/ring.golden", src == NULL ? "../.." : src);
	f = fopen(path, "r");
	if (f == NULL)
		fail_msg("no %s", path);
	while (fgets(line, sizeof line, f) != NULL) {
		if (line[0] == '#')
			continue;
		check_line(line);
		lines++;
	}
	fclose(f);
	assert_true(lines >= 123);
}

/* ---- the rest ---- */

/* The labels as EVCache has them, worked out one by one; the first point at or behind the hash, in order. */
static void
as_evcache(void **state)
{
	struct server servers[3];
	struct ring *r;

	assert_null(server_parse(&servers[0], "10.0.0.1:11211 name=ec2-1/10.0.0.1:11211"));
	assert_null(server_parse(&servers[1], "10.0.0.2:11211 name=ec2-2/10.0.0.2:11211"));
	assert_null(server_parse(&servers[2], "10.0.0.3:11300 name=ec2-3/10.0.0.3:11211"));
	r = ring_new(RING_EVCACHE, KEY_HASH_MD5, servers, 3);
	assert_int_equal(ring_points(r), 3 * 160);
	for (unsigned i = 0; i < 2000; i++) {
		uint32_t best = 0, first = 0, hash;
		size_t owner = 0, lowest = 0, len;
		bool found = false, any = false;
		char key[KEY_ROOM], label[64];

		len = make_key(key, i);
		hash = key_hash(KEY_HASH_MD5, key, len);
		for (size_t s = 0; s < 3; s++)
			for (unsigned n = 0; n < 40; n++) {
				uint8_t digest[MD5_SIZE];

				snprintf(label, sizeof label, "ec2-%zu/10.0.0.%zu:11211-%u", s + 1, s + 1, n);
				md5(label, strlen(label), digest);
				for (unsigned p = 0; p < 4; p++) {
					uint32_t v = key_hash_md5_part(digest, p);

					if (v >= hash && (!found || v <= best)) {
						best = v;
						owner = s;
						found = true;
					}
					if (!any || v <= first) {
						first = v;
						lowest = s;
						any = true;
					}
				}
			}
		assert_int_equal(ring_find(r, hash), found ? owner : lowest);
	}
	ring_free(&r);
}

static bool
not_that_one(const void *arg, size_t server)
{
	return server != *(const size_t *)arg;
}

static unsigned times_asked[16];

/* The last of them is, if arg says so; each is asked once. */
static bool
only_the_last(const void *arg, size_t server)
{
	assert_int_equal(times_asked[server]++, 0);
	return *(const bool *)arg && server == 15;
}

/* Without one server only its keys go elsewhere, and not all to the same. */
static void
goes_around(void **state)
{
	static struct server servers[16];
	size_t moved[16] = { 0 }, away = 5, of_it = 0, takers = 0;
	const bool yes = true, no = false;
	struct ring *r;

	for (unsigned i = 0; i < 16; i++) {
		char text[64];

		snprintf(text, sizeof text, "10.0.0.%u:11211", i);
		assert_null(server_parse(&servers[i], text));
	}
	r = ring_new(RING_KETAMA_WEIGHTED, KEY_HASH_MD5, servers, 16);
	for (unsigned i = 0; i < KEYS; i++) {
		char key[KEY_ROOM];
		uint32_t hash = key_hash(KEY_HASH_MD5, key, make_key(key, i));
		size_t is = ring_find(r, hash), becomes = ring_find_good(r, hash, not_that_one, &away);

		memset(times_asked, 0, sizeof times_asked);
		assert_int_equal(ring_find_good(r, hash, only_the_last, &no), is);
		memset(times_asked, 0, sizeof times_asked);
		assert_int_equal(ring_find_good(r, hash, only_the_last, &yes), 15);
		if (is != away) {
			assert_int_equal(becomes, is);
			continue;
		}
		of_it++;
		assert_int_not_equal(becomes, away);
		moved[becomes]++;
	}
	for (unsigned i = 0; i < 16; i++)
		takers += moved[i] > 0;
	assert_true(of_it > KEYS / 32 && of_it < KEYS / 8);
	assert_true(takers >= 8);
	ring_free(&r);
}

static void
servers_are_read(void **state)
{
	static const char *const wrong[] = { "h:1 weight=0", "h:1 weight=", "h:1 weight=x", "h:1 weight=1000001",
		"h:1 name=", "h:1 2", "h:1 wait=3", "unix:/a weight=0", "unix:/a name=b c", "h", "", " ",
		"h:1 weight=99999999999999999999" };
	struct server s;

	assert_null(server_parse(&s, "h:1"));
	assert_string_equal(s.address, "h:1");
	assert_string_equal(s.name, "");
	assert_int_equal(s.weight, 1);
	assert_null(server_parse(&s, "[::1]:11211  name=a/b:1 weight=7"));
	assert_string_equal(s.address, "[::1]:11211");
	assert_string_equal(s.name, "a/b:1");
	assert_int_equal(s.weight, 7);
	assert_null(server_parse(&s, "unix:/run/my cache/sock  "));
	assert_string_equal(s.address, "unix:/run/my cache/sock");
	assert_null(server_parse(&s, "unix:/run/a weight  x/sock  name=b weight=2"));
	assert_string_equal(s.address, "unix:/run/a weight  x/sock");
	assert_string_equal(s.name, "b");
	assert_int_equal(s.weight, 2);
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
		assert_non_null(server_parse(&s, wrong[i]));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(digests),
		cmocka_unit_test(hashes),
		cmocka_unit_test(as_others),
		cmocka_unit_test(as_evcache),
		cmocka_unit_test(goes_around),
		cmocka_unit_test(servers_are_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
