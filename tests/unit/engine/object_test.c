/* What belongs to a node: whose copy is asked first under it, and what plugins leave with it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "../../kit/test_policies.h"
#include "engine/node.h"

/* ---- whose copy is asked first ---- */

struct over_conf {
	int64_t number;
	const struct rend_node *first, *second;
};

static const struct rend_option over_options[] = {
	REND_OPTION("number", REND_INT, over_conf, number, "1", NULL, "No node."),
	REND_OPTION("first", REND_NODE, over_conf, first, NULL, NULL, "Who is asked."),
	REND_OPTION("second", REND_NODE, over_conf, second, NULL, NULL, "Who else."),
	{ 0 },
};

static const struct rend_plugin self = { .version = "0", .build = "" };
static struct plugin keeps = { .self = &self, .handler = { .name = "keeps" } };
static struct plugin asks = { .self = &self, .handler = { .name = "asks", .options = over_options } };
static struct plugin decides = { .self = &self,
	.handler = { .name = "decides", .options = over_options, .policy = true } };
static struct plugin walks = { .self = &self };

static struct rend_node *
over(struct plugin *plugin, struct over_conf *conf, const struct rend_node *first, const struct rend_node *second)
{
	*conf = (struct over_conf){ .number = 1, .first = first, .second = second };
	return node_new("over", plugin, conf, NULL);
}

static void
l1_of_nodes(void **state)
{
	struct over_conf confs[3];
	struct rend_node *mem = node_new("mem", &keeps, NULL, NULL), *disk = node_new("disk", &keeps, NULL, NULL);
	struct rend_node *chunks = over(&asks, &confs[0], mem, NULL);
	struct rend_node *tiers = node_new("tiers", &walks, NULL, NULL);
	struct rend_node *inner = over(&decides, &confs[1], tiers, disk),
			 *outer = over(&decides, &confs[2], inner, NULL);

	walks.policy = two_tier;
	tiers->tiers[0] = chunks;
	tiers->tiers[1] = disk;
	tiers->tier_count = 2;
	assert_ptr_equal(rend_node_l1(mem), mem);
	/* A handler keeps what it answers with, whoever it asks. */
	assert_ptr_equal(rend_node_l1(chunks), chunks);
	assert_ptr_equal(rend_node_l1(tiers), chunks);
	assert_ptr_equal(rend_node_l1(inner), chunks);
	assert_ptr_equal(rend_node_l1(outer), chunks);
	confs[1].first = disk;
	assert_ptr_equal(rend_node_l1(outer), disk);
	/* A policy that asks nobody. */
	confs[1].first = NULL;
	assert_ptr_equal(rend_node_l1(outer), inner);
	node_free(&outer);
	node_free(&inner);
	node_free(&tiers);
	node_free(&chunks);
	node_free(&disk);
	node_free(&mem);
}

/* ---- objects ---- */

static int made, freed;

static void *
make(void *arg)
{
	made++;
	return arg;
}

static void
end(void *object)
{
	freed++;
	++*(int *)object;
}

static void
an_object_is_made_once_and_freed_with_its_node(void **state)
{
	struct rend_node *n = node_new("n", &keeps, NULL, NULL), *other = node_new("other", &keeps, NULL, NULL);
	struct rend_error err = { 0 };
	int a = 0, b = 0, c = 0;

	made = freed = 0;
	assert_ptr_equal(rend_node_object(n, "a", make, end, &a), &a);
	assert_int_equal(node_open(n, &err), 0);
	assert_ptr_equal(rend_node_object(n, "a", make, end, &b), &a);
	assert_int_equal(made, 1);
	assert_ptr_equal(rend_node_object(n, "b", make, end, &b), &b);
	assert_ptr_equal(rend_node_object(other, "a", make, end, &c), &c);
	/* It is not said what it could not be. */
	assert_null(rend_node_object(n, "c", make, end, NULL));
	node_close(n);
	assert_int_equal(freed, 0);
	node_free(&n);
	assert_int_equal(freed, 2);
	assert_int_equal(a, 1);
	assert_int_equal(b, 1);
	node_free(&other);
	assert_int_equal(freed, 3);
	assert_int_equal(made, 4);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(l1_of_nodes),
		cmocka_unit_test(an_object_is_made_once_and_freed_with_its_node),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
