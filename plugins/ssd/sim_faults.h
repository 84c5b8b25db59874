/* What is to go wrong on a simulated disk, and when. */
#ifndef SSD_SIM_FAULTS_H
#define SSD_SIM_FAULTS_H

#include "sim.h"

#define SIM_FAULTS_MAX 64

struct sim_plan {
	uint64_t n; /* operation; 0: every one; of a kind: that many from now on */
	int kind;   /* enum io_kind, or -1: any operation */
	enum sim_fault fault;
	uint64_t amount;
};

struct sim_faults {
	struct sim_plan plans[SIM_FAULTS_MAX];
	unsigned count;
};

/* false: too many. */
bool sim_faults_add(struct sim_faults *f, struct sim_plan plan);

/*
 * Operation n comes, of that kind (-1: one that no request can be).  Faults that apply to it, one bit per enum sim_fault, and their amounts.
 */
unsigned sim_faults_at(struct sim_faults *f, uint64_t n, int kind, uint64_t amounts[SIM_FAULT_COUNT]);

#endif
