/* What one generation leaves behind for the next. */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "engine/pairs.h"

struct two {
	const struct rend_node *l1, *l2;
};

static const struct rend_option two_options[] = {
	REND_OPTION("l1", REND_HANDLER, two, l1, NULL, NULL, "One."),
	REND_OPTION("l2", REND_HANDLER, two, l2, "", NULL, "Another."),
	{ 0 },
};

static const struct rend_step copy_get[] = { { 0 }, { .name = "l1", .tier = 0, .verb = REND_GET }, { 0 } };
static const struct rend_walk copying[REND_VERB_SLOTS] = { [REND_GET] = { REND_READS, copy_get } };
static const struct rend_walk plain[REND_VERB_SLOTS] = { [REND_GET] = { REND_UNGUARDED, copy_get } };

static const struct rend_plugin handler_self = { .handler = &(const struct rend_handler){ .name = "h" } };
static const struct rend_plugin policy_self = { .policy = &(const struct rend_policy){ .name = "p" } };
static struct plugin handler = { .self = &handler_self, .handler = { .name = "h" } };
static struct plugin policy = { .self = &policy_self, .policy = { .name = "p", .options = two_options } };

static struct rend_node *mem, *disk, *other;

static struct rend_node *
make(const char *name)
{
	return node_new(name, &handler, NULL, NULL);
}

/* A generation of the three, and a policy over some of them. */
static struct generation *
asked(struct rend_node *l1, struct rend_node *l2, bool trust, int bypassed)
{
	struct rend_node **nodes = calloc(4, sizeof *nodes), *p;
	struct two *conf = calloc(1, sizeof *conf);

	conf->l1 = l1;
	conf->l2 = l2;
	p = node_new("p", &policy, conf, free);
	p->reached = true;
	p->walks = l2 != NULL && bypassed == 0 ? copying : plain;
	p->tiers[0] = l1;
	p->tiers[1] = l2;
	p->tier_count = l2 == NULL ? 1 : 2;
	p->trust_l2 = trust;
	p->bypassed = bypassed;
	nodes[0] = mem;
	nodes[1] = disk;
	nodes[2] = other;
	nodes[3] = p;
	return generation_new(nodes, 4);
}

static int
note_emptied(void *arg, const struct rend_node *n, bool is_new, struct rend_error *err)
{
	char *said = arg;

	(void)err;
	strcat(strcat(strcat(said, is_new ? "new " : ""), n->name), " ");
	return 0;
}

/* Who is emptied before it is asked. */
static void
comes(struct generation *g, const char *emptied)
{
	struct rend_error err = { 0 };
	char said[64] = "";

	assert_int_equal(pairs_each_left_behind(g, note_emptied, said, &err), 0);
	assert_string_equal(said, emptied);
	pairs_note(g);
	generation_commit(g);
	mem->owner = disk->owner = other->owner = NULL;
	g->count = 0;
}

/* The policy and the array; the three stay. */
static void
drop(struct generation *g)
{
	node_free(&g->nodes[3]);
	generation_free(&g);
}

static void
is_asked(struct rend_node *l1, struct rend_node *l2, bool trust, int bypassed, const char *emptied)
{
	struct generation *g = asked(l1, l2, trust, bypassed);

	comes(g, emptied);
	drop(g);
}

static int
set_up(void **state)
{
	(void)state;
	mem = make("mem");
	disk = make("disk");
	other = make("other");
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	node_free(&mem);
	node_free(&disk);
	node_free(&other);
	return 0;
}

static void
test_nothing_is_left_behind_by_the_same(void **state)
{
	(void)state;
	is_asked(mem, disk, false, 0, "new mem ");
	is_asked(mem, disk, false, 0, "");
}

static void
test_an_l2_is_when_only_its_l1_is_asked(void **state)
{
	(void)state;
	is_asked(mem, disk, false, 0, "new mem ");
	is_asked(mem, NULL, false, 0, "");
	is_asked(other, NULL, false, 0, "");
	is_asked(mem, disk, false, 0, "disk ");
	is_asked(mem, disk, false, 0, "");
}

static void
test_a_trusted_l2_is_not(void **state)
{
	(void)state;
	is_asked(mem, disk, false, 0, "new mem ");
	is_asked(mem, NULL, false, 0, "");
	is_asked(mem, disk, true, 0, "");
}

static void
test_an_l1_is_when_only_its_l2_is_asked(void **state)
{
	(void)state;
	is_asked(mem, disk, false, 0, "new mem ");
	is_asked(disk, NULL, false, 0, "");
	is_asked(other, NULL, false, 0, "");
	is_asked(mem, disk, true, 0, "mem ");
	is_asked(mem, disk, false, 0, "");
}

static void
test_a_bypassed_tier_is_left_behind(void **state)
{
	(void)state;
	is_asked(mem, disk, false, 0, "new mem ");
	is_asked(mem, disk, false, 2, "");
	is_asked(mem, disk, false, 0, "disk ");
	is_asked(mem, disk, false, 1, "");
	is_asked(mem, disk, false, 0, "mem ");
}

static void
test_neither_is_when_neither_is_asked(void **state)
{
	(void)state;
	is_asked(mem, disk, false, 0, "new mem ");
	is_asked(other, NULL, false, 0, "");
	is_asked(mem, disk, false, 0, "");
}

static void
test_an_l1_gets_no_other_l2_while_it_is_asked(void **state)
{
	struct generation *g;
	struct rend_error err = { 0 };
	char said[64] = "";

	(void)state;
	is_asked(mem, disk, false, 0, "new mem ");
	g = asked(mem, other, false, 0);
	assert_int_equal(pairs_each_left_behind(g, note_emptied, said, &err), -1);
	assert_non_null(strstr(err.text, "needs a restart"));
	mem->owner = disk->owner = other->owner = NULL;
	g->count = 0;
	drop(g);
	/* When it has not been asked in between, it only has to be emptied. */
	is_asked(disk, NULL, false, 0, "");
	is_asked(mem, other, false, 0, "mem ");
}

static void
test_parts_differ(void **state)
{
	struct generation *both = asked(mem, disk, false, 0), *again = asked(mem, disk, true, 0),
			  *l1 = asked(mem, NULL, false, 0), *l2 = asked(disk, NULL, false, 0),
			  *third = asked(other, NULL, false, 0), *bypassed = asked(mem, disk, false, 2);
	struct generation *all[] = { both, again, l1, l2, third, bypassed };

	(void)state;
	assert_false(pairs_differ(both, again));
	assert_true(pairs_differ(both, l1));
	assert_true(pairs_differ(l1, both));
	assert_true(pairs_differ(both, l2));
	assert_true(pairs_differ(both, bypassed));
	assert_false(pairs_differ(both, third));
	assert_false(pairs_differ(third, both));
	assert_false(pairs_differ(l1, bypassed));
	assert_false(pairs_differ(l1, l2));
	mem->owner = disk->owner = other->owner = NULL;
	for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
		all[i]->count = 0;
		drop(all[i]);
	}
}

/* A handler over one or two others. */
static struct rend_node *
above(const char *name, struct rend_node *one, struct rend_node *two)
{
	static struct plugin over = { .self = &handler_self,
		.handler = { .name = "over", .options = two_options, .can = REND_FORGETS } };
	struct two *conf = calloc(1, sizeof *conf);

	conf->l1 = one;
	conf->l2 = two;
	return node_new(name, &over, conf, free);
}

static void
test_who_is_reached(void **state)
{
	struct rend_node *front = above("front", mem, NULL), *idle = above("idle", disk, NULL),
			 *wide = above("wide", other, disk);
	struct generation *g;

	(void)state;
	/* It asks mem by way of front; idle has a block that nobody asks. */
	g = asked(front, NULL, false, 0);
	g->nodes[2] = front;
	g->nodes[1] = idle;
	assert_true(pairs_reaches(g, front));
	assert_true(pairs_reaches(g, mem));
	assert_false(pairs_reaches(g, idle));
	assert_false(pairs_reaches(g, disk));
	/* One of another generation, over what this one asks. */
	((struct two *)wide->conf)->l1 = disk;
	assert_false(pairs_reaches(g, wide));
	((struct two *)wide->conf)->l2 = mem;
	assert_true(pairs_reaches(g, wide));
	/* A policy that is not asked asks nobody. */
	g->nodes[3]->reached = false;
	assert_false(pairs_reaches(g, front));
	assert_false(pairs_reaches(g, mem));
	mem->owner = disk->owner = other->owner = NULL;
	g->count = 0;
	drop(g);
	node_free(&front);
	node_free(&idle);
	node_free(&wide);
}

static void
test_who_begins_empty(void **state)
{
	static struct plugin forgets = { .self = &handler_self, .handler = { .name = "f", .can = REND_FORGETS } };
	struct rend_node *fresh = node_new("fresh", &forgets, NULL, NULL), *over_fresh = above("over", fresh, NULL),
			 *over_both = above("both", fresh, mem), *kept = make("kept");
	struct generation *before = asked(mem, NULL, false, 0);

	(void)state;
	assert_true(pairs_begins_empty(before, fresh));
	assert_true(pairs_begins_empty(before, over_fresh));
	/* What it asks was there, or keeps what it has. */
	assert_false(pairs_begins_empty(before, over_both));
	assert_false(pairs_begins_empty(before, kept));
	((struct two *)over_both->conf)->l2 = kept;
	assert_false(pairs_begins_empty(before, over_both));
	/* It was there itself. */
	fresh->id = other->id = 77;
	assert_false(pairs_begins_empty(before, fresh));
	assert_false(pairs_begins_empty(before, over_fresh));
	mem->owner = disk->owner = other->owner = NULL;
	before->count = 0;
	drop(before);
	node_free(&over_fresh);
	node_free(&over_both);
	node_free(&fresh);
	node_free(&kept);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_nothing_is_left_behind_by_the_same, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_an_l2_is_when_only_its_l1_is_asked, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_a_trusted_l2_is_not, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_an_l1_is_when_only_its_l2_is_asked, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_a_bypassed_tier_is_left_behind, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_neither_is_when_neither_is_asked, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_an_l1_gets_no_other_l2_while_it_is_asked, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_parts_differ, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_who_is_reached, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_who_begins_empty, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
