/* What time it is, for a thread that ticks and for one that does not. */
#include <stdatomic.h>
#include <stdbool.h>
#include <time.h>

#include "base/clock.h"
#include "rend/worker.h"

#define NS_PER_S 1000000000

/* Unix time minus time since boot, ns; as it was at start. */
static int64_t epoch;

__thread struct clock_seen clock_seen;

bool clock_faked;

static struct {
	_Atomic uint64_t mono;
	_Atomic int64_t wall;
} fake;

static int64_t
clock_read(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (int64_t)ts.tv_sec * NS_PER_S + ts.tv_nsec;
}

/* Before main(), so that no two threads can disagree. */
__attribute__((constructor)) static void
clock_start(void)
{
	epoch = clock_read(CLOCK_REALTIME) - clock_read(CLOCK_BOOTTIME);
}

static int64_t
clock_wall(void)
{
	return (epoch + clock_read(CLOCK_BOOTTIME)) / NS_PER_S;
}

static bool
faked(void)
{
	return __builtin_expect(__atomic_load_n(&clock_faked, __ATOMIC_ACQUIRE), false);
}

void
clock_tick(void)
{
	clock_seen.mono = (uint64_t)clock_read(CLOCK_MONOTONIC);
	clock_seen.wall = clock_wall();
	clock_seen.state = CLOCK_TICKED;
}

void
clock_stale(void)
{
	clock_seen.state = CLOCK_STALE;
}

uint64_t
clock_mono(void)
{
	if (faked())
		return fake.mono;
	return (uint64_t)clock_read(CLOCK_MONOTONIC);
}

uint64_t
rend_now(void)
{
	if (clock_seen.state == CLOCK_PRESENT || faked())
		return clock_mono();
	if (clock_seen.state == CLOCK_STALE)
		clock_tick();
	return clock_seen.mono;
}

int64_t
rend_wall(void)
{
	if (faked())
		return fake.wall;
	if (clock_seen.state == CLOCK_PRESENT)
		return clock_wall();
	if (clock_seen.state == CLOCK_STALE)
		clock_tick();
	return clock_seen.wall;
}

void
clock_fake(uint64_t mono_ns, int64_t wall_s)
{
	fake.mono = mono_ns;
	fake.wall = wall_s;
	__atomic_store_n(&clock_faked, true, __ATOMIC_RELEASE);
}

void
clock_unfake(void)
{
	__atomic_store_n(&clock_faked, false, __ATOMIC_RELEASE);
}
