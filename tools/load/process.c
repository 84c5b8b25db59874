/* What a process has used: see process.h. */
#include "process.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

static uint64_t
clock_ns(clockid_t id)
{
	struct timespec t;

	if (clock_gettime(id, &t) != 0)
		return 0;
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

uint64_t
process_own(void)
{
	return clock_ns(CLOCK_PROCESS_CPUTIME_ID);
}

/* A file of /proc, with NUL.  Its length, or 0. */
static size_t
slurp(uint32_t pid, const char *file, char *buf, size_t size)
{
	char path[64];
	FILE *f;
	size_t n;

	snprintf(path, sizeof path, "/proc/%" PRIu32 "/%s", pid, file);
	f = fopen(path, "r");
	if (f == NULL)
		return 0;
	n = fread(buf, 1, size - 1, f);
	fclose(f);
	buf[n] = '\0';
	return n;
}

static uint64_t
kib_line(const char *status, const char *name)
{
	const char *at = strstr(status, name);
	uint64_t kib;

	return at != NULL && sscanf(at + strlen(name), " %" SCNu64, &kib) == 1 ? kib * 1024 : 0;
}

struct process_sample
process_look(uint32_t pid)
{
	struct process_sample s = { 0 };
	char buf[8192];
	const char *behind_name;
	uint64_t user, system;
	clockid_t clock;

	if (slurp(pid, "status", buf, sizeof buf) > 0) {
		s.rss = kib_line(buf, "VmRSS:");
		s.rss_peak = kib_line(buf, "VmHWM:");
	}
	/* The name, in parentheses, may hold anything. */
	if (slurp(pid, "stat", buf, sizeof buf) > 0 && (behind_name = strrchr(buf, ')')) != NULL &&
	    sscanf(behind_name + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %" SCNu64 " %" SCNu64, &user,
		&system) == 2) {
		s.user = user * (1000000000 / (uint64_t)sysconf(_SC_CLK_TCK));
		s.system = system * (1000000000 / (uint64_t)sysconf(_SC_CLK_TCK));
	}
	/* The kernel's own account of the process: no /proc file has all threads, ended ones too, to the ns. */
	if (clock_getcpuclockid((pid_t)pid, &clock) == 0)
		s.cpu = clock_ns(clock);
	return s;
}

void
process_name(uint32_t pid, char name[PROCESS_NAME])
{
	if (slurp(pid, "comm", name, PROCESS_NAME) == 0)
		name[0] = '\0';
	name[strcspn(name, "\n")] = '\0';
}
