/* What time it is, for a thread that ticks and for one that does not. */
#include <stdatomic.h>
#include <stdbool.h>
#include <time.h>

#include "base/clock.h"
#include "rend/worker.h"

#define NS_PER_S 1000000000

/* Unix time minus time since boot, ns; as it was at start. */
static int64_t epoch;

/* What the calling thread saw at its last tick. */
static _Thread_local struct {
	enum { PRESENT, TICKED, STALE } state;
	uint64_t mono;
	int64_t wall;
} cached;

static struct {
	atomic_bool on;
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
clock_faked(void)
{
	return __builtin_expect(atomic_load_explicit(&fake.on, memory_order_acquire), false);
}

void
clock_tick(void)
{
	cached.mono = (uint64_t)clock_read(CLOCK_MONOTONIC);
	cached.wall = clock_wall();
	cached.state = TICKED;
}

void
clock_stale(void)
{
	cached.state = STALE;
}

uint64_t
clock_mono(void)
{
	if (clock_faked())
		return fake.mono;
	return (uint64_t)clock_read(CLOCK_MONOTONIC);
}

uint64_t
rend_now(void)
{
	if (cached.state == PRESENT || clock_faked())
		return clock_mono();
	if (cached.state == STALE)
		clock_tick();
	return cached.mono;
}

int64_t
rend_wall(void)
{
	if (clock_faked())
		return fake.wall;
	if (cached.state == PRESENT)
		return clock_wall();
	if (cached.state == STALE)
		clock_tick();
	return cached.wall;
}

void
clock_fake(uint64_t mono_ns, int64_t wall_s)
{
	fake.mono = mono_ns;
	fake.wall = wall_s;
	fake.on = true;
}

void
clock_unfake(void)
{
	fake.on = false;
}
