/* The stats command: which group is meant, and how it ends.  See stats.h. */
#include "net/stats.h"

#include <string.h>

#include "engine/generation.h"
#include "net/conn.h"
#include "net/server.h"
#include "net/stats_groups.h"
#include "proto/words.h"

/* A client that is owed as much as this gets no group until it has read. */
#define OWED_BYTES (256 * 1024)

static void
detail_on(struct server *s)
{
	prefixes_switch(&s->prefixes, true);
}

static void
detail_off(struct server *s)
{
	prefixes_switch(&s->prefixes, false);
}

/* One group.  It has one of the three functions, or none and only an end. */
struct group {
	const char *word, *second; /* NULL: whatever comes second does not matter */
	void (*act)(struct server *s);
	void (*say)(const struct report *r);
	survey_visit_f *visit;
	bool everywhere; /* visits all workers, not only the client's */
	enum stats_end end;
};

/* The first row that fits is meant.  An empty word is plain `stats`. */
static const struct group groups[] = {
	{ .word = "", .say = stats_general },
	{ .word = "reset", .act = stats_reset, .end = STATS_RESET },
	{ .word = "settings", .say = stats_settings },
	{ .word = "items", .say = stats_items },
	{ .word = "slabs", .say = stats_slabs },
	{ .word = "sizes", .say = stats_sizes },
	{ .word = "conns", .visit = stats_conns, .everywhere = true },
	{ .word = "detail", .second = "on", .act = detail_on, .end = STATS_OK },
	{ .word = "detail", .second = "off", .act = detail_off, .end = STATS_OK },
	{ .word = "detail", .second = "dump", .visit = stats_prefixes, .end = STATS_SAID },
	{ .word = "detail", .end = STATS_DETAIL_USAGE },
	{ .word = "cachedump", .end = STATS_NO_CACHEDUMP },
	{ .word = "nodes", .say = stats_nodes },
	{ .word = "node", .say = stats_node },
	{ .word = "policy", .say = stats_policy },
	{ .word = "latency", .say = stats_latency },
	{ .word = "ops", .visit = stats_ops, .everywhere = true },
	{ .word = NULL, .end = STATS_UNKNOWN },
};

#define UNKNOWN (sizeof groups / sizeof *groups - 1)

static bool
is_group(const struct group *g, const struct word *word, const struct word *second)
{
	return word_is(word, g->word, strlen(g->word)) &&
	       (g->second == NULL || word_is(second, g->second, strlen(g->second)));
}

static const struct rend_node *
node_named(const struct server *s, const struct word *name, uint16_t *which)
{
	const struct generation *g = server_generation(s);

	for (*which = 0; *which < g->count; ++*which)
		if (word_is(name, g->nodes[*which]->name, strlen(g->nodes[*which]->name)))
			return g->nodes[*which];
	return NULL;
}

void
stats_parse(const struct server *s, const char *args, size_t len, struct asked *asked)
{
	struct word word = word_first(args, args + len), second = word_next(&word, args + len);
	uint8_t i = 0;

	while (i < UNKNOWN && !is_group(&groups[i], &word, &second))
		i++;
	if (groups[i].say == stats_node && node_named(s, &second, &asked->part) == NULL)
		i = UNKNOWN;
	asked->group = i;
}

/* false: more is to come. */
static bool
say_survey(struct conn *c, struct answer *a, const struct group *g)
{
	if (a->survey == NULL)
		a->survey = survey_new(c, g->visit, g->everywhere);
	if (a->survey == NULL) {
		c->out.broken = true;
		return true;
	}
	if (!survey_say(a->survey, &a->asked))
		return false;
	survey_free(&a->survey);
	return true;
}

bool
stats_say(struct conn *c, struct answer *a)
{
	const struct group *g = &groups[a->asked.group];
	const struct report r = { c, &a->asked, c->loop->server };

	if (c->gone) {
		survey_free(&a->survey);
		return true;
	}
	if (c->out.len >= OWED_BYTES)
		return false;
	if (g->visit != NULL && !say_survey(c, a, g))
		return false;
	if (g->say != NULL)
		g->say(&r);
	if (g->act != NULL)
		g->act(c->loop->server);
	dialog_stat_end(&c->dialog, &c->out, &a->asked, g->end);
	return true;
}
