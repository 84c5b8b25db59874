/* The policy kit over l1only, over policies that use everything, and over mistakes that it has to notice. */
#include "../unit/base/unit.h"

#include <dlfcn.h>

#include "policy_kit.h"
#include "test_policies.h"

static int conf_stands_for_options;

static struct policy_kit
kit_of(const struct rend_policy *policy)
{
	return (struct policy_kit){ .policy = policy, .conf = &conf_stands_for_options, .l1_can = REND_CAN_GUARD };
}

static const struct rend_policy *
l1only(void)
{
	const char *dir = getenv("REND_PLUGINS");
	char path[4096];
	void *so;
	rend_plugin_f *plugin;

	snprintf(path, sizeof path, "%s/l1only.so", dir != NULL ? dir : ".libs");
	so = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (so == NULL)
		fail_msg("%s", dlerror());
	*(void **)&plugin = dlsym(so, "rend_plugin");
	assert_non_null(plugin);
	return plugin()->policy;
}

static void
golden(const struct rend_policy *policy, const char *file)
{
	struct policy_kit kit = kit_of(policy);
	const char *srcdir = getenv("srcdir");
	char path[4096];

	snprintf(path, sizeof path, "%s/%s", srcdir != NULL ? srcdir : ".", file);
	assert_int_equal(policy_kit_golden(&kit, path, stderr), 0);
}

static void
l1only_keeps_its_promises(void **state)
{
	struct policy_kit kit = kit_of(l1only());

	assert_int_equal(policy_kit_run(&kit, stderr), 0);
}

static void
l1only_has_the_paths_of_its_file(void **state)
{
	golden(l1only(), "plugins/l1only/l1only.paths");
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
	golden(&two_tier, "tests/kit/two_tier.paths");
	golden(&motley, "tests/kit/motley.paths");
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
		cmocka_unit_test(l1only_keeps_its_promises),
		cmocka_unit_test(l1only_has_the_paths_of_its_file),
		cmocka_unit_test(two_tier_keeps_its_promises),
		cmocka_unit_test(motley_keeps_its_promises),
		cmocka_unit_test(paths_are_those_of_the_files),
		cmocka_unit_test(the_kit_notices_mistakes),
		cmocka_unit_test(the_kit_notices_other_paths),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
