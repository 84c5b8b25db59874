/* What follows from rend.conf: see plan.h. */
#include "plan.h"

#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <unistd.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "rend/plugin.h"

/* Each file of a bin is a filter to be asked, 0.1 to 0.2 us each: so many at most, merged MERGED flushes into one. */
#define RUNS	     32
#define MERGED	     8
#define BUFFER_LEAST (64ULL << 10)
#define BUFFER_MOST  (64ULL << 20)
#define BINS_LEAST   4
#define BINS_OF_PLAN 64 /* more only if somebody says so */
#define READERS_CORE 4	/* for each processor */

static const char *
name_of(enum rocks_compaction compaction)
{
	static const char *const names[] = { "fifo", "level", "universal" };

	return names[compaction];
}

static unsigned
bins_for(uint64_t size)
{
	unsigned bins = BINS_LEAST;

	while (bins < BINS_OF_PLAN && size / bins > RUNS * MERGED * BUFFER_MOST)
		bins *= 2;
	return bins;
}

static uint64_t
buffer_for(const struct mnemonic_conf *c, uint64_t bin_size)
{
	uint64_t buffer = bin_size / MERGED;

	if (c->write_buffer != 0)
		return c->write_buffer;
	return buffer < BUFFER_LEAST ? BUFFER_LEAST : buffer > BUFFER_MOST ? BUFFER_MOST : buffer;
}

static unsigned
processors(void)
{
	long n = sysconf(_SC_NPROCESSORS_ONLN);

	return n < 1 ? 1 : (unsigned)n;
}

static unsigned
threads(int64_t said, unsigned each, unsigned least, unsigned most)
{
	unsigned n = processors() * each;

	if (said != 0)
		return (unsigned)said;
	return n < least ? least : n > most ? most : n;
}

static int
fits(const struct mnemonic_conf *c, const struct label *made, const char *path, struct rend_error *err)
{
	if (c->bins != 0 && c->bins != made->bins)
		return rend_error(err,
		    "%s was made with %u bins, and bins is %lld: which bin a key is in depends on it.  Say bins = %u, "
		    "or nothing; or empty the folder, and it begins anew with what you say",
		    path, made->bins, (long long)c->bins, made->bins);
	if (strcmp(made->compaction, name_of((enum rocks_compaction)c->compaction)) != 0)
		return rend_error(err,
		    "%s was made with compaction = \"%s\", and now it is \"%s\": say what it was, or empty the folder, "
		    "and it begins anew",
		    path, made->compaction, name_of((enum rocks_compaction)c->compaction));
	return 0;
}

int
plan_make(
    struct plan *p, const struct mnemonic_conf *c, const struct label *made, const char *path, struct rend_error *err)
{
	if (c->path[0] == '\0')
		return rend_error(err, "path is empty");
	if (made != NULL && fits(c, made, path, err) != 0)
		return -1;
	p->bins = made != NULL ? made->bins : c->bins != 0 ? (unsigned)c->bins : bins_for(c->size);
	p->seed = made != NULL ? made->seed : 0;
	if (made == NULL && getrandom(&p->seed, sizeof p->seed, 0) != sizeof p->seed)
		return rend_error(err, "no random numbers");
	p->size = c->size;
	p->queue = c->queue;
	p->mend = c->mend;
	p->readers = threads(c->readers, READERS_CORE, READERS_CORE, 64);
	p->rocks = (struct rocks_options){
		.compaction = (enum rocks_compaction)c->compaction,
		.filter = (enum rocks_filter)c->filter,
		.compression = (enum rocks_compression)c->compression,
		.wal = (enum rocks_wal)c->wal,
		.bin_size = c->size / p->bins,
		.write_buffer = buffer_for(c, c->size / p->bins),
		.cache = c->cache,
		.block = c->block,
		.filter_bits = (unsigned)c->filter_bits,
		.jobs = threads(c->jobs, 1, 2, 16),
		.direct = c->direct,
	};
	/* What is dropped is a whole file, and the only one would be all there is. */
	if (p->rocks.bin_size < 2 * p->rocks.write_buffer)
		return rend_error(err,
		    "size is %llu bytes for %u bins, which is less than twice the write_buffer of %llu each: more "
		    "size, "
		    "fewer bins, or a smaller write_buffer",
		    (unsigned long long)c->size, p->bins, (unsigned long long)p->rocks.write_buffer);
	return 0;
}

void
plan_label(const struct plan *p, struct label *label)
{
	*label = (struct label){ .bins = p->bins, .seed = p->seed };
	snprintf(label->compaction, sizeof label->compaction, "%s", name_of(p->rocks.compaction));
}

unsigned
plan_bin(const struct plan *p, const char *key, size_t len)
{
	return (unsigned)(((unsigned __int128)XXH3_64bits_withSeed(key, len, p->seed) * p->bins) >> 64);
}

bool
plan_files(const struct plan *p, uint64_t *has, uint64_t *wants)
{
	struct rlimit limit;

	/* At worst each flush stays a file of its own; logs and what is being merged beside them; connections need theirs, too. */
	*wants = (uint64_t)p->bins * (p->rocks.bin_size / p->rocks.write_buffer + 48) + 1024;
	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return true;
	if (limit.rlim_cur < *wants) {
		limit.rlim_cur = *wants < limit.rlim_max ? *wants : limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
	*has = limit.rlim_cur;
	return limit.rlim_cur >= *wants;
}
