/* The policy kit over our plugins, over policies that use everything, and over mistakes that it has to notice. */
#include "../unit/base/unit.h"

#include <dlfcn.h>

#include "../../plugins/l1l2/tiers.h"
#include "policy_kit.h"
#include "test_policies.h"

static int conf_stands_for_options;

static struct policy_kit
kit_of(const struct rend_policy *policy)
{
	return (struct policy_kit){ .policy = policy, .conf = &conf_stands_for_options, .l1_can = REND_CAN_GUARD };
}

static const struct rend_policy *
plugin_of(const char *name)
{
	const char *dir = getenv("REND_PLUGINS");
	char path[4096];
	void *so;
	rend_plugin_f *plugin;

	snprintf(path, sizeof path, "%s/%s.so", dir != NULL ? dir : ".libs", name);
	so = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (so == NULL)
		fail_msg("%s", dlerror());
	*(void **)&plugin = dlsym(so, "rend_plugin");
	assert_non_null(plugin);
	return plugin()->policy;
}

static void
golden(const struct policy_kit *kit, const char *file)
{
	const char *srcdir = getenv("srcdir");
	char path[4096];

	snprintf(path, sizeof path, "%s/%s", srcdir != NULL ? srcdir : ".", file);
	assert_int_equal(policy_kit_golden(kit, path, stderr), 0);
}

/* A plugin's tables, by what its l1 can and by its options, and the list of their paths beside it. */
struct tables {
	const char *plugin, *list;
	uint32_t l1_can;
	struct tiers_conf conf;
	uint32_t slots; /* in which it differs from the one before; 0: in all */
};

#define STORES	  (1U << REND_SET | 1U << REND_ADD | 1U << REND_REPLACE)
#define LEASES	  REND_CAN_LEASE
#define EXCLUSIVE REND_CAN_LEASE | REND_CAN_EXCLUDE
#define BOTH(list, ...)                        \
	{ "l1l2", list, __VA_ARGS__ },         \
	{                                      \
		"l1l2batch", list, __VA_ARGS__ \
	}

static const struct tables tables[] = {
	{ "l1only", "l1only", REND_CAN_GUARD, { .promote = 0 }, 0 },
	{ "l1l2", "l1l2", REND_CAN_GUARD, { .promote = 0 }, 0 },
	{ "l1l2batch", "l1l2batch", REND_CAN_GUARD, { .promote = 0 }, 0 },
	BOTH("confirm", LEASES, { .promote = PROMOTE_CONFIRM }, 0),
	BOTH("confirm_publish", LEASES, { .promote = PROMOTE_CONFIRM, .publish = true }, STORES),
	BOTH("aside", LEASES, { .promote = PROMOTE_ASIDE }, 1U << REND_GET),
	BOTH("exclusive", EXCLUSIVE, { .promote = 0 }, 0),
	BOTH("exclusive_publish", EXCLUSIVE, { .publish = true }, STORES),
};

static void
plugins_keep_their_promises(void **state)
{
	for (size_t i = 0; i < COUNT_OF(tables); i++) {
		struct policy_kit kit = kit_of(plugin_of(tables[i].plugin));

		kit.conf = &tables[i].conf;
		kit.l1_can = tables[i].l1_can;
		kit.slots = tables[i].slots;
		if (policy_kit_run(&kit, stderr) != 0)
			fail_msg("%s, %s", tables[i].plugin, tables[i].list);
	}
}

static void
plugins_have_the_paths_of_their_files(void **state)
{
	for (size_t i = 0; i < COUNT_OF(tables); i++) {
		struct policy_kit kit = kit_of(plugin_of(tables[i].plugin));
		char file[256];

		kit.conf = &tables[i].conf;
		kit.l1_can = tables[i].l1_can;
		snprintf(file, sizeof file, "plugins/%s/%s.paths", tables[i].plugin, tables[i].list);
		golden(&kit, file);
	}
}

static void
two_tier_keeps_its_promises(void **state)
{
	struct policy_kit kit = kit_of(&two_tier);

	assert_int_equal(policy_kit_run(&kit, stderr), 0);
}

static void
motley_keeps_its_promises(void **state)
{
	struct policy_kit kit = kit_of(&motley);

	assert_int_equal(policy_kit_run(&kit, stderr), 0);
}

static void
paths_are_those_of_the_files(void **state)
{
	struct policy_kit two = kit_of(&two_tier), many = kit_of(&motley);

	golden(&two, "tests/kit/two_tier.paths");
	golden(&many, "tests/kit/motley.paths");
}

/* ---- does the kit notice? ---- */

/* A table of a policy, and a table that differs in one thing. */
struct mistake {
	const struct rend_policy *policy;
	unsigned verb;
	enum rend_guarding guard;
	unsigned row;
	struct rend_step instead;
};

#define ALL (REND_WANT_VALUE | REND_WANT_EXPTIME | REND_WANT_CAS)

static const struct mistake mistakes[] = {
	/* another verb */
	{ &two_tier, REND_GET, REND_READS, 3,
	    { .name = "fill", .tier = 0, .verb = REND_SET, .guarded = true, .aside = true } },
	/* another tier */
	{ &two_tier, REND_DELETE, REND_WRITES, 2, { .name = "l2", .tier = 0, .verb = REND_DELETE } },
	/* does not carry the guard */
	{ &two_tier, REND_GET, REND_READS, 3, { .name = "fill", .tier = 0, .verb = REND_ADD, .aside = true } },
	/* a guard that begins too early, one that has no writer */
	{ &two_tier, REND_GET, REND_WRITES, 3,
	    { .name = "fill", .tier = 0, .verb = REND_ADD, .guarded = true, .aside = true } },
	{ &two_tier, REND_SET, REND_READS, 2, { .name = "l2", .tier = 1, .verb = REND_SET, .yes = 3 } },
	/* its status counts */
	{ &two_tier, REND_SET, REND_WRITES, 3, { .name = "publish", .tier = 0, .verb = REND_SET, .guarded = true } },
	/* asks for less */
	{ &motley, REND_TOUCH, REND_READS, 2,
	    { .name = "l2",
		.tier = 1,
		.verb = REND_GET,
		.want = ALL & ~REND_WANT_CAS,
		.mode = REND_ALSO_TOUCH,
		.late = true,
		.yes = 3 } },
	/* stops early, goes on */
	{ &two_tier, REND_GET, REND_READS, 1, { .name = "l1", .tier = 0, .verb = REND_GET, .no = 2 } },
	{ &two_tier, REND_GET, REND_READS, 1,
	    { .name = "l1", .tier = 0, .verb = REND_GET, .yes = 2, .no = 2, .fail = 2 } },
	/* is not late, is late */
	{ &motley, REND_TOUCH, REND_READS, 2,
	    { .name = "l2",
		.tier = 1,
		.verb = REND_GET,
		.want = ALL,
		.mode = REND_ALSO_TOUCH,
		.yes = 3,
		.aside = true } },
	{ &two_tier, REND_GET, REND_READS, 3,
	    { .name = "fill", .tier = 0, .verb = REND_ADD, .guarded = true, .aside = true, .late = true } },
	/* an ask of its own instead of the client's, and with less of that than it was */
	{ &two_tier, REND_DELETE, REND_WRITES, 1,
	    { .name = "drop", .verb = REND_DELETE, .own = true, .aside = true, .yes = 2, .no = 2, .fail = 2 } },
	{ &two_tier, REND_GET, REND_READS, 1,
	    { .name = "l1", .verb = REND_GET, .own = true, .pass = REND_VIVIFY, .no = 2, .fail = 2 } },
	{ &two_tier, REND_GET, REND_READS, 2,
	    { .name = "l2", .tier = 1, .verb = REND_GET, .want = ALL, .yes = 3, .fail = REND_REPLY_MISS } },
	/* another mode, another answer */
	{ &motley, REND_SET, REND_UNGUARDED, 3,
	    { .name = "l1",
		.tier = 0,
		.verb = REND_REPLACE,
		.no = REND_REPLY_OK,
		.but = { { REND_BUSY, REND_REPLY_OK } } } },
	{ &motley, REND_DECR, REND_UNGUARDED, 3, { .name = "drop", .tier = 0, .verb = REND_DELETE, .aside = true } },
};

static void
the_kit_notices_mistakes(void **state)
{
	for (size_t i = 0; i < COUNT_OF(mistakes); i++) {
		const struct mistake *m = &mistakes[i];
		struct policy_kit kit = kit_of(m->policy);
		struct rend_walk walks[REND_VERB_SLOTS];
		struct rend_step steps[16] = { 0 };
		char *said;
		size_t len;
		FILE *out = open_memstream(&said, &len);

		memcpy(walks, m->policy->pick(NULL, 0), sizeof walks);
		for (unsigned row = 1; walks[m->verb].steps[row].name != NULL; row++)
			steps[row] = walks[m->verb].steps[row];
		steps[m->row] = m->instead;
		walks[m->verb] = (struct rend_walk){ m->guard, steps };
		kit.instead = walks;
		if (policy_kit_run(&kit, out) == 0)
			fail_msg(
			    "mistake %zu, in %s of %s, goes unnoticed", i, rend_verb_name(m->verb), m->policy->name);
		fclose(out);
		if (strstr(said, "policy ") != NULL)
			fail_msg("mistake %zu never ran: %s", i, said);
		if (strstr(said, rend_verb_name(m->verb)) == NULL)
			fail_msg("mistake %zu, in %s, is found elsewhere: %s", i, rend_verb_name(m->verb), said);
		free(said);
	}
}

static void
the_kit_notices_other_paths(void **state)
{
	struct policy_kit kit = kit_of(&two_tier);
	char *said;
	size_t len;
	FILE *out = open_memstream(&said, &len);

	assert_int_equal(policy_kit_golden(&kit, "/dev/null", out), 1);
	fclose(out);
	assert_non_null(strstr(said, "l1=no l2=yes fill=fail"));
	free(said);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plugins_keep_their_promises),
		cmocka_unit_test(plugins_have_the_paths_of_their_files),
		cmocka_unit_test(two_tier_keeps_its_promises),
		cmocka_unit_test(motley_keeps_its_promises),
		cmocka_unit_test(paths_are_those_of_the_files),
		cmocka_unit_test(the_kit_notices_mistakes),
		cmocka_unit_test(the_kit_notices_other_paths),
	};

#ifdef __SANITIZE_THREAD__
	/* The tables of the plugins are data, and one thread compares them: what runs over two is all in these. */
	cmocka_set_test_filter("*_keeps_its_promises");
#endif
	return cmocka_run_group_tests(tests, NULL, NULL);
}
