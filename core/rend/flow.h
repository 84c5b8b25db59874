/* A policy written as tables: ask this tier that; then, depending on the answer, go on. */
#ifndef REND_FLOW_H
#define REND_FLOW_H

#include "rend/guard.h"
#include "rend/op.h"

REND_BEGIN

/* What a row with a function sees of the walk it stands in. */
struct rend_flow {
	/* The client's; item is what it sent, or what was found last.  Of an item that was found, a function may change cas. */
	struct rend_op *op;
	/* What the last row asked; NULL before the first.  After a TIMEOUT only its status may be read. */
	const struct rend_op *kid;
	/* The policy's options. */
	const void *conf;
	/* What the rows after this one store is gone by then at the latest: unix seconds; 0: when its item is.  A function may set it, and
	 * nothing else here; of several such times the earliest counts. */
	int64_t until;
	/* Versions in tier 0 are those it was told, as far as a get there has said (item.link is 0).  false: not, or nobody knows. */
	bool l1_versions;
};

/*
 * A tier 0 in another process knows nothing of our guard.  What it takes, it takes because the empty item is still there that a miss left:
 * a lease (op.h).  These are what a row of tier 0 may do with one; each has an ask of its own.
 */
enum rend_lease {
	REND_NO_LEASE,
	REND_LEASE_TAKE, /* get: on a miss an empty item is left for REND_LEASE_TIME, and its version kept.  No value there, but an empty or a
			    stale item: MISS */
	REND_LEASE_ONLY, /* get: the same, but only the version is wanted: OK.  There is a value: EXISTS.  Leaves nothing with the op */
	REND_LEASE_LOOK, /* get: leaves nothing.  An empty or a stale item, or one that is only being written (REND_WANT_UNDER_WAY): EXISTS */
	REND_LEASE_USE, /* set, delete: only if the item is still there whose version was kept; the walk has taken it on every path */
};
#define REND_LEASE_TIME 30 /* seconds */

#define REND_REPLY	0 /* where a row goes if it does not say: answer the client */
#define REND_REPLY_OPEN \
	252 /* answer LOST, whatever was answered so far: it may have been done, and not everybody sees it yet */
#define REND_REPLY_MISS 253 /* answer MISS, whatever was answered so far */
#define REND_REPLY_FAIL 254 /* answer with this row's error although the row is aside; a function's: DOWN */
#define REND_REPLY_OK	255 /* answer OK */

/*
 * A row asks one tier one thing.
 *
 * What goes out: a row with the verb of the client carries the client's ask, unless it is own or guarded.  Any other row has an ask
 * of its own: its want (with the client's, if the verb is the same), its mode and those of the client's modes that it passes, and the
 * client's exptime, vivify, recache and cas, which are what modes speak of.  cas_new is the version found, when it stores; when it
 * makes an item in tier 0 of which no other tier knows, the client's, or a version that no tier gives.  A storing row is given a share of the
 * client's item, or of the item the last get found; other rows carry none.
 *
 * What comes back: a get that says yes leaves its item with the op, for the rows after it and for the client.  Any other row that is
 * not aside leaves with it what such a verb tells (op.h): cas, size, number, have, and of incr and decr exptime.  The status of the last
 * row that was not aside is the answer.
 */
struct rend_step {
	const char *name;      /* in stats, drawings and panics */
	uint8_t tier;	       /* which of rend_policy.tiers */
	uint8_t verb;	       /* what to ask it */
	uint32_t want;	       /* of a get, beside what the client wants: REND_WANT_* */
	uint32_t mode;	       /* of an ask of its own */
	uint32_t pass;	       /* of an ask of its own: those of the client's modes that go along */
	uint8_t yes, no, fail; /* the next row for each outcome */
	struct {
		uint8_t status, row;
	} but[2];     /* exceptions, looked at first; a status of 0 ends the list */
	bool own;     /* an ask of its own, although the verb is the client's */
	bool aside;   /* its status is not the answer */
	bool guarded; /* store only while the guard holds; the handler asks rend_guard_holds() */
	/*
	 * A get that others may join: those that want no more, nothing but what there is, and find the guard as it found it, with nobody
	 * writing, share its answer.  For who joined, a yes is the end of the walk.
	 */
	bool join;
	uint8_t joined; /* ... or the row where that one goes on */
	bool late;	/* this row and all after it run when the client has its answer */
	uint8_t lease;	/* enum rend_lease */
	/*
	 * A delete or flush_all of tier 0.  If it is not answered, what tier 0 has of this key (of all keys) is in doubt, until a later such row
	 * is answered: rend_flow_doubt().  When too many keys are, all of the part that has the most of them are, until it has answered a flush_all, which the engine sends.
	 */
	bool repair;
	/* Instead of tier and verb: a decision, not an op, and never the answer.  Worker's thread. */
	enum rend_outcome (*run)(struct rend_flow *flow);
};

/* One verb of a policy. */
struct rend_walk {
	/*
	 * The engine takes and gives back the key's guard word, on every path.  READS looks at it before the first row that does not ask
	 * tier 0; WRITES changes it before the first row, and holds it until the last, or until a late answer has come.  If a write to
	 * another tier than 0 ended with a status that leaves open whether it happens yet (rend_ambiguous), the word is held for the time
	 * that tier 0's block says (unknown_hold).  flush_all with WRITES takes every word.
	 */
	enum rend_guarding { REND_UNGUARDED, REND_READS, REND_WRITES } guard;
	const struct rend_step *steps; /* row 1 is the first; row 0 is not used; ends with a row whose name is NULL */
};

#define REND_TIERS_MAX 8

struct rend_error;

/* The descriptor of a policy plugin. */
struct rend_policy {
	const char *name;
	const char *doc; /* one sentence */
	/* Names of REND_HANDLER or REND_NODE options that say which nodes are the tiers; tier 0 is the one that the guard protects. */
	const char *tiers[REND_TIERS_MAX];
	size_t conf_size; /* of the struct that options fill */
	const struct rend_option *options;
	/*
	 * The tables, REND_VERB_SLOTS of them; a verb whose steps are NULL answers UNSUPPORTED.  A get with REND_ALSO_TOUCH takes the slot
	 * REND_GET_TOUCH if that one has steps.  l1_can: what tier 0's descriptor says it can.  Main thread, once per block of rend.conf; the
	 * tables must live as long as the process.
	 */
	const struct rend_walk *(*pick)(const void *conf, uint32_t l1_can);
	/* Do these options go with each other, and with what tier 0 can?  Before pick().  0 or -1 after rend_error(); may be NULL. */
	int (*check)(const void *conf, uint32_t l1_can, struct rend_error *err);
};

/*
 * Does tier 0 perhaps still have of this key what should have been deleted?  YES: a row with repair has to be answered before what it has is
 * believed.  NO: not.  One load, when nothing is in doubt.  Is itself a row's function.
 */
REND_API enum rend_outcome rend_flow_doubt(struct rend_flow *flow);

/* Is the tier's node reachable for this op, as far as it knows?  Of a tier with parts: the one that has the key.  false for a tier that is none.  For
 * a row that refuses before it asks.  Worker's thread, in a row's function. */
REND_API bool rend_flow_up(const struct rend_flow *flow, uint8_t tier);

REND_END

#endif
