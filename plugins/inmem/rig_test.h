/*
 * One store in memory and one worker, for tests of inmem.  The plugin is linked in.
 */
#ifndef INMEM_RIG_TEST_H
#define INMEM_RIG_TEST_H

#include "engine/generation.h"
#include "engine/worker.h"
#include "rend/plugin.h"

#define MIB (1024 * 1024)

/* As in inmem.c. */
struct inmem_conf {
	uint64_t memory;
	bool evict, hand_over;
};

struct rig {
	struct inmem_conf conf;
	struct plugin plugin;
	struct rend_worker worker;
	struct generation *generation;
	struct rend_node *node;
};
extern struct rig rig;

void rig_open(uint64_t memory, bool evict);
void rig_close(void);
uint64_t metric(const char *name);
/* The worker turns until the op is done. */
enum rend_status submit(struct rend_op *op);
struct rend_op *op(unsigned verb, const char *key);
enum rend_status store_until(unsigned verb, const char *key, const void *p, size_t len, int64_t exptime);
enum rend_status store(unsigned verb, const char *key, const void *p, size_t len);
struct rend_op *get(const char *key);
bool has(const char *key);
void reads(const char *key, const char *value);
void step(unsigned verb, const char *key, uint64_t delta);
void fill(const char *prefix, int from, int to, size_t len);
int count(const char *prefix, int to);
/* Time passes; each second has its tick. */
void pass(int64_t seconds);

#endif
