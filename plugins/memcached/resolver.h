/* What a backend's name means, asked again now and then on a thread of its own: a name that takes long must not hold up a worker. */
#ifndef MEMCACHED_RESOLVER_H
#define MEMCACHED_RESOLVER_H

#include <stdint.h>

#include "address.h"

struct resolver;

/*
 * Asks at once; may block.  A name that nobody knows has no routes, and is asked for again.  every: ns after which it is asked again
 * although all is well; 0: never.  NULL: no memory.
 */
struct resolver *resolver_new(const char *text, uint64_t every);

/* Does not wait for a question under way. */
void resolver_free(struct resolver **rp);

/* The routes it knows, a reference to them; *version is another number whenever they changed.  Any thread, as all below. */
struct routes *resolver_routes(struct resolver *r, unsigned *version);
unsigned resolver_version(const struct resolver *r);

/* Asks again, elsewhere, if it is time; urgent: if the last time was more than a second ago.  Returns at once. */
void resolver_refresh(struct resolver *r, bool urgent);

/* Why the last question had no answer; NULL: it had.  Static. */
const char *resolver_fault(const struct resolver *r);

/* How often it had none. */
uint64_t resolver_failures(const struct resolver *r);

#endif
