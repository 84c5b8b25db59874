/* The process as the system sees it, by the names that all exporters use. */
#include <dirent.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "net/scrape.h"
#include "net/server.h"

#define NS_PER_S 1000000000ULL

static uint64_t
cpu_ns(void)
{
	struct rusage usage = { 0 };

	getrusage(RUSAGE_SELF, &usage);
	return (uint64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * NS_PER_S +
	       (uint64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1000;
}

static uint64_t
listed_files(void)
{
	DIR *d = opendir("/proc/self/fd");
	uint64_t n = 0;

	if (d == NULL)
		return 0;
	while (readdir(d) != NULL)
		n++;
	closedir(d);
	return n > 3 ? n - 3 : 0; /* . and .. and d's own */
}

/* Since Linux 6.2 the folder's size says how many there are; else they are counted, a microsecond each. */
static uint64_t
open_files(void)
{
	struct stat st;

	return stat("/proc/self/fd", &st) == 0 && st.st_size > 0 ? (uint64_t)st.st_size : listed_files();
}

/* Pages in all, and in memory. */
static void
say_memory(struct exposition *e)
{
	FILE *f = fopen("/proc/self/statm", "re");
	unsigned long long size = 0, resident = 0;
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);

	if (f == NULL)
		return;
	if (fscanf(f, "%llu %llu", &size, &resident) == 2) {
		exposition_one(
		    e, "process_virtual_memory_bytes", EXPOSITION_GAUGE, "Virtual memory size in bytes.", size * page);
		exposition_one(e, "process_resident_memory_bytes", EXPOSITION_GAUGE, "Resident memory size in bytes.",
		    resident * page);
	}
	fclose(f);
}

void
scrape_process(const struct server *s, struct exposition *e)
{
	struct rlimit files = { 0 };

	if (exposition_begin(
		e, "process_cpu_seconds_total", EXPOSITION_COUNTER, "Total user and system CPU time spent in seconds."))
		exposition_seconds(e, NO_LABELS, cpu_ns());
	exposition_one(e, "process_open_fds", EXPOSITION_GAUGE, "Number of open file descriptors.", open_files());
	if (getrlimit(RLIMIT_NOFILE, &files) == 0)
		exposition_one(
		    e, "process_max_fds", EXPOSITION_GAUGE, "Maximum number of open file descriptors.", files.rlim_cur);
	say_memory(e);
	exposition_one(e, "process_start_time_seconds", EXPOSITION_GAUGE,
	    "Start time of the process since unix epoch in seconds.", (uint64_t)s->began_wall);
	exposition_one(e, "rend_log_dropped_total", EXPOSITION_COUNTER,
	    "Lines of the log that were dropped because nobody took them.", log_dropped());
}
