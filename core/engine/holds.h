/*
 * Writers whose end nobody will tell: a write to another tier ended with a status that leaves open whether it happens yet.  Its guard word
 * is held until it cannot happen any more, as far as one can say: until then no copy is stored there.
 *
 *	held ── its walk is over, a write is open ──► holds ── unknown_hold later ──► the word is given back
 */
#ifndef ENGINE_HOLDS_H
#define ENGINE_HOLDS_H

#include "engine/guard.h"

#define HOLDS_MAX 4096 /* writers; when there are more, every word is held, as by a flush_all */

struct holds; /* of one L1 node's words */

/* time: how long a word is held, ns.  NULL: no memory. */
struct holds *holds_new(struct guard *words, uint64_t time);
void holds_free(struct holds **hp);

/* Takes over a writer; *g is empty afterwards.  Any thread. */
void holds_keep(struct holds *h, struct rend_guard *g);

/* Gives back what was held for long enough.  now: as rend_now().  Any thread, about once a second. */
void holds_tick(struct holds *h, uint64_t now);

/* Writers that are held now, and how many ever were.  Any thread. */
uint64_t holds_now(const struct holds *h);
uint64_t holds_total(const struct holds *h);

#endif
