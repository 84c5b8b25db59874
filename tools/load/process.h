/* What another process has used: CPU time to the nanosecond, and memory. */
#ifndef LOAD_PROCESS_H
#define LOAD_PROCESS_H

#include <stdint.h>

struct process_sample {
	uint64_t cpu;		/* ns, of all its threads, those that ended too; 0: there is no such process */
	uint64_t user, system;	/* ns, in steps of the kernel's clock (mostly 10 ms) */
	uint64_t rss, rss_peak; /* bytes */
};

/* Of process pid now. */
struct process_sample process_look(uint32_t pid);

/* ns of CPU time that we have used ourselves. */
uint64_t process_own(void);

/* Its name, as /proc has it; empty if it is gone. */
#define PROCESS_NAME 32
void process_name(uint32_t pid, char name[PROCESS_NAME]);

#endif
