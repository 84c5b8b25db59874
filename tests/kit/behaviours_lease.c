/* What every handler must do that says REND_CAN_LEASE: an empty item is left on a miss, and filled by nobody who comes too late. */
#include <inttypes.h>

#include "behaviour.h"
#include "rend/plugin.h"

/* Tokens as policies make them: apart from all versions of items. */
#define TOKEN	   (1ULL << 63)
#define VERSION	   (1ULL << 40) /* of an item in a second tier */
#define LEASE_TIME 30		/* s */

struct lease {
	uint64_t cas, link;
	uint32_t signs;
};

static struct ask *
vivify(struct seat *s, uint64_t cas_new)
{
	struct ask *a = ask_new(s, REND_GET, "k", 1);

	a->op->ask.mode = REND_VIVIFY;
	a->op->ask.vivify = rend_wall() + LEASE_TIME;
	a->op->ask.want = REND_WANT_VALUE | REND_WANT_CAS;
	a->op->ask.cas_new = cas_new;
	expect(ask_wait(a), REND_OK, "get that vivifies");
	EXPECT(a->op->item.have & REND_WANT_CAS, "a get that vivifies does not tell the version");
	return a;
}

/* A lease, taken or found. */
static struct lease
lease(struct seat *s, uint64_t cas_new)
{
	struct ask *a;
	struct lease l;

	if ((s->rig->can & REND_CAN_LEASE) == 0)
		rig_skip("it does not say REND_CAN_LEASE");
	a = vivify(s, cas_new);
	l = (struct lease){ a->op->item.cas, a->op->item.link, a->op->item.signs & (REND_WON | REND_SENT) };
	EXPECT(l.signs != 0, "a get that vivifies found an item where none was");
	EXPECT(a->op->item.value.len == 0, "what a get left has %zu bytes", a->op->item.value.len);
	EXPECT(l.cas != 0, "what a get left has version 0");
	ask_drop(a);
	return l;
}

static struct lease
take(struct seat *s, uint64_t cas_new)
{
	struct lease l = lease(s, cas_new);

	EXPECT(l.signs & REND_WON, "the first to miss was not told that it won");
	/* Who gives versions as it is told says 0: they are good everywhere. */
	EXPECT((l.link == 0) == (l.cas == cas_new),
	    "it left version %" PRIu64 " where %" PRIu64 " was asked for, and says link %" PRIu64, l.cas, cas_new,
	    l.link);
	return l;
}

static enum rend_status
mutate(struct seat *s, unsigned verb, struct lease l, uint64_t cas_new)
{
	struct ask *a = ask_new(s, verb, "k", 1);

	a->op->ask.mode = REND_IF_CAS;
	a->op->ask.cas = l.cas;
	a->op->ask.link = l.link;
	a->op->ask.cas_new = cas_new;
	if (verb == REND_SET)
		ask_piece(a, "filled", 6);
	ask_wait(a);
	ask_drop(a);
	return (enum rend_status)a->op->status;
}

static enum rend_status
fill(struct seat *s, struct lease l)
{
	return mutate(s, REND_SET, l, 0);
}

static void
filled(struct seat *s)
{
	struct lease l = take(s, TOKEN + 1), other = lease(s, TOKEN + 2);
	struct ask *a;

	EXPECT(other.signs == REND_SENT, "the second to miss was told that it won");
	EXPECT(other.cas == l.cas, "the second to miss was told another version");
	expect(mutate(s, REND_SET, l, l.link == 0 ? VERSION : 0), REND_OK, "set with the lease's version");
	expect(fill(s, other), REND_EXISTS, "a second set with it");
	a = vivify(s, TOKEN + 3);
	EXPECT(value_is(&a->op->item.value, "filled", 6), "what was filled is not what is found");
	EXPECT((a->op->item.signs & (REND_WON | REND_SENT)) == 0, "what was filled is still to be filled");
	if (l.link == 0)
		EXPECT(a->op->item.cas == VERSION, "it was filled with a version, and has %" PRIu64, a->op->item.cas);
	ask_drop(a);
}

static void
deleted(struct seat *s)
{
	struct lease l = take(s, TOKEN + 1);

	expect(plain(s, REND_DELETE, "k"), REND_OK, "delete");
	expect(fill(s, l), REND_MISS, "set with a lease that was deleted");
	expect(mutate(s, REND_DELETE, l, 0), REND_MISS, "delete with a lease that was deleted");
	expect_miss(s, "k");
}

static void
renewed(struct seat *s)
{
	struct lease old = take(s, TOKEN + 1), l;

	expect(plain(s, REND_DELETE, "k"), REND_OK, "delete");
	l = take(s, TOKEN + 2);
	expect(fill(s, old), REND_EXISTS, "set with an old lease over a new one");
	expect(mutate(s, REND_DELETE, old, 0), REND_EXISTS, "delete with an old lease of a new one");
	expect(fill(s, l), REND_OK, "set with the new lease");
	expect_hit(s, "k", "filled");
}

static void
overtaken(struct seat *s)
{
	struct lease l = take(s, TOKEN + 1);

	set(s, "k", "newer");
	expect(fill(s, l), REND_EXISTS, "set with a lease over a stored value");
	expect(mutate(s, REND_DELETE, l, 0), REND_EXISTS, "delete with a lease of a stored value");
	expect_hit(s, "k", "newer");
}

static void
given_back(struct seat *s)
{
	struct lease l = take(s, TOKEN + 1);

	expect(mutate(s, REND_DELETE, l, 0), REND_OK, "delete with the lease's version");
	expect(fill(s, l), REND_MISS, "set with a lease that was given back");
	expect_miss(s, "k");
}

static void
flushed(struct seat *s)
{
	struct lease l = take(s, TOKEN + 1);

	expect(plain(s, REND_FLUSH_ALL, ""), REND_OK, "flush_all");
	expect(fill(s, l), REND_MISS, "set with a lease that was flushed");
	expect_miss(s, "k");
}

static void
elsewhere(struct seat *s)
{
	struct lease l = take(s, TOKEN + 1);

	if (l.link == 0)
		rig_skip("its versions are good over any connection");
	l.link = UINT64_MAX;
	expect(fill(s, l), REND_NOT_STORED, "set over a connection that is not there");
	expect(mutate(s, REND_DELETE, l, 0), REND_NOT_STORED, "delete over a connection that is not there");
	EXPECT(lease(s, TOKEN + 2).cas == l.cas, "what was not to be sent changed the lease");
}

#define GSD (NEEDS(REND_GET) | NEEDS(REND_SET) | NEEDS(REND_DELETE))

const struct behaviour behaviours_lease[] = {
	{ .name = "a lease is filled, once", .needs = GSD, .run = filled },
	{ .name = "a lease that was deleted is not filled", .needs = GSD, .run = deleted },
	{ .name = "an old lease fills no new one", .needs = GSD, .run = renewed },
	{ .name = "a lease does not fill over what was stored", .needs = GSD, .run = overtaken },
	{ .name = "a lease may be given back", .needs = GSD, .run = given_back },
	{ .name = "a lease that was flushed is not filled", .needs = GSD | NEEDS(REND_FLUSH_ALL), .run = flushed },
	{ .name = "a lease is not filled over another connection", .needs = GSD, .run = elsewhere },
	{ .name = NULL },
};
