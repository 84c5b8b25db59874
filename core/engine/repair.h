/*
 * What should have been deleted from an L1 in another process, and perhaps was not: a delete was not answered.  Until a later one is, a copy
 * of that key is not believed.
 *
 *	a delete was not answered ──► in doubt ── a later one of the same key is answered ──► believed
 *	        │ too many keys
 *	        └──► all in doubt ── a flush_all, sent once a second, is answered ──► believed
 *
 * One for each L1 node, for all workers.  Keys are known by their hash: to take one for another, two would have to share all 64 bits of what
 * nobody can guess.
 */
#ifndef ENGINE_REPAIR_H
#define ENGINE_REPAIR_H

#include <stdbool.h>
#include <stdint.h>

#include "rend/op.h"

#define REPAIR_MAX 4096 /* keys; when there are more, all are in doubt */

struct repair;
struct instance;

/* name: the node's, for the log.  doubtful: all are in doubt from the beginning.  NULL: no memory. */
struct repair *repair_new(const char *name, bool doubtful);
void repair_free(struct repair **rp);

/* Is this key in doubt?  One load when nothing is.  Any thread, as all below. */
bool repair_doubts(const struct repair *r, uint64_t hash);

/* To be asked for before a delete or flush_all is sent, and given back with its answer: what got into doubt since then stays there. */
uint64_t repair_mark(const struct repair *r);

/* A delete of this key was not answered, or one was. */
void repair_lost(struct repair *r, uint64_t hash);
void repair_made(struct repair *r, uint64_t hash, uint64_t mark);

/* The same for a flush_all. */
void repair_lost_all(struct repair *r);
void repair_made_all(struct repair *r, uint64_t mark);

/* If all are in doubt, sends a flush_all to the node.  On the instance's worker, about once a second. */
void repair_tick(struct repair *r, struct instance *in);

/* Keys in doubt now, REPAIR_MAX and one more for all of them; how many ever got there. */
uint64_t repair_now(const struct repair *r);
uint64_t repair_total(const struct repair *r);

#endif
