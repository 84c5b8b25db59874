/*
 * Two workers, both played by one thread, and two nodes of `locked` over one handler that answers as it is told; or the first of them over a
 * policy of two tiers of that kind.
 *
 *	main (30 s)   batch (10 s)          main ──► tiered ──► mem, disk
 *	     └──► mem ◄──┘                  batch ─────────────► mem
 */
#ifndef KIT_STAGE_H
#define KIT_STAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/generation.h"
#include "engine/worker.h"

#define SECOND 1000000000ULL

/* As in locked.c. */
struct locked_conf {
	const struct rend_node *over;
	int64_t stripes;
	int readers;
	int64_t queue;
	uint64_t request_timeout;
};
enum { SHARED, SINGLE };

struct stage {
	struct rend_worker workers[2];
	struct plugin below, locked, tiers;
	struct locked_conf confs[2];
	struct generation *generation;
	struct rend_node *l1, *main, *batch, *tiered; /* tiered: NULL, or what main is over */
	bool attached[2];
	unsigned answers; /* so far */
};
extern struct stage stage;

void stage_open(int readers, int64_t queue, bool tiered);

/* A teardown of cmocka: everything was answered. */
int stage_close(void **state);

/* This thread plays that worker; and gives it a turn of its loop. */
void stage_on(int worker);
void stage_turn(int worker);

/* A few turns of each. */
void stage_turns(void);

/* Time passes. */
void stage_pass(uint64_t seconds);

/* The worker ends; all it had was given up. */
void stage_end_worker(int worker);

/* ---- asking ---- */

struct asked {
	struct rend_op *op;
	bool done;
	enum rend_status status;
	unsigned when; /* 1, 2, ... in the order of answers */
};

/* A key is one letter. */
void stage_prepare(struct asked *a, int worker, unsigned verb, const char *key);
void stage_submit(struct asked *a, const struct rend_node *to);
void stage_ask(struct asked *a, int worker, const struct rend_node *to, unsigned verb, const char *key);

#define EXPECT_ANSWER(a, s)                       \
	do {                                      \
		assert_true((a)->done);           \
		assert_int_equal((a)->status, s); \
	} while (0)

/* ---- the handler below: keeps ops, or answers at once ---- */

#define KEPT_MAX 16

struct kept {
	bool at_once;
	struct rend_op *ops[KEPT_MAX];
	int count; /* kept now */
	int asked; /* ever */
	char keys[2048];
};
extern struct kept kept;

/* The oldest that is kept is answered. */
void kept_answer(enum rend_status status);

/* Just one is kept: which verb? */
unsigned kept_verb(void);

/* These keys were asked for, in this order. */
void kept_expect(const char *keys);

#endif
