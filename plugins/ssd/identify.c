/*
 * Which store there is in the paths that were given, and whether it is the one that was left there: all of its paths, in their order, each as it was.
 *
 *	all of one store, none older than it is known to be ──► that one
 *	nothing at all ──► a new one
 *	anything else ──► refused, or, with `empty`, a new one
 */
#include <sys/random.h>

#include <string.h>

#include "state.h"

#define VERSIONS_PER_S_BITS 16 /* 65,536; until the year 2106 */
#define SEQS_PER_S_BITS	    20

#define BEGINS_EMPTY	    "with mismatch = \"empty\" it begins empty"

/* What there is, path by path. */
struct all_found {
	struct supers_found in[STORE_PATHS_MOST];
	unsigned valid;		    /* so many have a valid super */
	const struct super *newest; /* of those that are */
	struct geometry g;	    /* its */
	struct super_lost lost;	    /* its */
	bool half;		    /* no path has both supers: the first start came no further */
};

static bool
same_sizes(const struct super *a, const struct super *b)
{
	return a->bank == b->bank && a->banks == b->banks && a->segment == b->segment && a->chunk == b->chunk &&
	       a->buckets == b->buckets;
}

/* ---- a new one ---- */

/* Higher than any that a store which began earlier has given, should nothing be known of that one: so many a second at most. */
static uint64_t
by_clock(const struct store *s, unsigned per_s_bits)
{
	int64_t wall = atomic_load(&s->wall);

	return wall < 1 || wall >= 1LL << 32 ? 1 : (uint64_t)wall << per_s_bits;
}

/*
 * What was there must not count as newer, nor be taken for a part of this one: the generation and seqs go on.  Versions do, too: what a client knows
 * as one must not fit another value.
 */
static int
begin_new(struct store *s, const struct super *planned, const struct geometry *g, struct store_opened *opened)
{
	uint64_t generation = s->super.generation, seq = s->super.seq_limit, version = s->super.version_limit;
	uint64_t random[3] = { s->options.seed, s->options.seed + generation, s->options.seed * 5 };

	if (s->options.seed == 0 && getrandom(random, sizeof random, 0) != sizeof random)
		return opened_fails(opened, "no random numbers");
	s->super = *planned;
	s->super.generation = generation;
	/* Of several paths one may have been another's, of which nothing is known. */
	if (seq == 0 || (s->path_count > 1 && seq < by_clock(s, SEQS_PER_S_BITS)))
		seq = by_clock(s, SEQS_PER_S_BITS);
	s->super.seq_limit = seq;
	if (version < by_clock(s, VERSIONS_PER_S_BITS))
		version = by_clock(s, VERSIONS_PER_S_BITS);
	s->super.version_limit = version;
	s->super.seed = random[0];
	memcpy(s->super.uuid, &random[1], FORMAT_UUID);
	s->g = *g;
	opened->how = STORE_NEW;
	return 0;
}

/* ---- what is there ---- */

/* s->super is the newest one then, with limits that hold for all that was ever in these paths. */
static void
look(struct store *s, struct all_found *all)
{
	*all = (struct all_found){ .half = true };
	for (unsigned i = 0; i < s->path_count; i++) {
		struct supers_found *f = &all->in[i];

		files_read_supers(&s->paths[i], f);
		s->paths[i].banks_before = f->super.banks;
		all->half &= f->half;
		if (!f->valid)
			continue;
		all->valid++;
		if (all->newest == NULL || f->super.generation > all->newest->generation) {
			all->newest = &f->super;
			all->g = f->g;
			all->lost = f->segments;
		}
	}
	if (all->newest == NULL)
		return;
	s->super = *all->newest;
	for (unsigned i = 0; i < s->path_count; i++) {
		const struct super *is = &all->in[i].super;

		if (is->seq_limit > s->super.seq_limit)
			s->super.seq_limit = is->seq_limit;
		if (is->version_limit > s->super.version_limit)
			s->super.version_limit = is->version_limit;
	}
}

/* Is there something that is no store, or what no super speaks of?  -1 with a sentence. */
static int
check_rest(struct store *s, const struct all_found *all, struct store_opened *opened)
{
	bool data = false;

	for (unsigned i = 0; i < s->path_count; i++)
		if (all->in[i].lost)
			return opened_fails(opened,
			    "neither super.a nor super.b in %s can be read, so nothing that is there can be "
			    "used: " BEGINS_EMPTY,
			    s->paths[i].dir);
	for (unsigned i = 0; i < s->path_count; i++) {
		bool has = all->valid < s->path_count && files_have_data(&s->paths[i]);

		data |= has;
		if (has && !all->in[i].valid)
			return opened_fails(opened,
			    "%s has files data.NNN, and neither super.a nor super.b says that they are this "
			    "store's: " BEGINS_EMPTY ", and writes over them",
			    s->paths[i].dir);
	}
	if (all->valid == 0 || all->valid == s->path_count || (all->half && !data))
		return 0;
	for (unsigned i = 0; i < s->path_count; i++)
		if (!all->in[i].valid)
			return opened_fails(opened,
			    "%s is empty, and others of these paths have a store: if its disk is not there, or another "
			    "one is in its place, put it back; " BEGINS_EMPTY,
			    s->paths[i].dir);
	return 0;
}

/* Are they the paths of one store, each where it belongs, with what it was left with?  -1 with a sentence. */
static int
check_paths(struct store *s, const struct all_found *all, struct store_opened *opened)
{
	const struct super *newest = all->newest;

	for (unsigned i = 0; i < s->path_count; i++) {
		const struct super *is = &all->in[i].super;

		if (is->paths != s->path_count)
			return opened_fails(opened,
			    "%s belongs to a store of %u %s, and there are %u here: give all of that one, and no "
			    "other; " BEGINS_EMPTY,
			    s->paths[i].dir, is->paths, is->paths == 1 ? "path" : "paths", s->path_count);
		if (memcmp(is->uuid, all->in[0].super.uuid, FORMAT_UUID) != 0)
			return opened_fails(
			    opened, "%s and %s belong to two stores: " BEGINS_EMPTY, s->paths[0].dir, s->paths[i].dir);
		if (is->path != i)
			return opened_fails(opened,
			    "%s is path %u of its store, and here it is path %u: give them in the order that it was "
			    "made "
			    "with; " BEGINS_EMPTY,
			    s->paths[i].dir, is->path + 1, i + 1);
	}
	for (unsigned i = 0; i < s->path_count; i++)
		if (all->in[i].super.generation < newest->got[i])
			return opened_fails(opened,
			    "what is in %s is older than what was left there, as a copy of it would be: put back what "
			    "was left; " BEGINS_EMPTY,
			    s->paths[i].dir);
	return 0;
}

static int
check_sizes(struct store *s, const struct all_found *all, const struct super *planned, struct store_opened *opened)
{
	const struct super *is = all->newest;

	if (same_sizes(planned, is))
		return 0;
	return opened_fails(opened,
	    "%s has a store of other sizes (%u files of %llu bytes, segments of %u, chunks of %u, %llu buckets); with "
	    "these options it would have to begin empty",
	    s->dir, is->banks, (unsigned long long)is->bank, is->segment, is->chunk, (unsigned long long)is->buckets);
}

/* ---- which one ---- */

static void
take(struct store *s, const struct all_found *all, struct store_opened *opened)
{
	s->super = *all->newest;
	s->super.path = 0;
	s->g = all->g;
	s->lost = all->lost;
	for (unsigned i = 0; i < s->path_count; i++) {
		const struct supers_found *f = &all->in[i];

		s->paths[i].got = f->super.generation;
		if (f->looks[0] != SUPER_VALID)
			s->paths[i].torn = 0;
		if (f->looks[1] != SUPER_VALID)
			s->paths[i].torn = 1;
	}
	opened->how = STORE_REBUILT;
}

int
identify(struct store *s, struct store_opened *opened)
{
	struct all_found all;
	struct super planned;
	struct geometry g;

	look(s, &all);
	if (store_plan_super(&s->options, &planned, &g, opened) != 0)
		return -1;
	for (unsigned i = 0; i < s->path_count; i++)
		if (all.in[i].format != 0)
			return opened_fails(opened,
			    "%s has a store of format %u, and this one reads format %u: give it another path, or "
			    "remove "
			    "what is there",
			    s->paths[i].dir, all.in[i].format, FORMAT_NEWEST);
	if (s->options.fresh)
		return begin_new(s, &planned, &g, opened);
	if (check_rest(s, &all, opened) != 0)
		return s->options.empty ? begin_new(s, &planned, &g, opened) : -1;
	if (all.valid < s->path_count)
		return begin_new(s, &planned, &g, opened);
	if (check_paths(s, &all, opened) != 0 || check_sizes(s, &all, &planned, opened) != 0)
		return s->options.empty ? begin_new(s, &planned, &g, opened) : -1;
	take(s, &all, opened);
	return 0;
}
