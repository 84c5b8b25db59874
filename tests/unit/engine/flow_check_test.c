/* Wrong tables are refused, each with a sentence of its own; right ones are listed and drawn. */
#include "../base/unit.h"

#include "engine/flow_check.h"

#define ALL (REND_WANT_VALUE | REND_WANT_EXPTIME | REND_WANT_CAS)
#define ROWS(...)                         \
	(const struct rend_step[])        \
	{                                 \
		[0] = { 0 }, __VA_ARGS__, \
		{                         \
			0                 \
		}                         \
	}

static enum rend_outcome
some_function(struct rend_flow *flow)
{
	return REND_YES;
}

static const struct rend_policy policy = { .name = "sample", .tiers = { "l1", "l2" } };

struct bad {
	unsigned verb;
	struct rend_walk walk;
	uint32_t l1_can;
	const char *sentence; /* behind "policy sample, " */
};

/* A row that is right. */
#define GET_L1                                            \
	{                                                 \
		.name = "l1", .tier = 0, .verb = REND_GET \
	}

static const char long_name[] = "a-name-that-is-longer-than-anybody-wants";

#define MANY_4(n)                                                                           \
	{ .name = "r" #n "a", .verb = REND_GET }, { .name = "r" #n "b", .verb = REND_GET }, \
	    { .name = "r" #n "c", .verb = REND_GET },                                       \
	{                                                                                   \
		.name = "r" #n "d", .verb = REND_GET                                        \
	}
#define MANY_16(n) MANY_4(n##0), MANY_4(n##1), MANY_4(n##2), MANY_4(n##3)

static const struct bad bads[] = {
	/* names and numbers */
	{ REND_GET, { 0, ROWS({ .name = NULL, .verb = REND_GET }) }, 0, "get: its first row has no name" },
	{ REND_GET, { 0, ROWS({ .name = "" }) }, 0, "get, row 1 (): its name has no letters, or more than 32" },
	{ REND_GET, { 0, ROWS({ .name = long_name }) }, 0,
	    "get, row 1 (a-name-that-is-longer-than-anybo): its name has no letters, or more than 32" },
	{ REND_GET, { 0, ROWS({ .name = "say \"hi\"" }) }, 0,
	    "get, row 1 (say \"hi\"): its name has a character that drawings cannot show" },
	{ REND_GET, { 0, ROWS({ .name = "l1", .no = 2 }, GET_L1) }, 0, "get, row 2 (l1): row 1 has the same name" },
	{ REND_GET, { 0, ROWS(MANY_16(0), MANY_16(1), MANY_16(2), MANY_16(3)) }, 0,
	    "get: it has more than 63 rows, or no end" },
	{ REND_GET, { 0, ROWS({ .name = "l9", .tier = 2, .verb = REND_GET }) }, 0,
	    "get, row 1 (l9): it asks tier 2 of 2" },
	{ REND_GET, { 0, ROWS({ .name = "l1", .verb = REND_VERB_COUNT }) }, 0,
	    "get, row 1 (l1): verb 12 is none that a tier can be asked" },
	{ REND_GET, { 0, ROWS({ .name = "l1", .verb = REND_GET_TOUCH }) }, 0,
	    "get, row 1 (l1): verb 10 is none that a tier can be asked" },
	{ REND_FLUSH_ALL, { 0, ROWS({ .name = "l1", .verb = REND_DELETE }) }, 0,
	    "flush_all, row 1 (l1): a flush_all has no key to delete" },
	/* where a row goes */
	{ REND_GET, { 0, ROWS({ .name = "l1", .verb = REND_GET, .no = 2 }) }, 0,
	    "get, row 1 (l1): it goes on to row 2, which has no name" },
	{ REND_GET, { 0, ROWS({ .name = "l1", .verb = REND_GET, .fail = 200 }) }, 0,
	    "get, row 1 (l1): it goes on to row 200, which has no name" },
	{ REND_GET, { 0, ROWS({ .name = "l1", .verb = REND_GET, .but = { { REND_DOWN, 9 } } }) }, 0,
	    "get, row 1 (l1): it goes on to row 9, which has no name" },
	{ REND_GET, { 0, ROWS({ .name = "l1", .verb = REND_GET, .yes = REND_REPLY_FAIL }) }, 0,
	    "get, row 1 (l1): a yes is answered with an error" },
	{ REND_GET, { 0, ROWS({ .name = "l1", .verb = REND_GET, .but = { { REND_STATUS_COUNT, 1 } } }) }, 0,
	    "get, row 1 (l1): an exception is for status 15, which is none" },
	{ REND_GET,
	    { 0, ROWS({ .name = "l1", .verb = REND_GET, .no = 2, .but = { { REND_OK, 2 } } },
		     { .name = "l2", .tier = 1, .verb = REND_GET }) },
	    0, "get, row 1 (l1): an exception is for OK, which is what yes is for" },
	{ REND_GET, { 0, ROWS({ .name = "l1", .verb = REND_GET, .but = { [1] = { REND_DOWN, 0 } } }) }, 0,
	    "get, row 1 (l1): an exception stands behind the end of the list" },
	{ REND_GET, { 0, ROWS({ .name = "f", .run = some_function, .but = { { REND_DOWN, 0 } } }) }, 0,
	    "get, row 1 (f): an exception to a function, which has no status" },
	/* loops and strays */
	{ REND_GET, { 0, ROWS({ .name = "l1", .verb = REND_GET, .no = 1 }) }, 0,
	    "get, row 1 (l1): it goes back to row 1 (l1)" },
	{ REND_GET,
	    { 0, ROWS({ .name = "l1", .verb = REND_GET, .no = 2 },
		     { .name = "l2", .tier = 1, .verb = REND_GET, .fail = 1 }) },
	    0, "get, row 2 (l2): it goes back to row 1 (l1)" },
	{ REND_GET,
	    { 0, ROWS({ .name = "a", .verb = REND_GET, .no = 2 }, { .name = "b", .verb = REND_GET, .no = 3 },
		     { .name = "c", .verb = REND_GET, .but = { { REND_BUSY, 2 } } }) },
	    0, "get, row 3 (c): it goes back to row 2 (b)" },
	{ REND_GET, { 0, ROWS(GET_L1, { .name = "l2", .tier = 1, .verb = REND_GET }) }, 0,
	    "get, row 2 (l2): no path comes here" },
	/* answers */
	{ REND_GET, { 0, ROWS({ .name = "l1", .verb = REND_GET, .aside = true }) }, 0,
	    "get, row 1 (l1): it replies, but there is a path on which nobody has answered" },
	{ REND_GET, { 0, ROWS({ .name = "f", .run = some_function, .yes = 2 }, GET_L1) }, 0,
	    "get, row 1 (f): it replies, but there is a path on which nobody has answered" },
	{ REND_DELETE,
	    { 0, ROWS({ .name = "l1",
			  .verb = REND_DELETE,
			  .aside = true,
			  .yes = 2,
			  .no = REND_REPLY_OK,
			  .fail = REND_REPLY_FAIL },
		     { .name = "l2",
			 .tier = 1,
			 .verb = REND_DELETE,
			 .aside = true,
			 .no = REND_REPLY_OK,
			 .fail = REND_REPLY_FAIL }) },
	    0, "delete, row 2 (l2): it replies, but there is a path on which nobody has answered" },
	{ REND_GET,
	    { 0, ROWS({ .name = "l1", .verb = REND_GET, .aside = true, .yes = 2, .no = 2, .fail = 2 },
		     { .name = "l2", .tier = 1, .verb = REND_DELETE, .late = true }) },
	    0, "get, row 2 (l2): it is late, but there is a path on which nobody has answered before" },
	/* items */
	{ REND_GET,
	    { 0, ROWS({ .name = "l2", .tier = 1, .verb = REND_GET, .want = ALL, .yes = 2, .no = 2 },
		     { .name = "fill", .verb = REND_SET, .aside = true }) },
	    0, "get, row 2 (fill): it stores, but there is a path on which nothing was found before" },
	{ REND_GET,
	    { 0, ROWS({ .name = "l2", .tier = 1, .verb = REND_GET, .want = REND_WANT_VALUE, .yes = 2 },
		     { .name = "fill", .verb = REND_SET, .aside = true }) },
	    0, "get, row 2 (fill): it stores what was found by a get that does not want value and exptime" },
	{ REND_SET,
	    { 0, ROWS({ .name = "old", .verb = REND_GET, .want = REND_WANT_EXPTIME, .yes = 2, .no = 2, .fail = 2 },
		     { .name = "l1", .verb = REND_SET }) },
	    0, "set, row 2 (l1): it stores what was found by a get that does not want value and exptime" },
	/* the guard */
	{ REND_SET, { REND_UNGUARDED, ROWS({ .name = "l1", .verb = REND_SET, .guarded = true }) }, REND_CAN_GUARD,
	    "set, row 1 (l1): it is guarded, but the walk has no guard" },
	{ REND_DELETE, { REND_WRITES, ROWS({ .name = "l1", .verb = REND_DELETE, .guarded = true }) }, REND_CAN_GUARD,
	    "delete, row 1 (l1): it is guarded, but stores nothing" },
	{ REND_GET, { REND_READS, ROWS({ .name = "l1", .verb = REND_GET, .guarded = true }) }, REND_CAN_GUARD,
	    "get, row 1 (l1): it is guarded, but stores nothing" },
	{ REND_GET, { REND_READS, ROWS({ .name = "f", .run = some_function, .guarded = true, .yes = REND_REPLY_OK }) },
	    REND_CAN_GUARD, "get, row 1 (f): it is guarded, but stores nothing" },
	{ REND_DELETE,
	    { REND_WRITES, ROWS({ .name = "l1", .verb = REND_DELETE, .mode = REND_IF_CAS, .guarded = true }) },
	    REND_CAN_GUARD, "delete, row 1 (l1): it is guarded, but stores nothing" },
	/* touches that only shorten */
	{ REND_TOUCH,
	    { REND_WRITES,
		ROWS({ .name = "l2", .tier = 1, .verb = REND_TOUCH, .own = true, .mode = REND_ONLY_EARLIER }) },
	    REND_CAN_GUARD,
	    "touch, row 1 (l2): only a touch of tier 0, in a walk with a guard, may be for what is earlier" },
	{ REND_TOUCH,
	    { REND_UNGUARDED, ROWS({ .name = "l1", .verb = REND_TOUCH, .own = true, .mode = REND_ONLY_EARLIER }) },
	    REND_CAN_GUARD,
	    "touch, row 1 (l1): only a touch of tier 0, in a walk with a guard, may be for what is earlier" },
	{ REND_GET, { REND_READS, ROWS({ .name = "l1", .verb = REND_GET, .own = true, .mode = REND_ONLY_EARLIER }) },
	    REND_CAN_GUARD,
	    "get, row 1 (l1): only a touch of tier 0, in a walk with a guard, may be for what is earlier" },
	/* leases */
	{ REND_GET, { 0, ROWS({ .name = "l1", .verb = REND_GET, .lease = 5 }) }, REND_CAN_LEASE,
	    "get, row 1 (l1): what it does with a lease is 5, which is nothing" },
	{ REND_GET, { 0, ROWS({ .name = "l2", .tier = 1, .verb = REND_GET, .lease = REND_LEASE_TAKE }) },
	    REND_CAN_LEASE, "get, row 1 (l2): it has to do with leases, but does not ask tier 0" },
	{ REND_GET, { 0, ROWS({ .name = "l1", .verb = REND_GET, .lease = REND_LEASE_TAKE }) }, REND_CAN_GUARD,
	    "get, row 1 (l1): it has to do with leases, and the handler of tier l1 has none" },
	{ REND_GET, { 0, ROWS({ .name = "l1", .verb = REND_GET, .lease = REND_LEASE_USE }) }, REND_CAN_LEASE,
	    "get, row 1 (l1): it uses a lease, but is neither set nor delete" },
	{ REND_DELETE, { 0, ROWS({ .name = "l1", .verb = REND_DELETE, .lease = REND_LEASE_LOOK }) }, REND_CAN_LEASE,
	    "delete, row 1 (l1): it takes a lease, or looks for one, but is no get" },
	{ REND_DELETE, { 0, ROWS({ .name = "l1", .verb = REND_DELETE, .lease = REND_LEASE_USE }) }, REND_CAN_LEASE,
	    "delete, row 1 (l1): it uses a lease, but there is a path on which none was taken" },
	/* ... on the path of a hit there is none */
	{ REND_GET,
	    { 0, ROWS({ .name = "l1", .verb = REND_GET, .lease = REND_LEASE_TAKE, .yes = 2, .no = 2 },
		     { .name = "kill", .verb = REND_DELETE, .own = true, .aside = true, .lease = REND_LEASE_USE }) },
	    REND_CAN_LEASE, "get, row 2 (kill): it uses a lease, but there is a path on which none was taken" },
	{ REND_SET,
	    { 0, ROWS({ .name = "lease",
			  .verb = REND_GET,
			  .aside = true,
			  .lease = REND_LEASE_ONLY,
			  .yes = 2,
			  .no = 2,
			  .fail = 2 },
		     { .name = "l1", .verb = REND_SET, .lease = REND_LEASE_USE }) },
	    REND_CAN_LEASE, "set, row 2 (l1): it uses a lease, but there is a path on which none was taken" },
	{ REND_GET,
	    { REND_READS, ROWS({ .name = "l1", .verb = REND_GET, .lease = REND_LEASE_TAKE, .no = 2 },
			      { .name = "l2", .tier = 1, .verb = REND_GET, .want = ALL, .yes = 3 },
			      { .name = "fill", .verb = REND_ADD, .aside = true, .guarded = true }) },
	    REND_CAN_LEASE | REND_CAN_EXCLUDE,
	    "get, row 3 (fill): it is guarded, but the handler of tier l1 asks the guard only of what uses a lease" },
	{ REND_GET, { REND_READS, ROWS({ .name = "l1", .verb = REND_GET }) }, REND_CAN_LEASE,
	    "get: it has a guard, but the handler of tier l1 cannot ask one" },
	/* what is repaired */
	{ REND_DELETE, { 0, ROWS({ .name = "l2", .tier = 1, .verb = REND_DELETE, .repair = true }) }, REND_CAN_LEASE,
	    "delete, row 1 (l2): it is to be repaired, but is no plain delete or flush_all of tier 0" },
	{ REND_TOUCH, { 0, ROWS({ .name = "l1", .verb = REND_TOUCH, .repair = true }) }, REND_CAN_LEASE,
	    "touch, row 1 (l1): it is to be repaired, but is no plain delete or flush_all of tier 0" },
	/* where one goes who joined */
	{ REND_GET, { REND_READS, ROWS({ .name = "l2", .tier = 1, .verb = REND_GET, .joined = 1 }) }, REND_CAN_GUARD,
	    "get, row 1 (l2): it says where one goes on who joins, but nobody does" },
	{ REND_GET, { REND_READS, ROWS({ .name = "l2", .tier = 1, .verb = REND_GET, .join = true, .joined = 3 }) },
	    REND_CAN_GUARD, "get, row 1 (l2): it goes on to row 3, which has no name" },
	{ REND_GET, { 0, ROWS({ .name = "l2", .tier = 1, .verb = REND_GET, .join = true }) }, REND_CAN_LEASE,
	    "get, row 1 (l2): it joins, but there is a path on which no lease was taken" },
	/* gets that join */
	{ REND_GET, { REND_READS, ROWS({ .name = "l1", .verb = REND_GET, .join = true }) }, REND_CAN_GUARD,
	    "get, row 1 (l1): it joins, but the walk has not looked at the guard" },
	{ REND_GET, { REND_UNGUARDED, ROWS({ .name = "l2", .tier = 1, .verb = REND_GET, .join = true }) },
	    REND_CAN_GUARD, "get, row 1 (l2): it joins, but the walk has not looked at the guard" },
	{ REND_GET, { REND_WRITES, ROWS({ .name = "l2", .tier = 1, .verb = REND_GET, .join = true }) }, REND_CAN_GUARD,
	    "get, row 1 (l2): it joins, but the walk has not looked at the guard" },
	{ REND_TOUCH, { REND_READS, ROWS({ .name = "l2", .tier = 1, .verb = REND_GET, .join = true }) }, REND_CAN_GUARD,
	    "touch, row 1 (l2): it joins, but is no get before the answer to a get" },
	{ REND_GET, { REND_READS, ROWS({ .name = "l2", .tier = 1, .verb = REND_TOUCH, .join = true }) }, REND_CAN_GUARD,
	    "get, row 1 (l2): it joins, but is no get before the answer to a get" },
	{ REND_GET,
	    { REND_READS, ROWS({ .name = "l1", .verb = REND_GET, .no = 2 },
			      { .name = "l2", .tier = 1, .verb = REND_GET, .late = true, .join = true }) },
	    REND_CAN_GUARD, "get, row 2 (l2): it joins, but is no get before the answer to a get" },
	{ REND_GET,
	    { REND_READS, ROWS({ .name = "l1", .verb = REND_GET, .no = 2 },
			      { .name = "l2", .tier = 1, .verb = REND_GET, .aside = true, .join = true }) },
	    REND_CAN_GUARD, "get, row 2 (l2): it joins, but its status is not the answer" },
	{ REND_SET, { REND_WRITES, ROWS({ .name = "l2", .tier = 1, .verb = REND_SET, .guarded = true }) },
	    REND_CAN_GUARD, "set, row 1 (l2): it is guarded, but asks tier 1: the guard is tier 0's" },
	{ REND_SET, { REND_WRITES, ROWS({ .name = "l1", .verb = REND_SET, .guarded = true }) }, 0,
	    "set: it has a guard, but the handler of tier l1 cannot ask one" },
	{ REND_SET, { (enum rend_guarding)3, ROWS({ .name = "l1", .verb = REND_SET }) }, REND_CAN_GUARD,
	    "set: its guard is 3, which is none" },
	{ REND_SET, { REND_WRITES, NULL }, REND_CAN_GUARD, "set: it has a guard, but no rows" },
};

static void
bad_tables_are_refused(void **state)
{
	for (size_t i = 0; i < COUNT_OF(bads); i++) {
		struct rend_walk walks[REND_VERB_SLOTS] = { [REND_GET] = { 0, ROWS(GET_L1) } };
		struct rend_error err = { 0 };
		char expected[512];

		walks[bads[i].verb] = bads[i].walk;
		snprintf(expected, sizeof expected, "policy sample, %s", bads[i].sentence);
		if (flow_check(&policy, walks, 2, bads[i].l1_can, &err) != -1)
			fail_msg("not refused: %s", expected);
		assert_string_equal(err.text, expected);
	}
}

static void
slots_are_checked(void **state)
{
	struct rend_walk walks[REND_VERB_SLOTS] = { [REND_GET_TOUCH] = { 0, ROWS(GET_L1) } };
	struct rend_error err = { 0 };

	assert_int_equal(flow_check(&policy, walks, 2, 0, &err), -1);
	assert_string_equal(err.text, "policy sample has rows for get_touch, but none for get");
	walks[REND_GET] = walks[REND_GET_TOUCH];
	assert_int_equal(flow_check(&policy, walks, 2, 0, &err), 0);
	walks[REND_VERB_COUNT] = walks[REND_GET];
	assert_int_equal(flow_check(&policy, walks, 2, 0, &err), -1);
	assert_string_equal(err.text, "policy sample has rows for verb 12, which is none");
}

static void
a_guard_needs_a_tier(void **state)
{
	struct rend_walk walks[REND_VERB_SLOTS] = {
		[REND_GET] = { REND_READS, ROWS({ .name = "f", .run = some_function, .yes = REND_REPLY_OK }) }
	};
	struct rend_error err = { 0 };

	assert_int_equal(flow_check(&policy, walks, 0, REND_CAN_GUARD, &err), -1);
	assert_string_equal(err.text, "policy sample, get: it has a guard, but the policy has no tier");
}

/* ---- tables with more paths than one can go ---- */

/* Each row goes to the next one, whatever comes: 3^62 paths. */
static void
astronomic(struct rend_step steps[FLOW_ROWS_MAX], char names[FLOW_ROWS_MAX][8])
{
	memset(steps, 0, FLOW_ROWS_MAX * sizeof *steps);
	for (unsigned r = 1; r < FLOW_ROWS_MAX - 1; r++) {
		uint8_t next = r + 1 < FLOW_ROWS_MAX - 1 ? (uint8_t)(r + 1) : REND_REPLY;

		snprintf(names[r], 8, "row%u", r);
		steps[r] = (struct rend_step){
			.name = names[r], .verb = REND_GET, .want = ALL, .yes = next, .no = next, .fail = next
		};
	}
}

static void
astronomic_tables_do_not_take_for_ever(void **state)
{
	struct rend_step steps[FLOW_ROWS_MAX];
	char names[FLOW_ROWS_MAX][8];
	struct rend_walk walks[REND_VERB_SLOTS] = { [REND_GET] = { 0, steps } };
	struct rend_error err = { 0 };
	char *said, *last;
	size_t len, lines = 0;
	FILE *out = open_memstream(&said, &len);

	astronomic(steps, names);
	assert_int_equal(flow_check(&policy, walks, 2, 0, &err), 0);
	flow_print_paths(&policy, walks, out);
	fclose(out);
	for (const char *p = said; (p = strchr(p, '\n')) != NULL; p++)
		lines++;
	assert_int_equal(lines, 4097);
	said[len - 1] = '\0';
	last = strrchr(said, '\n');
	assert_string_equal(last + 1, "get       ... and more");
	free(said);
}

/* ---- what is printed ---- */

static const struct rend_walk sample[REND_VERB_SLOTS] = {
	[REND_GET] = { REND_READS,
	    ROWS({ .name = "l1", .verb = REND_GET, .no = 2, .fail = 2, .but = { { REND_TIMEOUT, REND_REPLY } } },
		{ .name = "l2", .tier = 1, .verb = REND_GET, .want = ALL, .yes = 3 },
		{ .name = "fill", .verb = REND_ADD, .guarded = true, .late = true }) },
	[REND_TOUCH] = { 0,
	    ROWS({ .name = "up?", .run = some_function, .yes = 2, .no = REND_REPLY_OK, .fail = REND_REPLY_FAIL },
		{ .name = "l1",
		    .verb = REND_TOUCH,
		    .aside = true,
		    .yes = REND_REPLY_OK,
		    .no = REND_REPLY_FAIL,
		    .fail = REND_REPLY_OK }) },
};

static char *
printed(bool dot)
{
	char *said;
	size_t len;
	FILE *out = open_memstream(&said, &len);

	if (dot)
		flow_print_dot(&policy, sample, "a \"b\"", out);
	else
		flow_print_paths(&policy, sample, out);
	fclose(out);
	return said;
}

static void
paths_are_listed(void **state)
{
	struct rend_error err = { 0 };
	char *said = printed(false);

	assert_int_equal(flow_check(&policy, sample, 2, REND_CAN_GUARD, &err), 0);
	assert_string_equal(said, "get       l1=yes                                  -> yes\n"
				  "get       l1=no l2=yes                            -> yes  then fill=yes\n"
				  "get       l1=no l2=yes                            -> yes  then fill=no\n"
				  "get       l1=no l2=yes                            -> yes  then fill=fail\n"
				  "get       l1=no l2=no                             -> no\n"
				  "get       l1=no l2=fail                           -> fail\n"
				  "get       l1=fail l2=yes                          -> yes  then fill=yes\n"
				  "get       l1=fail l2=yes                          -> yes  then fill=no\n"
				  "get       l1=fail l2=yes                          -> yes  then fill=fail\n"
				  "get       l1=fail l2=no                           -> no\n"
				  "get       l1=fail l2=fail                         -> fail\n"
				  "get       l1=TIMEOUT                              -> fail\n"
				  "touch     up?=yes l1=yes                          -> yes\n"
				  "touch     up?=yes l1=no                           -> no\n"
				  "touch     up?=yes l1=fail                         -> yes\n"
				  "touch     up?=no                                  -> yes\n"
				  "touch     up?=fail                                -> fail\n");
	free(said);
}

static void
tables_are_drawn(void **state)
{
	static const char *const lines[] = {
		"\tsubgraph cluster_a__b__get_0 {\n\t\tlabel=\"a \\\"b\\\": get, guard: reads\";\n",
		"\t\ta__b__get_1 [shape=box, label=\"l1\\nl1 get\"];\n",
		"\t\ta__b__get_3 [shape=box, label=\"fill\\nl1 add\", style=dashed, peripheries=2];\n",
		"\t\ta__b__get_1 -> a__b__get_0 [label=\"yes, TIMEOUT\"];\n",
		"\t\ta__b__get_1 -> a__b__get_2 [label=\"no, fail\"];\n",
		"\t\ta__b__touch_1 [shape=diamond, label=\"up?\"];\n",
		"\t\ta__b__touch_2 [shape=box, label=\"l1\\nl1 touch\", style=dotted];\n",
		"\t\ta__b__touch_254 [shape=plaintext, label=\"reply: error\"];\n",
	};
	char *said = printed(true);
	int depth = 0;

	for (size_t i = 0; i < COUNT_OF(lines); i++)
		if (strstr(said, lines[i]) == NULL)
			fail_msg("no line %sin\n%s", lines[i], said);
	for (const char *p = said; *p != '\0'; p++)
		depth += (*p == '{') - (*p == '}');
	assert_int_equal(depth, 0);
	free(said);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bad_tables_are_refused),
		cmocka_unit_test(slots_are_checked),
		cmocka_unit_test(a_guard_needs_a_tier),
		cmocka_unit_test(astronomic_tables_do_not_take_for_ever),
		cmocka_unit_test(paths_are_listed),
		cmocka_unit_test(tables_are_drawn),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
