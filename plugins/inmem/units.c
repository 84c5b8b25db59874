/* Which units are used, and which pages are warm: see units.h. */
#include "units.h"

#include <string.h>

#define LOW_BITS 0x0101010101010101ULL

static size_t
up_to(size_t n, size_t step)
{
	return (n + step - 1) / step * step;
}

static size_t
used_size(size_t region)
{
	return region / PAGES_UNIT / 8;
}

static size_t
warm_size(size_t region)
{
	return region / PAGES_PAGE / 8;
}

static size_t
warm_groups_size(size_t region)
{
	return up_to(region / PAGES_GROUP, UNITS_WORD) / 8;
}

size_t
units_maps(size_t region)
{
	return used_size(region) + warm_size(region) + warm_groups_size(region) +
	       up_to(region / PAGES_GROUP * sizeof(uint16_t), UNITS_WORD);
}

void
units_init(struct pages *p, char *maps, size_t region, bool there)
{
	p->used = (uint64_t *)(void *)maps;
	maps += used_size(region);
	p->warm = (uint64_t *)(void *)maps;
	maps += warm_size(region);
	p->warm_groups = (uint64_t *)(void *)maps;
	maps += warm_groups_size(region);
	p->room = (uint16_t *)(void *)maps;
	for (uint32_t g = 0; g < p->groups && !there; g++)
		p->room[g] = PAGES_GROUP_UNITS;
}

static void
flip_units(struct pages *p, uint64_t start, uint64_t count)
{
	for (uint64_t at = start, end = start + count; at < end;) {
		uint64_t n = UNITS_WORD - at % UNITS_WORD;

		if (n > end - at)
			n = end - at;
		p->used[at / UNITS_WORD] ^= (n == UNITS_WORD ? ~0ULL : (1ULL << n) - 1) << at % UNITS_WORD;
		at += n;
	}
}

/* Takes or gives room in the groups of a run. */
static void
add_room(struct pages *p, uint64_t start, uint64_t count, bool give)
{
	for (uint64_t at = start, end = start + count; at < end;) {
		uint64_t n = PAGES_GROUP_UNITS - at % PAGES_GROUP_UNITS;
		uint16_t *room = &p->room[at / PAGES_GROUP_UNITS];

		if (n > end - at)
			n = end - at;
		*room = (uint16_t)(give ? *room + n : *room - n);
		at += n;
	}
}

static void
count_in_use(struct pages *p, uint64_t to)
{
	__atomic_store_n(&p->in_use, to, __ATOMIC_RELAXED);
}

static void
warm_up(struct pages *p, uint64_t page)
{
	uint64_t group = page / UNITS_GROUP_PAGES;

	p->warm[page / UNITS_WORD] |= 1ULL << page % UNITS_WORD;
	p->warm_groups[group / UNITS_WORD] |= 1ULL << group % UNITS_WORD;
	p->warmed++;
}

/* Some of its pages are no longer warm: are any? */
static void
look_at_group(struct pages *p, uint64_t group)
{
	const uint64_t *warm = &p->warm[group * UNITS_GROUP_PAGES / UNITS_WORD];
	uint64_t any = 0;

	for (unsigned w = 0; w < UNITS_GROUP_PAGES / UNITS_WORD; w++)
		any |= warm[w];
	if (any == 0)
		p->warm_groups[group / UNITS_WORD] &= ~(1ULL << group % UNITS_WORD);
}

void
units_chill(struct pages *p, uint64_t page, uint64_t count)
{
	for (uint64_t at = page; at < page + count; at++)
		p->warm[at / UNITS_WORD] &= ~(1ULL << at % UNITS_WORD);
	p->warmed -= count;
	look_at_group(p, page / UNITS_GROUP_PAGES);
}

void
units_use(struct pages *p, uint64_t start, uint64_t count)
{
	uint64_t first = start / PAGES_UNITS, last = (start + count - 1) / PAGES_UNITS;
	uint64_t pages = 0;

	for (uint64_t page = first; page <= last; page++) {
		if (units_of(p, page) == 0) {
			pages++;
			if (units_is_warm(p, page)) {
				p->warm[page / UNITS_WORD] ^= 1ULL << page % UNITS_WORD;
				p->warmed--;
			}
		}
		if (page == last || (page + 1) % UNITS_GROUP_PAGES == 0)
			look_at_group(p, page / UNITS_GROUP_PAGES);
	}
	count_in_use(p, p->in_use + pages);
	flip_units(p, start, count);
	add_room(p, start, count, false);
}

void
units_unuse(struct pages *p, uint64_t start, uint64_t count)
{
	uint64_t first = start / PAGES_UNITS, last = (start + count - 1) / PAGES_UNITS;
	uint64_t pages = 0;

	flip_units(p, start, count);
	add_room(p, start, count, true);
	for (uint64_t page = first; page <= last; page++) {
		if (units_of(p, page) != 0)
			continue;
		pages++;
		warm_up(p, page);
	}
	count_in_use(p, p->in_use - pages);
}

uint32_t
units_warm_group(const struct pages *p, uint32_t from, uint32_t to)
{
	uint32_t word = from / UNITS_WORD;
	uint64_t bits;

	if (from >= to)
		return UNITS_NO_GROUP;
	bits = p->warm_groups[word] & ~0ULL << from % UNITS_WORD;
	while (bits == 0) {
		word++;
		if (word * UNITS_WORD >= to)
			return UNITS_NO_GROUP;
		bits = p->warm_groups[word];
	}
	from = word * UNITS_WORD + (uint32_t)__builtin_ctzll(bits);
	return from < to ? from : UNITS_NO_GROUP;
}

uint32_t
units_warm_group_below(const struct pages *p, uint32_t to)
{
	uint32_t word = to / UNITS_WORD;
	uint64_t bits = to % UNITS_WORD == 0 ? 0 : p->warm_groups[word] & ~(~0ULL << to % UNITS_WORD);

	while (bits == 0) {
		if (word == 0)
			return UNITS_NO_GROUP;
		bits = p->warm_groups[--word];
	}
	return word * UNITS_WORD + UNITS_WORD - 1 - (uint32_t)__builtin_clzll(bits);
}

uint64_t
units_of_used_pages(uint64_t used)
{
	used |= used >> 4 & 0x0f0f0f0f0f0f0f0fULL;
	used |= used >> 2 & 0x0303030303030303ULL;
	used |= used >> 1 & LOW_BITS;
	return (used & LOW_BITS) * 0xff;
}

/* The low bit of each byte, from 8 bits. */
static uint64_t
spread(uint64_t bits)
{
	bits = (bits | bits << 28) & 0x0000000f0000000fULL;
	bits = (bits | bits << 14) & 0x0003000300030003ULL;
	return (bits | bits << 7) & LOW_BITS;
}

uint64_t
units_not_warm(const struct pages *p, uint64_t word)
{
	uint64_t used = p->used[word], warm = p->warm[word / 8] >> word % 8 * 8 & 0xff;

	/* A page of which a part is used has its memory. */
	return used | ~(units_of_used_pages(used) | spread(warm) * 0xff);
}

/* ---- what another process left ---- */

static bool
group_is_right(const struct pages *p, uint32_t group, uint64_t *in_use, uint64_t *warmed)
{
	const uint64_t *used = &p->used[(uint64_t)group * UNITS_GROUP_WORDS];
	uint64_t taken = 0, pages = 0, warm = 0;
	bool both = false;

	for (unsigned w = 0; w < UNITS_GROUP_WORDS; w++) {
		uint64_t bits = p->warm[((uint64_t)group * UNITS_GROUP_WORDS + w) / 8] >> w % 8 * 8 & 0xff;
		uint64_t whole = units_of_used_pages(used[w]);

		taken += (uint64_t)__builtin_popcountll(used[w]);
		pages += (uint64_t)__builtin_popcountll(whole) / PAGES_UNITS;
		warm += (uint64_t)__builtin_popcountll(bits);
		both |= (spread(bits) & whole) != 0;
	}
	*in_use += pages;
	*warmed += warm;
	return !both && p->room[group] == PAGES_GROUP_UNITS - taken &&
	       (p->warm_groups[group / UNITS_WORD] >> group % UNITS_WORD & 1) == (warm != 0);
}

bool
units_are_right(const struct pages *p, uint32_t groups, uint64_t in_use, uint64_t warmed)
{
	uint64_t pages = 0, warm = 0;

	for (uint32_t g = 0; g < groups; g++)
		if (!group_is_right(p, g, &pages, &warm))
			return false;
	return pages == in_use && warm == warmed;
}

/* Without memory behind it that was not there before. */
static void
zero(struct pages *p, void *from, size_t len)
{
	size_t skip = (PAGES_PAGE - (uintptr_t)from % PAGES_PAGE) % PAGES_PAGE, whole;

	if (skip > len)
		skip = len;
	whole = (len - skip) / PAGES_PAGE * PAGES_PAGE;
	memset(from, 0, skip);
	if (whole != 0)
		mapping_forget(&p->map, (char *)from + skip, whole);
	memset((char *)from + skip + whole, 0, len - skip - whole);
}

void
units_clear_from(struct pages *p, uint32_t group)
{
	uint64_t left = p->groups - group;

	zero(p, &p->used[(uint64_t)group * UNITS_GROUP_WORDS], left * PAGES_GROUP_UNITS / 8);
	zero(p, &p->warm[(uint64_t)group * UNITS_GROUP_PAGES / UNITS_WORD], left * UNITS_GROUP_PAGES / 8);
	if (group % UNITS_WORD != 0)
		p->warm_groups[group / UNITS_WORD] &= (1ULL << group % UNITS_WORD) - 1;
	for (uint32_t word = (group + UNITS_WORD - 1) / UNITS_WORD; word * UNITS_WORD < p->groups; word++)
		p->warm_groups[word] = 0;
	for (uint32_t g = group; g < p->groups; g++)
		p->room[g] = PAGES_GROUP_UNITS;
}
