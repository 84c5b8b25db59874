/*
 * What should have been deleted from an L1 in another process, and perhaps was not: a delete was not answered.  Until a later one is, a copy
 * of that key is not believed.
 *
 *	a delete was not answered ──► in doubt ── a later one of the same key is answered ──► believed
 *	        │ too many keys
 *	        └──► all of that part in doubt ── a flush_all, sent to it once a second if it is reachable, is answered ──► believed
 *
 * An L1 of several servers has as many parts, which are away, and come back, one by one (rend_handler.parts): what one of them does not answer
 * costs the copies in the others nothing.
 *
 * One for each L1 node, for all workers.  Keys are known by their hash: to take one for another, two would have to share all 64 bits of what
 * nobody can guess.
 */
#ifndef ENGINE_REPAIR_H
#define ENGINE_REPAIR_H

#include <stdbool.h>
#include <stdint.h>

#include "rend/op.h"

#define REPAIR_MAX 4096 /* keys; when there are more, all of a part are in doubt */

struct repair;
struct instance;

/* name: the node's, for the log.  parts: at least 1.  doubtful: all are in doubt from the beginning.  NULL: no memory. */
struct repair *repair_new(const char *name, uint32_t parts, bool doubtful);
void repair_free(struct repair **rp);

/* Is this key, which is of that part, in doubt?  One load when nothing is.  Any thread, as all below. */
bool repair_doubts(const struct repair *r, uint64_t hash, uint32_t part);

/* To be asked for before a delete or flush_all is sent, and given back with its answer: what got into doubt since then stays there. */
uint64_t repair_mark(const struct repair *r);

/* A delete of this key was not answered, or one was. */
void repair_lost(struct repair *r, uint64_t hash, uint32_t part);
void repair_made(struct repair *r, uint64_t hash, uint64_t mark);

/* The same for a flush_all; of one part only. */
void repair_lost_all(struct repair *r);
void repair_made_all(struct repair *r, uint64_t mark);
void repair_made_part(struct repair *r, uint32_t part, uint64_t mark);

/* Sends a flush_all to each part of which all are in doubt and that can be reached.  On the instance's worker, about once a second. */
void repair_tick(struct repair *r, struct instance *in);

/* Keys in doubt now, REPAIR_MAX and one more for all of a part; how many ever got there. */
uint64_t repair_now(const struct repair *r);
uint64_t repair_total(const struct repair *r);

#endif
