/* What all plans draw from: keys, sizes, TTLs, versions. */
#ifndef LOAD_WORKLOAD_H
#define LOAD_WORKLOAD_H

#include "plan.h"
#include "settings.h"

struct workload {
	const struct settings *settings;
	struct keys keys;
	struct random random;
	uint64_t version; /* the last one that was stored */
	uint32_t least;	  /* bytes: where values are appended to each other, each must have a head */
};

/* The keys of these settings. */
void workload_keys(struct keys *k, const struct settings *s);

/* stream: numbers of their own for each of several workloads. */
void workload_init(struct workload *w, const struct settings *s, uint64_t stream);

/* Makes *r a storing request: a new version of a drawn size, a drawn TTL.  Other than set and append: what it may be answered is to
 * be said besides. */
void workload_store(struct workload *w, struct request *r, enum verb v, uint32_t key);

/* The plan that stores each key once. */
struct plan *preload_plan(const struct settings *s);

#endif
