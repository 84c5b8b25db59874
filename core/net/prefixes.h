/*
 * What is done to keys by their prefixes, up to the first ':': memcached's `stats detail`.  Off until somebody asks.
 */
#ifndef NET_PREFIXES_H
#define NET_PREFIXES_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net/page.h"

#define PREFIXES_MAX	 10000
#define PREFIX_DELIMITER ':'

enum prefix_count { PREFIX_GET, PREFIX_HIT, PREFIX_SET, PREFIX_DELETE, PREFIX_COUNTS };

struct prefix;

struct prefixes {
	bool on;	      /* relaxed atomic: while it is off nobody takes the lock to count */
	pthread_mutex_t lock; /* guards the rest */
	struct prefix **all;  /* in the order in which they came; room for PREFIXES_MAX */
	uint32_t count;
	uint64_t missed; /* relaxed atomic: ops whose prefix was one too many */
	uint32_t *table; /* open addressing: 1 + where in all; 0: free */
};

void prefixes_init(struct prefixes *p);
void prefixes_fini(struct prefixes *p);

/* false: no memory.  Any thread, as all that follow. */
bool prefixes_switch(struct prefixes *p, bool on);
static inline bool
prefixes_is_on(const struct prefixes *p)
{
	return __atomic_load_n(&p->on, __ATOMIC_RELAXED);
}
uint64_t prefixes_missed(const struct prefixes *p);

/* An op with this key is over.  A get that hit says PREFIX_HIT, and counts as a get too. */
void prefixes_count(struct prefixes *p, const char *key, size_t keylen, enum prefix_count what);

/* Forgets all of them. */
void prefixes_reset(struct prefixes *p);

/* Writes from number *cursor on, and END behind the last.  true: there are more. */
bool prefixes_write(struct prefixes *p, struct page *page, uint64_t *cursor);

#endif
