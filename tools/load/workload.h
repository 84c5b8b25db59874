/* What all plans draw from: keys, sizes, TTLs, versions. */
#ifndef LOAD_WORKLOAD_H
#define LOAD_WORKLOAD_H

#include "inquiry.h"
#include "plan.h"
#include "settings.h"

struct workload {
	const struct settings *settings;
	struct keys keys;
	struct random random;
	uint64_t version;	     /* the last one that was stored */
	enum verb only;		     /* the one verb that there is, or VERB_COUNT */
	const struct target *target; /* where evictions are asked for, or NULL */
	uint64_t evictions;
	uint32_t least; /* bytes: where values are appended to each other, each must have a head */
};

/* The keys of these settings. */
void workload_keys(struct keys *k, const struct settings *s);

/* stream: numbers of their own for each of several workloads. */
void workload_init(struct workload *w, const struct settings *s, uint64_t stream);

/* Which is next, by the mix. */
enum verb workload_verb(struct workload *w);

/* Makes *r a storing request: a new version of a drawn size, a drawn TTL.  Other than set and append: what it may be answered is to
 * be said besides. */
void workload_store(struct workload *w, struct request *r, enum verb v, uint32_t key);

/* How many keys are connection number wire's alone, where no two may share one; and number n of them. */
uint32_t workload_own(const struct workload *w, uint32_t wire);
uint32_t workload_own_key(const struct workload *w, uint32_t wire, uint32_t n);

/* Remembers how much the server has evicted; and says at the end, if it was more, why misses are no wonder. */
void workload_watch(struct workload *w, const struct target *t);
void workload_tell(const struct workload *w, FILE *to);

#endif
