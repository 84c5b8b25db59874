/* What every handler must do: many ops at once, two workers, being opened and closed; and a long random walk beside a
 * model. */
#include <inttypes.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>

#include "behaviour.h"

static void
unknown_verb(struct seat *s)
{
	expect(plain(s, REND_GET_TOUCH, "k"), REND_UNSUPPORTED, "a verb that is none of a handler's");
}

/* ---- many at once ---- */

#define MANY 5000

/* A node may say BUSY; it may not forget, or answer twice. */
static void
in_flight(struct seat *s)
{
	struct ask *asks[MANY];
	unsigned busy = 0;
	char key[16];

	for (unsigned i = 0; i < MANY; i++) {
		snprintf(key, sizeof key, "key-%u", i / 2 % 700);
		asks[i] = ask_new(s, i % 2 ? REND_GET : REND_SET, key, strlen(key));
		if (i % 2 == 0)
			ask_piece(asks[i], key, strlen(key));
		asks[i]->op->ask.want = REND_WANT_VALUE;
		ask_submit(asks[i]);
	}
	for (unsigned i = 0; i < MANY; i++) {
		enum rend_status status = ask_wait(asks[i]);

		if (status == REND_BUSY)
			busy++;
		else if (i % 2 == 0)
			expect(status, REND_OK, "set among thousands");
		else if (status != REND_MISS)
			EXPECT(
			    status == REND_OK && value_is(&asks[i]->op->item.value, asks[i]->key, asks[i]->op->keylen),
			    "a get among thousands: %s, or another key's value", rend_status_name(status));
		ask_drop(asks[i]);
	}
	EXPECT(busy < MANY, "all of %d ops were BUSY", MANY);
}

static void
same_key(struct seat *s)
{
	struct ask *asks[500];
	uint64_t number;

	set(s, "k", "0");
	for (int i = 0; i < 500; i++) {
		asks[i] = ask_new(s, REND_INCR, "k", 1);
		asks[i]->op->ask.delta = 1;
		ask_submit(asks[i]);
	}
	for (int i = 0; i < 500; i++)
		expect(ask_wait(asks[i]), REND_OK, "incr among hundreds");
	expect(step(s, REND_INCR, "k", 0, &number), REND_OK, "incr");
	EXPECT(number == 500, "500 incrs of one key at once made %" PRIu64, number);
}

/* ---- a random walk beside a model ---- */

#define MODEL_KEYS 12
#define MODEL_LEN  64
#define WALK	   3000

struct model {
	bool there;
	char value[MODEL_LEN + 32];
	size_t len;
};

static unsigned
roll(uint64_t *dice, unsigned sides)
{
	*dice = *dice * 6364136223846793005ULL + 1442695040888963407ULL;
	return (unsigned)(*dice >> 33) % sides;
}

static enum rend_status
model_store(struct model *m, unsigned verb, const char *p, size_t len)
{
	bool join = verb == REND_APPEND || verb == REND_PREPEND;

	if (verb == REND_ADD ? m->there : verb != REND_SET && !m->there)
		return REND_NOT_STORED;
	if (verb == REND_PREPEND)
		memmove(m->value + len, m->value, m->len);
	memcpy(m->value + (verb == REND_APPEND ? m->len : 0), p, len);
	m->len = join ? m->len + len : len;
	m->there = true;
	return REND_OK;
}

static void
walk(struct seat *s)
{
	static struct model model[MODEL_KEYS];
	static const unsigned verbs[] = { REND_GET, REND_GET, REND_SET, REND_ADD, REND_REPLACE, REND_APPEND,
		REND_PREPEND, REND_DELETE };
	uint64_t dice = 42;

	for (int i = 0; i < WALK; i++) {
		unsigned verb = verbs[roll(&dice, sizeof verbs / sizeof *verbs)], k = roll(&dice, MODEL_KEYS);
		struct model *m = &model[k];
		char key[8], p[16];
		size_t len = roll(&dice, sizeof p);
		enum rend_status should;

		if (!rig_has(s->rig, verb) ||
		    ((verb == REND_APPEND || verb == REND_PREPEND) && m->len + len > MODEL_LEN))
			continue;
		snprintf(key, sizeof key, "m%u", k);
		for (size_t j = 0; j < len; j++)
			p[j] = (char)('a' + roll(&dice, 26));
		switch (verb) {
		case REND_GET:
			if (m->there)
				expect_hit_bytes(s, key, m->value, m->len);
			else
				expect_miss(s, key);
			break;
		case REND_DELETE:
			expect(plain(s, verb, key), m->there ? REND_OK : REND_MISS, "delete in a random walk");
			m->there = false;
			m->len = 0;
			break;
		default:
			should = model_store(m, verb, p, len);
			expect(store_bytes(s, verb, key, p, len, 0, 0), should, rend_verb_name(verb));
		}
	}
}

/* ---- two workers ---- */

#define LOAD_KEYS 200
#define LOAD_OPS  6000

/* A value says which key it belongs to, how long it is, and who wrote it; its bytes follow from that. */
static size_t
self_describing(char *to, size_t size, unsigned key, unsigned writer, unsigned serial)
{
	size_t len = 40 + serial * 37 % (size - 40);
	int n = snprintf(to, size, "%u %zu %u.%u ", key, len, writer, serial);

	for (size_t i = (size_t)n; i < len; i++)
		to[i] = (char)('a' + (i + serial) % 26);
	return len;
}

static void
check_described(const struct rend_value *v, unsigned key)
{
	char is[2100] = "", should[2048];
	unsigned k, writer, serial;
	size_t len, n = rend_value_copy_out(v, 0, is, sizeof is - 1);

	EXPECT(
	    sscanf(is, "%u %zu %u.%u ", &k, &len, &writer, &serial) == 4, "a value under load is torn: \"%.40s\"", is);
	EXPECT(k == key, "key %u has the value of key %u", key, k);
	EXPECT(n == len && self_describing(should, sizeof should, k, writer, serial) == len &&
		   memcmp(is, should, len) == 0,
	    "a value under load is torn: \"%.40s\", %zu bytes of %zu", is, n, len);
}

static void
load(struct seat *s, unsigned me)
{
	static const unsigned verbs[] = { REND_GET, REND_GET, REND_GET, REND_SET, REND_SET, REND_DELETE, REND_ADD,
		REND_REPLACE };
	struct ask *asks[32];
	uint64_t dice = me + 7;

	for (unsigned round = 0; round < LOAD_OPS / 32; round++) {
		for (unsigned i = 0; i < 32; i++) {
			unsigned verb = verbs[roll(&dice, 8)], k = roll(&dice, LOAD_KEYS);
			char key[16], p[2048];

			if (!rig_has(s->rig, verb))
				verb = REND_GET;
			snprintf(key, sizeof key, "%u", k);
			asks[i] = ask_new(s, verb, key, strlen(key));
			asks[i]->op->ask.want = REND_WANT_VALUE;
			if (rend_verb_stores(verb))
				ask_piece(asks[i], p, self_describing(p, sizeof p, k, me, round * 32 + i));
			ask_submit(asks[i]);
		}
		for (unsigned i = 0; i < 32; i++) {
			enum rend_status status = ask_wait(asks[i]);

			EXPECT(rend_outcome(status) != REND_FAIL || status == REND_BUSY || status == REND_NO_MEMORY,
			    "a %s under load: %s", rend_verb_name(asks[i]->op->verb), rend_status_name(status));
			if (asks[i]->op->verb == REND_GET && status == REND_OK) {
				asks[i]->key[asks[i]->op->keylen] = '\0';
				check_described(&asks[i]->op->item.value, (unsigned)strtoul(asks[i]->key, NULL, 10));
			}
			ask_drop(asks[i]);
		}
	}
}

static void
load_first(struct seat *s)
{
	load(s, 1);
}

static void
load_second(struct seat *s)
{
	load(s, 2);
}

#define SUM 1000

static void
sum_half(struct seat *s)
{
	uint64_t number;

	store(s, REND_ADD, "sum", "0");
	for (int i = 0; i < SUM; i++)
		expect(step(s, REND_INCR, "sum", 1, &number), REND_OK, "incr from two workers");
}

/* Whoever comes last sees all. */
static void
sum(struct seat *s)
{
	static unsigned halves;
	uint64_t number;

	sum_half(s);
	if (__atomic_add_fetch(&halves, 1, __ATOMIC_ACQ_REL) < 2)
		return;
	expect(step(s, REND_INCR, "sum", 0, &number), REND_OK, "incr");
	EXPECT(number == 2 * SUM, "2 x %d incrs from two workers made %" PRIu64, SUM, number);
}

/* ---- opening and closing ---- */

static void
once(const struct handler_kit *kit, bool use)
{
	struct rend_error err = { 0 };
	struct rig *r = calloc(1, sizeof *r);
	char key[16];

	if (r == NULL || rig_make(r, kit, 1, &err) != 0 || rig_open(r, &err) != 0)
		rig_fail("open() said: %s", err.text);
	seat_enter(&r->seats[0]);
	for (int i = 0; use && i < 30; i++) {
		snprintf(key, sizeof key, "key-%d", i);
		if (rig_has(r, REND_SET))
			store(&r->seats[0], REND_SET, key, i % 2 ? "a value" : key);
		ask_drop(get(&r->seats[0], key, REND_WANT_VALUE));
		if (rig_has(r, REND_DELETE) && i % 3 == 0)
			plain(&r->seats[0], REND_DELETE, key);
	}
	seat_leave(&r->seats[0]);
	rig_close(r);
	free(r);
}

static void
open_close(const struct handler_kit *kit)
{
	for (int i = 0; i < 3; i++)
		once(kit, false);
}

/*
 * What leaks, grows in every window of rounds.  Malloc's own caches, and what somebody buys for the life of the
 * process, stop growing. Under a sanitizer malloc does not tell; its leak checker looks when the process ends.
 */
static void
no_leak(const struct handler_kit *kit)
{
	enum { WINDOWS = 20, ROUNDS = 20, SLACK = 24 };
	size_t before = 0, after = 0;

	for (int w = 0; w < WINDOWS; w++) {
		before = mallinfo2().uordblks;
		for (int i = 0; i < ROUNDS; i++)
			once(kit, true);
		after = mallinfo2().uordblks;
		if (after < before + ROUNDS * SLACK)
			return;
	}
	rig_fail("opened, used and closed %d times, it keeps %zu bytes more each time", WINDOWS * ROUNDS,
	    (after - before) / ROUNDS);
}

#define GS (NEEDS(REND_GET) | NEEDS(REND_SET))

const struct behaviour behaviours_load[] = {
	{ .name = "what is no verb of a handler is UNSUPPORTED", .run = unknown_verb },
	{ .name = "thousands of ops at once are each answered once", .needs = GS, .run = in_flight },
	{ .name = "hundreds of incrs of one key at once all count", .needs = GS | NEEDS(REND_INCR), .run = same_key },
	{ .name = "a long random walk ends where a model of it does", .needs = GS, .run = walk },
	{ .name = "two workers on one store read only what was written",
	    .needs = GS,
	    .run = load_first,
	    .beside = load_second },
	{ .name = "incrs from two workers all count",
	    .needs = NEEDS(REND_ADD) | NEEDS(REND_INCR),
	    .run = sum,
	    .beside = sum },
	{ .name = "it can be opened and closed again and again", .alone = open_close },
	{ .name = "opening, using and closing leaves no memory behind", .needs = NEEDS(REND_GET), .alone = no_leak },
	{ .name = NULL },
};
