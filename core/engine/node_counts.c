/* What a node counts, added up over the workers: see node.h. */
#include "engine/node.h"
#include "rend/worker.h"

static const struct instance *
instance_at(const struct rend_node *n, int worker)
{
	return __atomic_load_n(&n->instances[worker], __ATOMIC_ACQUIRE);
}

int
node_reached(const struct rend_node *n, int *of)
{
	int up = 0;

	*of = 0;
	for (int i = 0; i < rend_worker_count(); i++) {
		const struct instance *in = instance_at(n, i);

		*of += in != NULL;
		up += in != NULL && __atomic_load_n(&in->up, __ATOMIC_RELAXED);
	}
	return up;
}

uint64_t
node_ended(const struct rend_node *n, unsigned verb, unsigned status)
{
	uint64_t sum = 0;

	for (int i = 0; i < rend_worker_count(); i++) {
		const struct instance *in = instance_at(n, i);

		if (in != NULL)
			sum += __atomic_load_n(&in->counts->ended[verb][status], __ATOMIC_RELAXED);
	}
	return sum;
}

void
node_latency(const struct rend_node *n, struct histogram *sum)
{
	for (int i = 0; i < rend_worker_count(); i++) {
		const struct instance *in = instance_at(n, i);

		if (in != NULL)
			histogram_merge(sum, &in->counts->latency);
	}
}

uint64_t
node_in_flight(const struct rend_node *n)
{
	uint64_t sum = 0;

	for (int i = 0; i < rend_worker_count(); i++) {
		const struct instance *in = instance_at(n, i);

		if (in != NULL)
			sum += __atomic_load_n(&in->in_flight, __ATOMIC_RELAXED);
	}
	return sum;
}

uint64_t
node_late(const struct rend_node *n)
{
	uint64_t sum = 0;

	for (int i = 0; i < rend_worker_count(); i++) {
		const struct instance *in = instance_at(n, i);

		if (in != NULL)
			sum += __atomic_load_n(&in->counts->late, __ATOMIC_RELAXED);
	}
	return sum;
}

uint64_t
node_refused(const struct rend_node *n)
{
	uint64_t sum = 0;

	for (int i = 0; i < rend_worker_count(); i++) {
		const struct instance *in = instance_at(n, i);

		if (in != NULL)
			sum += __atomic_load_n(&in->counts->refused, __ATOMIC_RELAXED);
	}
	return sum;
}

uint64_t
node_joined(const struct rend_node *n)
{
	uint64_t sum = 0;

	for (int i = 0; i < rend_worker_count(); i++) {
		const struct instance *in = instance_at(n, i);

		if (in != NULL)
			sum += __atomic_load_n(&in->counts->joined, __ATOMIC_RELAXED);
	}
	return sum;
}
