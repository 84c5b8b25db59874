/*
 * Preloaded into a server, moves its clocks: by the seconds that lie in the file which JUMP names, so that a test on the outside can set the time
 * of day forward and back, or let the machine have slept, while the server runs.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

/* In the order in which clock_test.py writes them; the last one counts how often a clock was moved. */
enum { REALTIME, BOOTTIME, MOVED, COUNT };

static int64_t nowhere[COUNT];
static int64_t *by = nowhere;

__attribute__((constructor(101))) static void
begin(void)
{
	const char *path = getenv("JUMP");
	int fd = path == NULL ? -1 : open(path, O_RDWR | O_CLOEXEC);
	void *at;

	if (fd < 0)
		return;
	at = mmap(NULL, sizeof nowhere, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (at != MAP_FAILED)
		by = at;
}

static time_t
moved_by(int which)
{
	__atomic_fetch_add(&by[MOVED], 1, __ATOMIC_RELAXED);
	return (time_t)__atomic_load_n(&by[which], __ATOMIC_RELAXED);
}

int
clock_gettime(clockid_t id, struct timespec *ts)
{
	static int (*next)(clockid_t, struct timespec *);
	int r;

	if (next == NULL)
		*(void **)&next = dlsym(RTLD_NEXT, "clock_gettime");
	r = next(id, ts);
	if (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE)
		ts->tv_sec += moved_by(REALTIME);
	else if (id == CLOCK_BOOTTIME)
		ts->tv_sec += moved_by(BOOTTIME);
	return r;
}

int
gettimeofday(struct timeval *restrict tv, void *restrict zone)
{
	struct timespec ts;

	(void)zone;
	clock_gettime(CLOCK_REALTIME, &ts);
	*tv = (struct timeval){ .tv_sec = ts.tv_sec, .tv_usec = ts.tv_nsec / 1000 };
	return 0;
}

time_t
time(time_t *to)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	if (to != NULL)
		*to = ts.tv_sec;
	return ts.tv_sec;
}
