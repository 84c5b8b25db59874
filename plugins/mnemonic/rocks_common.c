/* RocksDB's options, as all databases of a store have them: see rocks.h. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rocks_common.h"

#define LEVEL_PERIOD	86400 /* seconds until what has expired is looked for in old files */
#define LOG_FATAL	4     /* RocksDB's number for it */
#define FILES_TO_MERGE	12    /* fewer, and their sum would be too large a part of what fifo merges at all */

#define CACHE_PART	(16ULL << 20)
#define CACHE_BITS_MOST 6

/* Bytes: whoever reads waits behind so much of a file that is written, or read to be merged; by themselves these are 1 and 2 MiB. */
#define WRITTEN_AT_ONCE (64 * 1024)
#define READ_AT_ONCE	(256 * 1024)

static rocksdb_filterpolicy_t *
filter_of(const struct rocks_options *o)
{
	switch (o->filter) {
	case ROCKS_BLOOM:
		return rocksdb_filterpolicy_create_bloom_full(o->filter_bits);
	case ROCKS_RIBBON:
		return rocksdb_filterpolicy_create_ribbon_hybrid(o->filter_bits, 1);
	case ROCKS_NO_FILTER:
		break;
	}
	return NULL;
}

static rocksdb_block_based_table_options_t *
table_of(const struct rocks_options *o, rocksdb_cache_t *cache)
{
	rocksdb_block_based_table_options_t *t = rocksdb_block_based_options_create();
	rocksdb_filterpolicy_t *filter = filter_of(o);

	if (filter != NULL)
		rocksdb_block_based_options_set_filter_policy(t, filter); /* which owns it from now on */
	rocksdb_block_based_options_set_whole_key_filtering(t, 1);
	rocksdb_block_based_options_set_block_cache(t, cache);
	rocksdb_block_based_options_set_block_size(t, o->block);
	rocksdb_block_based_options_set_format_version(t, 5);
	rocksdb_block_based_options_set_data_block_index_type(t, 1); /* binary and hash */
	rocksdb_block_based_options_set_data_block_hash_ratio(t, 0.75);
	rocksdb_block_based_options_set_cache_index_and_filter_blocks(t, 0);
	return t;
}

/*
 * Parts of it are locked each by itself.  What is read and not to be kept, a piece of 1 MiB, counts there while it is looked at, and so takes the place
 * of as much; a part that has no room for it would be emptied.  By itself RocksDB makes parts of half a MiB.
 */
static rocksdb_cache_t *
cache_of(uint64_t size)
{
	rocksdb_lru_cache_options_t *o = rocksdb_lru_cache_options_create();
	rocksdb_cache_t *cache;
	int bits = 0;

	while (bits < CACHE_BITS_MOST && size >> (bits + 1) >= CACHE_PART)
		bits++;
	rocksdb_lru_cache_options_set_capacity(o, size);
	rocksdb_lru_cache_options_set_num_shard_bits(o, bits);
	cache = rocksdb_cache_create_lru_opts(o);
	rocksdb_lru_cache_options_destroy(o);
	return cache;
}

static void
set_memory(rocksdb_options_t *to, const struct rocks_options *o)
{
	rocksdb_options_set_write_buffer_size(to, o->write_buffer);
	rocksdb_options_set_max_write_buffer_number(to, 4);
	rocksdb_options_set_min_write_buffer_number_to_merge(to, 1);
	rocksdb_options_set_memtable_whole_key_filtering(to, 1);
	rocksdb_options_set_memtable_prefix_bloom_size_ratio(to, 0.02);
}

static void
set_files(rocksdb_options_t *to, const struct rocks_options *o)
{
	static const int compressions[] = { rocksdb_lz4_compression, rocksdb_zstd_compression, rocksdb_no_compression };

	rocksdb_options_set_create_if_missing(to, 1);
	rocksdb_options_set_max_open_files(to, -1); /* fifo refuses anything else */
	rocksdb_options_set_compression(to, compressions[o->compression]);
	if (!o->direct)
		rocksdb_options_set_bytes_per_sync(
		    to, 1 << 20); /* what went past the system's cache has been written */
	rocksdb_options_set_writable_file_max_buffer_size(to, WRITTEN_AT_ONCE);
	rocksdb_options_compaction_readahead_size(to, READ_AT_ONCE);
	/* A last entry that is not whole was not answered; anything else that is damaged there is said, and nothing older takes its place. */
	rocksdb_options_set_wal_recovery_mode(to, rocksdb_tolerate_corrupted_tail_records_recovery);
	rocksdb_options_set_use_direct_reads(to, o->direct);
	rocksdb_options_set_use_direct_io_for_flush_and_compaction(to, o->direct);
	rocksdb_options_set_skip_stats_update_on_db_open(to, 1);
	/* Old memtables and files are removed by RocksDB's threads, not by the get that was the last to look at them. */
	rocksdb_options_set_avoid_unnecessary_blocking_io(to, 1);
	/*
	 * As Debian builds it a line of its log that cannot be written, because the disk is full, and then another one, end the process.  So there are
	 * none but when it is opened, which is only tried with room (bin.c), and one when it is closed.
	 */
	rocksdb_options_set_info_log_level(to, LOG_FATAL);
	rocksdb_options_set_keep_log_file_num(to, 2);
	rocksdb_options_set_stats_dump_period_sec(to, 0);
	rocksdb_options_set_stats_persist_period_sec(to, 0);
}

static void
set_style(rocksdb_options_t *to, const struct rocks_options *o)
{
	static const int styles[] = { rocksdb_fifo_compaction, rocksdb_level_compaction, rocksdb_universal_compaction };

	rocksdb_options_set_compaction_style(to, styles[o->compaction]);
	rocksdb_options_set_max_background_jobs(to, (int)o->jobs);
	if (o->compaction == ROCKS_FIFO) {
		rocksdb_options_set_level0_file_num_compaction_trigger(to, FILES_TO_MERGE);
	} else {
		rocksdb_options_set_target_file_size_base(to, o->write_buffer);
		rocksdb_options_set_max_bytes_for_level_base(to, 4 * o->write_buffer);
		rocksdb_options_set_level_compaction_dynamic_level_bytes(to, 1);
	}
}

/*
 * What the C interface has no functions for.  Left alone fifo forgets everything after 30 days: its ttl and its period are that long by default.
 * Per-key exptimes are ours, so both are off; the size is what it forgets by.
 */
static int
add_unnamed(struct rocks_common *c, rocksdb_options_t *base, char why[WHY_MAX])
{
	char text[320], *err = NULL;

	/* What is to be kept when it is closed, we write; the rest is about to be removed. */
	if (c->o.compaction == ROCKS_FIFO)
		snprintf(text, sizeof text,
		    "avoid_flush_during_shutdown=true;ttl=0;periodic_compaction_seconds=0;"
		    "compaction_options_fifo={max_table_files_size=%" PRIu64 ";allow_compaction=true}",
		    c->o.bin_size);
	else
		snprintf(text, sizeof text, "avoid_flush_during_shutdown=true;ttl=0;periodic_compaction_seconds=%d",
		    LEVEL_PERIOD);
	rocksdb_get_options_from_string(base, text, c->options, &err);
	return rocks_status_of(err, why) == ROCKS_OK ? 0 : -1;
}

void
rocks_hurry(struct rocks_common *c, unsigned databases)
{
	rocksdb_env_set_high_priority_background_threads(c->env, (int)databases);
}

int
rocks_common_new(struct rocks_common **cp, const struct rocks_options *o, char why[WHY_MAX])
{
	struct rocks_common *c = calloc(1, sizeof *c);
	rocksdb_options_t *base;
	int done;

	snprintf(why, WHY_MAX, "no memory");
	if (c == NULL)
		return -1;
	c->o = *o;
	c->env = rocksdb_create_default_env();
	rocksdb_env_set_background_threads(c->env, (int)o->jobs);
	rocksdb_env_set_high_priority_background_threads(c->env, (int)(o->jobs + 1) / 2);
	/* Merges can wait; who is served cannot. */
	rocksdb_env_lower_thread_pool_cpu_priority(c->env);
	c->cache = cache_of(o->cache);
	c->table = table_of(o, c->cache);
	c->options = rocksdb_options_create();
	base = rocksdb_options_create();
	rocksdb_options_set_env(base, c->env);
	rocksdb_options_set_block_based_table_factory(base, c->table);
	set_memory(base, o);
	set_files(base, o);
	set_style(base, o);
	c->read = rocksdb_readoptions_create();
	rocksdb_readoptions_set_verify_checksums(c->read, 1);
	c->read_once = rocksdb_readoptions_create();
	rocksdb_readoptions_set_verify_checksums(c->read_once, 1);
	rocksdb_readoptions_set_fill_cache(c->read_once, 0);
	c->write = rocksdb_writeoptions_create();
	rocksdb_writeoptions_set_sync(c->write, o->wal == ROCKS_WAL_SYNC);
	rocksdb_writeoptions_disable_WAL(c->write, o->wal == ROCKS_WAL_OFF);
	done = add_unnamed(c, base, why);
	rocksdb_options_destroy(base);
	if (done != 0)
		rocks_common_free(&c);
	*cp = c;
	return done;
}

void
rocks_common_free(struct rocks_common **cp)
{
	struct rocks_common *c = *cp;

	*cp = NULL;
	if (c == NULL)
		return;
	rocksdb_writeoptions_destroy(c->write);
	rocksdb_readoptions_destroy(c->read);
	rocksdb_readoptions_destroy(c->read_once);
	rocksdb_options_destroy(c->options);
	rocksdb_block_based_options_destroy(c->table);
	rocksdb_cache_destroy(c->cache);
	rocksdb_env_destroy(c->env);
	free(c);
}

uint64_t
rocks_cache_usage(const struct rocks_common *c)
{
	return rocksdb_cache_get_usage(c->cache);
}

uint64_t
rocks_cache_pinned(const struct rocks_common *c)
{
	return rocksdb_cache_get_pinned_usage(c->cache);
}
