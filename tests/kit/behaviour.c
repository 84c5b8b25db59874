/* Short ways to ask: see behaviour.h. */
#include "behaviour.h"

#include <stdlib.h>

enum rend_status
store_bytes(struct seat *s, unsigned verb, const char *key, const void *p, size_t len, uint32_t flags, int64_t exptime)
{
	struct ask *a = ask_new(s, verb, key, strlen(key));
	enum rend_status status;

	ask_piece(a, p, len);
	a->op->item.flags = flags;
	a->op->item.exptime = exptime;
	status = ask_wait(a);
	ask_drop(a);
	return status;
}

enum rend_status
store(struct seat *s, unsigned verb, const char *key, const char *value)
{
	return store_bytes(s, verb, key, value, strlen(value), 0, 0);
}

enum rend_status
plain(struct seat *s, unsigned verb, const char *key)
{
	return ask_wait(ask_new(s, verb, key, strlen(key)));
}

enum rend_status
step(struct seat *s, unsigned verb, const char *key, uint64_t delta, uint64_t *number)
{
	struct ask *a = ask_new(s, verb, key, strlen(key));
	enum rend_status status;

	a->op->ask.delta = delta;
	status = ask_wait(a);
	*number = a->op->item.number;
	return status;
}

enum rend_status
touch(struct seat *s, const char *key, int64_t exptime)
{
	struct ask *a = ask_new(s, REND_TOUCH, key, strlen(key));

	a->op->ask.exptime = exptime;
	return ask_wait(a);
}

struct ask *
get(struct seat *s, const char *key, uint32_t want)
{
	struct ask *a = ask_new(s, REND_GET, key, strlen(key));

	a->op->ask.want = want;
	ask_wait(a);
	return a;
}

/* Keys of 250 bytes make no sentence. */
#define SHORT 40

void
expect_hit_bytes(struct seat *s, const char *key, const void *p, size_t len)
{
	struct ask *a = get(s, key, REND_WANT_VALUE);
	char start[SHORT + 1] = "";

	EXPECT(a->op->status == REND_OK, "get %.*s: %s, but it is there", SHORT, key, rend_status_name(a->op->status));
	rend_value_copy_out(&a->op->item.value, 0, start, SHORT);
	EXPECT(value_is(&a->op->item.value, p, len), "get %.*s: %zu bytes \"%s\", not the %zu bytes \"%.*s\"", SHORT,
	    key, a->op->item.value.len, start, len, (int)(len < SHORT ? len : SHORT), (const char *)p);
	ask_drop(a);
}

void
expect_hit(struct seat *s, const char *key, const char *value)
{
	expect_hit_bytes(s, key, value, strlen(value));
}

void
expect_miss(struct seat *s, const char *key)
{
	struct ask *a = get(s, key, REND_WANT_VALUE);

	EXPECT(a->op->status == REND_MISS, "get %.*s: %s, but it is not there", SHORT, key,
	    rend_status_name(a->op->status));
}

void
set(struct seat *s, const char *key, const char *value)
{
	expect(store(s, REND_SET, key, value), REND_OK, "set");
}

void
expect(enum rend_status is, enum rend_status should, const char *what)
{
	/* A handler may know what the backend it talks to does not: that it says so is all that can be asked. */
	if (is == REND_UNSUPPORTED && should != REND_UNSUPPORTED)
		rig_skip("%s: not supported", what);
	EXPECT(is == should, "%s: %s, not %s", what, rend_status_name(is), rend_status_name(should));
}

char *
pattern(size_t len, unsigned seed)
{
	char *p = malloc(len + 1);

	if (p == NULL)
		rig_fail("no memory");
	for (size_t i = 0; i < len; i++)
		p[i] = (char)('!' + (i * 31 + i / 251 + seed * 7) % 90);
	return p;
}
