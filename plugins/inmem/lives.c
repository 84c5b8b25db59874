/* How long what lies in a segment lives: see lives.h. */
#include "lives.h"

#include <stdbool.h>
#include <string.h>

static const struct {
	uint32_t most;	/* seconds to live */
	unsigned shift; /* a step counts in so many seconds, as a power of two */
} lanes[LIVES_LANES] = { { 60, 0 }, { 600, 2 }, { 6 * 3600, 7 }, { UINT32_MAX, 12 } };

unsigned
lives_lane(int64_t exptime, int64_t wall)
{
	unsigned lane = 0;

	while (lane < LIVES_LANES - 1 && (exptime == 0 || exptime - wall > lanes[lane].most))
		lane++;
	return lane;
}

void
lives_begin(struct lives *l, int64_t wall)
{
	memset(l, 0, sizeof *l);
	l->from = (uint32_t)wall;
}

/* Two steps for each power of two. */
static unsigned
step_of(const struct lives *l, unsigned lane, uint32_t exptime)
{
	uint32_t after = exptime > l->from ? (exptime - l->from) >> lanes[lane].shift : 0;
	unsigned power, step;

	if (after < 2)
		return after;
	power = 31 - (unsigned)__builtin_clz(after);
	step = 2 * power + (after >> (power - 1) & 1);
	return step < LIVES_STEPS ? step : LIVES_STEPS - 1;
}

/* Where the next one begins. */
static uint64_t
end_of(unsigned lane, unsigned step)
{
	uint64_t end = step < 2 ? step + 1 : step % 2 == 0 ? 3ULL << (step / 2 - 1) : 2ULL << step / 2;

	return end << lanes[lane].shift;
}

void
lives_add(struct lives *l, unsigned lane, uint32_t exptime, uint32_t bytes)
{
	uint32_t last = exptime == 0 ? LIVES_FOREVER : exptime, until = __atomic_load_n(&l->until, __ATOMIC_RELAXED);

	if (exptime != 0)
		__atomic_add_fetch(&l->steps[step_of(l, lane, exptime)], bytes, __ATOMIC_RELAXED);
	while (until < last)
		if (__atomic_compare_exchange_n(&l->until, &until, last, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
			break;
}

void
lives_remove(struct lives *l, unsigned lane, uint32_t exptime, uint32_t bytes)
{
	if (exptime != 0)
		__atomic_sub_fetch(&l->steps[step_of(l, lane, exptime)], bytes, __ATOMIC_RELAXED);
}

uint32_t
lives_expired(const struct lives *l, unsigned lane, int64_t wall)
{
	uint32_t until = __atomic_load_n(&l->until, __ATOMIC_RELAXED), bytes = 0;

	if (until == 0)
		return 0;
	if (until != LIVES_FOREVER && until <= wall)
		return LIVES_ALL;
	/* What expires before the end of a step has expired a second before that. */
	for (unsigned i = 0; i < LIVES_STEPS - 1 && wall + 1 - l->from >= (int64_t)end_of(lane, i); i++)
		bytes += __atomic_load_n(&l->steps[i], __ATOMIC_RELAXED);
	return bytes;
}
