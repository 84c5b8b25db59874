/* What l1l2 and l1l2batch have in common: options, decisions, and the tables of all verbs that neither leaves a copy behind. */
#ifndef L1L2_TIERS_H
#define L1L2_TIERS_H

#include "rend/plugin.h"

enum { L1, L2 };

struct tiers_conf {
	const struct rend_node *l1, *l2;
	int read_failure; /* enum tiers_read_failure */
	uint64_t promote_ttl;
	/* of an l1 in another process: apart.h */
	int promote, when_l1_away; /* enum tiers_promote, tiers_away */
	bool publish;
	uint64_t l1_max_ttl;
};

enum tiers_read_failure { READ_ERROR, READ_MISS };
enum tiers_promote { PROMOTE_CONFIRM, PROMOTE_ASIDE };
enum tiers_away { AWAY_ERROR, AWAY_L2, AWAY_GO_ON };

#define TIERS_OPTIONS                                                                                                 \
	REND_OPTION("l1", REND_HANDLER, tiers_conf, l1, NULL, NULL,                                                   \
	    "The handler that has the copies: inmem, or a memcached."),                                               \
	    REND_OPTION("l2", REND_NODE, tiers_conf, l2, NULL, NULL, "The handler or policy that has everything."),   \
	    REND_OPTION("read_failure", REND_CHOICE, tiers_conf, read_failure, "error", "error|miss",                 \
		"What a read is answered that l1 cannot answer, when l2 fails."),                                     \
	    REND_OPTION("promote", REND_CHOICE, tiers_conf, promote, "confirm", "confirm|aside",                      \
		"Of an l1 in another process: does a read wait until l1 has taken the copy, or refused it?"),         \
	    REND_OPTION("publish", REND_BOOL, tiers_conf, publish, "false", NULL,                                     \
		"Of an l1 in another process: does a write leave a copy of what it stored?"),                         \
	    REND_OPTION("when_l1_away", REND_CHOICE, tiers_conf, when_l1_away, "error", "error|l2|go_on",             \
		"Of an l1 in another process, when it cannot be reached: error; l2 answers reads; go_on: writes are " \
		"acknowledged, too."),                                                                                \
	    REND_OPTION("l1_max_ttl", REND_DURATION, tiers_conf, l1_max_ttl, "0", NULL,                               \
		"Of an l1 in another process: the longest that a copy lives; 0: as long as what it is of.")

/* All that a copy needs to be as good as what it is of. */
#define TIERS_WHOLE (REND_WANT_VALUE | REND_WANT_EXPTIME | REND_WANT_CAS)

/* ---- rows, without the edges in which the tables differ ---- */

/* Who wins, and whether an empty item is made, is l1's to say: l2 is never asked such things. */
#define GET_L1 \
	.name = "l1", .tier = L1, .verb = REND_GET, .own = true, .pass = REND_IF_CAS | REND_RECACHE | REND_NO_BUMP
#define GET_L2                                                                                       \
	.name = "l2", .tier = L2, .verb = REND_GET, .own = true, .pass = REND_IF_CAS | REND_NO_BUMP, \
	.want = TIERS_WHOLE, .join = true

/*
 * An empty item for who is to fill it (mg N), made when neither tier has the key.  l2 knows nothing of it, and any write drops it.  If it
 * cannot be made, the answer stays a miss.
 */
#define STUB                                                                                               \
	.name = "stub", .tier = L1, .verb = REND_GET, .mode = REND_VIVIFY, .guarded = true, .aside = true, \
	.yes = REND_REPLY_OK

/*
 * The first row of every write.  An answer of l2, also a no, is a look at what l2 has, and l1 must not contradict it from then on; so its
 * copy goes before l2 is asked.  If l1 cannot say that it is gone, nothing is asked of l2: the client is told, and nothing was changed.
 */
#define DROP .name = "drop", .tier = L1, .verb = REND_DELETE, .own = true, .aside = true, .fail = REND_REPLY_FAIL

/* ---- decisions ---- */

/* Is a read that l2 failed a miss? */
enum rend_outcome tiers_forgives(struct rend_flow *flow);

/* Did this get ask for an empty item if there is none? */
enum rend_outcome tiers_wants_stub(struct rend_flow *flow);

/* Is all known of what l2 has stored just now? */
enum rend_outcome tiers_knows_stored(struct rend_flow *flow);

/* Is all known that a copy needs, and is it worth one? */
enum rend_outcome tiers_is_whole(struct rend_flow *flow);

/* rend_policy.check of both policies. */
int tiers_check(const void *conf, uint32_t l1_can, struct rend_error *err);

/* ---- tables ---- */

extern const struct rend_step tiers_append[], tiers_prepend[], tiers_incr[], tiers_decr[], tiers_delete[],
    tiers_touch[], tiers_get_touch[], tiers_flush_all[];

#define TIERS_WALKS                                                                                     \
	[REND_APPEND] = { REND_WRITES, tiers_append }, [REND_PREPEND] = { REND_WRITES, tiers_prepend }, \
	[REND_INCR] = { REND_WRITES, tiers_incr }, [REND_DECR] = { REND_WRITES, tiers_decr },           \
	[REND_DELETE] = { REND_WRITES, tiers_delete }, [REND_TOUCH] = { REND_WRITES, tiers_touch },     \
	[REND_GET_TOUCH] = { REND_WRITES, tiers_get_touch }, [REND_FLUSH_ALL] = { REND_WRITES, tiers_flush_all }

#endif
