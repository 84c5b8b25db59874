/* What is to go wrong on a simulated disk, and when. */
#include "sim_faults.h"

bool
sim_faults_add(struct sim_faults *f, struct sim_plan plan)
{
	if (f->count == SIM_FAULTS_MAX)
		return false;
	f->plans[f->count++] = plan;
	return true;
}

/* Has its time come? */
static bool
applies(struct sim_plan *plan, uint64_t n, int kind)
{
	if (plan->kind < 0)
		return plan->n == 0 || plan->n == n;
	return plan->kind == kind && (plan->n == 0 || --plan->n == 0);
}

unsigned
sim_faults_at(struct sim_faults *f, uint64_t n, int kind, uint64_t amounts[SIM_FAULT_COUNT])
{
	unsigned bits = 0, left = 0;

	for (unsigned i = 0; i < f->count; i++) {
		struct sim_plan plan = f->plans[i];
		bool for_ever = plan.n == 0;

		if (applies(&plan, n, kind)) {
			bits |= 1U << plan.fault;
			amounts[plan.fault] = plan.amount;
			if (!for_ever)
				continue;
		}
		f->plans[left++] = plan;
	}
	f->count = left;
	return bits;
}
