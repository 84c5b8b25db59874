/* What every handler must do: exptime, touch, flush_all. */
#include <inttypes.h>

#include "base/clock.h"
#include "behaviour.h"
#include "rend/worker.h"

static enum rend_status
set_until(struct seat *s, unsigned verb, const char *value, int64_t exptime)
{
	return store_bytes(s, verb, "k", value, strlen(value), 0, exptime);
}

static void
past(struct seat *s)
{
	expect(set_until(s, REND_SET, "v", rend_wall() - 1), REND_OK, "set with an exptime that has passed");
	expect_miss(s, "k");
	set(s, "k", "old");
	expect(set_until(s, REND_SET, "v", 1), REND_OK, "set with an exptime that has passed");
	expect_miss(s, "k");
}

static void
never(struct seat *s)
{
	expect(set_until(s, REND_SET, "v", 0), REND_OK, "set");
	expect_hit(s, "k", "v");
}

/* What a get says of the exptime, or should if the handler does not tell. */
static int64_t
exptime(struct seat *s, int64_t should)
{
	struct ask *a = get(s, "k", REND_WANT_EXPTIME);

	expect((enum rend_status)a->op->status, REND_OK, "get of an exptime");
	return (a->op->item.have & REND_WANT_EXPTIME) ? a->op->item.exptime : should;
}

/* A backend may count seconds of its own. */
static void
expect_exptime(struct seat *s, int64_t should)
{
	int64_t is = exptime(s, should);

	EXPECT(should == 0 ? is == 0 : is >= should - 2 && is <= should + 2, "the exptime is %" PRId64 ", not %" PRId64,
	    is, should);
}

static void
kept(struct seat *s)
{
	int64_t then = rend_wall() + 1000;

	expect(set_until(s, REND_SET, "v", then), REND_OK, "set");
	expect_hit(s, "k", "v");
	expect_exptime(s, then);
	set(s, "k", "v");
	expect_exptime(s, 0);
	then += 60 * 86400; /* further away than a memcached would believe in seconds from now */
	expect(set_until(s, REND_SET, "v", then), REND_OK, "set");
	expect_exptime(s, then);
}

static void
kept_by_changes(struct seat *s)
{
	int64_t then = rend_wall() + 1000;
	uint64_t number;

	expect(set_until(s, REND_SET, "9", then), REND_OK, "set");
	expect(set_until(s, REND_APPEND, "9", then + 5000), REND_OK, "append");
	expect_exptime(s, then);
	expect(step(s, REND_INCR, "k", 1, &number), REND_OK, "incr");
	expect_exptime(s, then);
	expect_hit(s, "k", "100");
}

/* In its own time. */
static void
passes(struct seat *s)
{
	uint64_t until = clock_mono() + 8000000000ULL, asked;
	int64_t then = rend_wall() + 2;
	struct ask *a;

	expect(set_until(s, REND_SET, "v", then), REND_OK, "set for two seconds");
	for (;;) {
		asked = clock_mono();
		a = get(s, "k", REND_WANT_VALUE);
		if (a->op->status == REND_MISS)
			break;
		expect((enum rend_status)a->op->status, REND_OK, "get of what expires soon");
		EXPECT(a->op->item.value.len == 1, "get of what expires soon: %zu bytes, not 1", a->op->item.value.len);
		ask_drop(a);
		EXPECT(asked < until, "it was stored for two seconds, and is there after eight");
		seat_turn(s);
	}
	/* Where the machine is slow this may have been the first look. */
	EXPECT(rend_wall() >= then - 1, "it was stored for two seconds, and was gone before");
	if (rig_has(s->rig, REND_ADD))
		expect(store(s, REND_ADD, "k", "new"), REND_OK, "add of what has expired");
}

static void
touched(struct seat *s)
{
	int64_t then = rend_wall() + 500;

	expect(set_until(s, REND_SET, "v", rend_wall() + 100), REND_OK, "set");
	expect(touch(s, "k", then), REND_OK, "touch");
	expect_exptime(s, then);
	expect_hit(s, "k", "v");
	expect(touch(s, "k", 0), REND_OK, "touch for ever");
	expect_exptime(s, 0);
	expect_hit(s, "k", "v");
}

static void
touched_away(struct seat *s)
{
	set(s, "k", "v");
	expect(touch(s, "k", rend_wall() - 10), REND_OK, "touch with an exptime that has passed");
	expect_miss(s, "k");
	expect(touch(s, "k", 0), REND_MISS, "touch of what is gone");
}

static void
touch_missing(struct seat *s)
{
	expect(touch(s, "k", rend_wall() + 100), REND_MISS, "touch of a key that is not there");
	expect_miss(s, "k");
}

/* old, asked, and what becomes of it; seconds from now, 0 is never. */
static void
touched_earlier(struct seat *s)
{
	static const struct {
		int64_t old, asked, then;
	} rows[] = { { 500, 100, 100 }, { 100, 500, 100 }, { 0, 100, 100 }, { 100, 0, 100 }, { 0, 0, 0 },
		{ 100, 100, 100 } };
	struct ask *a;

	if ((s->rig->can & REND_CAN_GUARD) == 0)
		rig_skip("it does not say REND_CAN_GUARD");
	for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
		int64_t now = rend_wall();

		expect(set_until(s, REND_SET, "v", rows[i].old == 0 ? 0 : now + rows[i].old), REND_OK, "set");
		a = ask_new(s, REND_TOUCH, "k", 1);
		a->op->ask.mode = REND_ONLY_EARLIER;
		a->op->ask.exptime = rows[i].asked == 0 ? 0 : now + rows[i].asked;
		expect(ask_wait(a), REND_OK, "touch if that is earlier");
		ask_drop(a);
		expect_exptime(s, rows[i].then == 0 ? 0 : now + rows[i].then);
		expect_hit(s, "k", "v");
	}
	a = ask_new(s, REND_TOUCH, "k", 1);
	a->op->ask.mode = REND_ONLY_EARLIER;
	a->op->ask.exptime = rend_wall() - 10;
	expect(ask_wait(a), REND_OK, "touch with a time that has passed, if that is earlier");
	ask_drop(a);
	expect_miss(s, "k");
	a = ask_new(s, REND_TOUCH, "k", 1);
	a->op->ask.mode = REND_ONLY_EARLIER;
	expect(ask_wait(a), REND_MISS, "touch of what is gone, if that is earlier");
}

static struct ask *
gat(struct seat *s, int64_t then)
{
	struct ask *a = ask_new(s, REND_GET, "k", 1);

	a->op->ask.want = REND_WANT_VALUE | REND_WANT_EXPTIME;
	a->op->ask.mode = REND_ALSO_TOUCH;
	a->op->ask.exptime = then;
	ask_wait(a);
	if (a->op->status == REND_UNSUPPORTED)
		rig_skip("it does not touch with a get");
	return a;
}

static void
get_touches(struct seat *s)
{
	int64_t then = rend_wall() + 700;
	struct ask *a;

	a = gat(s, then);
	expect((enum rend_status)a->op->status, REND_MISS, "get that touches a key that is not there");
	expect_miss(s, "k");
	set(s, "k", "v");
	a = gat(s, then);
	expect((enum rend_status)a->op->status, REND_OK, "get that touches");
	EXPECT(value_is(&a->op->item.value, "v", 1), "a get that touches gave another value");
	EXPECT((a->op->item.have & REND_WANT_EXPTIME) == 0 || a->op->item.exptime == then,
	    "a get that touches answered exptime %" PRId64 ", not the new one", a->op->item.exptime);
	ask_drop(a);
	expect_exptime(s, then);
	a = gat(s, rend_wall() - 5);
	expect((enum rend_status)a->op->status, REND_OK, "get that touches with an exptime that has passed");
	ask_drop(a);
	expect_miss(s, "k");
}

static void
flushed(struct seat *s)
{
	struct ask *a = ask_new(s, REND_FLUSH_ALL, "", 0);

	set(s, "k", "v");
	set(s, "l", "w");
	expect(ask_wait(a), REND_OK, "flush_all");
	expect_miss(s, "k");
	expect_miss(s, "l");
	if (rig_has(s->rig, REND_REPLACE))
		expect(store(s, REND_REPLACE, "k", "x"), REND_NOT_STORED, "replace of what was flushed");
	if (rig_has(s->rig, REND_DELETE))
		expect(plain(s, REND_DELETE, "k"), REND_MISS, "delete of what was flushed");
	set(s, "k", "new");
	expect_hit(s, "k", "new");
	expect_miss(s, "l");
}

#define GS (NEEDS(REND_GET) | NEEDS(REND_SET))

const struct behaviour behaviours_time[] = {
	{ .name = "an exptime that has passed means gone at once", .needs = GS, .run = past },
	{ .name = "exptime 0 is for ever", .needs = GS, .run = never },
	{ .name = "an exptime is kept, and told", .needs = GS, .run = kept },
	{ .name = "append and incr keep the exptime",
	    .needs = GS | NEEDS(REND_APPEND) | NEEDS(REND_INCR),
	    .run = kept_by_changes },
	{ .name = "what expires is there before and a miss after", .needs = GS, .run = passes },
	{ .name = "a touch changes the exptime and nothing else", .needs = GS | NEEDS(REND_TOUCH), .run = touched },
	{ .name = "a touch that may only be earlier never lengthens",
	    .needs = GS | NEEDS(REND_TOUCH),
	    .run = touched_earlier },
	{ .name = "a touch with an exptime that has passed means gone",
	    .needs = GS | NEEDS(REND_TOUCH),
	    .run = touched_away },
	{ .name = "a touch of a missing key is a miss",
	    .needs = NEEDS(REND_GET) | NEEDS(REND_TOUCH),
	    .run = touch_missing },
	{ .name = "a get may touch", .needs = GS, .run = get_touches },
	{ .name = "flush_all takes everything, and nothing that comes after",
	    .needs = GS | NEEDS(REND_FLUSH_ALL),
	    .run = flushed },
	{ .name = NULL },
};
