/* RocksDB: see rocks.h. */
#include "rocks.h"

#include <inttypes.h>
#include <rocksdb/c.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SEGS_HERE      64	 /* pieces of a value for which there is room on the stack */
#define BATCH_KEEPS    (2 << 20) /* bytes that a batch had, whose memory it keeps for the next one */
#define LEVEL_PERIOD   86400	 /* seconds until what has expired is looked for in old files */
#define LOG_FATAL      4	 /* RocksDB's number for it */
#define FILES_TO_MERGE 12	 /* fewer, and their sum would be too large a part of what fifo merges at all */

/* Bytes: whoever reads waits behind so much of a file that is written, or read to be merged; by themselves these are 1 and 2 MiB. */
#define WRITTEN_AT_ONCE (64 * 1024)
#define READ_AT_ONCE	(256 * 1024)

struct rocks_common {
	struct rocks_options o;
	rocksdb_env_t *env;
	rocksdb_cache_t *cache;
	rocksdb_block_based_table_options_t *table;
	rocksdb_options_t *options;
	rocksdb_readoptions_t *read, *read_once;
	rocksdb_writeoptions_t *write;
};

struct rocks {
	struct rocks_common *common;
	rocksdb_t *db;
	rocksdb_column_family_handle_t *family;
	rocksdb_options_t *options;
	rocksdb_compactionfilter_t *filter;
	rocks_dead_f *dead;
	void *arg;
	bool merges_no_more; /* atomic */
};

struct rocks_batch {
	rocksdb_writebatch_t *batch;
};

/* ---- what it says ---- */

static bool
begins(const char *text, const char *with)
{
	return strncmp(text, with, strlen(with)) == 0;
}

/* There is nothing but the text.  It is freed. */
static enum rocks_status
status_of(char *text, char why[WHY_MAX])
{
	enum rocks_status status = ROCKS_IO;

	if (text == NULL)
		return ROCKS_OK;
	snprintf(why, WHY_MAX, "%s", text);
	if (begins(text, "Corruption"))
		status = ROCKS_CORRUPT;
	else if (begins(text, "Result incomplete") || begins(text, "Resource busy") ||
		 begins(text, "Operation aborted"))
		status = ROCKS_BUSY;
	rocksdb_free(text);
	return status;
}

/* ---- options ---- */

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
	return status_of(err, why) == ROCKS_OK ? 0 : -1;
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
	c->cache = rocksdb_cache_create_lru(o->cache);
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

/* ---- one database ---- */

static unsigned char
is_dead(void *arg, int level, const char *key, size_t keylen, const char *p, size_t len, char **new_value,
    size_t *new_len, unsigned char *changed)
{
	const struct rocks *r = arg;

	return r->dead(r->arg, key, keylen, p, len);
}

static const char *
filter_name(void *arg)
{
	return "mnemonic";
}

static void
filter_freed(void *arg)
{
}

enum rocks_status
rocks_open(struct rocks **rp, struct rocks_common *c, const char *dir, rocks_dead_f *dead, void *arg, char why[WHY_MAX])
{
	static const char *const families[] = { "default" };
	struct rocks *r = calloc(1, sizeof *r);
	const rocksdb_options_t *options[1];
	enum rocks_status status;
	char ignored[WHY_MAX], *err = NULL;

	*rp = NULL;
	if (r == NULL) {
		snprintf(why, WHY_MAX, "no memory");
		return ROCKS_IO;
	}
	*r = (struct rocks){ .common = c, .dead = dead, .arg = arg };
	r->options = rocksdb_options_create_copy(c->options);
	r->filter = rocksdb_compactionfilter_create(r, filter_freed, is_dead, filter_name);
	rocksdb_options_set_compaction_filter(r->options, r->filter); /* which does not own it */
	options[0] = r->options;
	r->db = rocksdb_open_column_families(r->options, dir, 1, families, options, &r->family, &err);
	status = status_of(err, why);
	if (status == ROCKS_OK)
		*rp = r;
	else
		rocks_close(&r, false, ignored);
	return status;
}

static enum rocks_status
flush(struct rocks *r, bool waits, char why[WHY_MAX])
{
	rocksdb_flushoptions_t *o = rocksdb_flushoptions_create();
	char *err = NULL;

	rocksdb_flushoptions_set_wait(o, waits);
	rocksdb_flush(r->db, o, &err);
	rocksdb_flushoptions_destroy(o);
	return status_of(err, why);
}

void
rocks_close_soon(struct rocks *r)
{
	char ignored[WHY_MAX]; /* rocks_close() says it */

	if (r->common->o.wal == ROCKS_WAL_OFF)
		flush(r, false, ignored);
}

enum rocks_status
rocks_close(struct rocks **rp, bool keeps, char why[WHY_MAX])
{
	struct rocks *r = *rp;
	enum rocks_status status = ROCKS_OK;

	*rp = NULL;
	if (r->db != NULL) {
		if (keeps && r->common->o.wal == ROCKS_WAL_OFF)
			status = flush(r, true, why);
		rocksdb_cancel_all_background_work(r->db, 1);
		rocksdb_column_family_handle_destroy(r->family);
		rocksdb_close(r->db);
	}
	rocksdb_options_destroy(r->options);
	rocksdb_compactionfilter_destroy(r->filter);
	free(r);
	return status;
}

uint64_t
rocks_written(const struct rocks *r)
{
	return rocksdb_get_latest_sequence_number(r->db);
}

int
rocks_destroy(struct rocks_common *c, const char *dir, char why[WHY_MAX])
{
	char *err = NULL;

	rocksdb_destroy_db(c->options, dir, &err);
	return status_of(err, why) == ROCKS_OK ? 0 : -1;
}

/* ---- reading ---- */

static void
found_of(rocksdb_pinnableslice_t *slice, char *err, struct rocks_found *found, char why[WHY_MAX])
{
	*found = (struct rocks_found){ .status = status_of(err, why), .pinned = slice };
	if (found->status == ROCKS_OK && slice == NULL)
		found->status = ROCKS_MISS;
	if (found->status == ROCKS_OK)
		found->p = rocksdb_pinnableslice_value(slice, &found->len);
}

void
rocks_read(struct rocks *r, const char *key, size_t keylen, struct rocks_found *found, char why[WHY_MAX])
{
	char *err = NULL;
	rocksdb_pinnableslice_t *slice = rocksdb_get_pinned_cf(r->db, r->common->read, r->family, key, keylen, &err);

	found_of(slice, err, found, why);
}

void
rocks_read_many(struct rocks *r, bool passes, size_t count, const char *const *keys, const size_t *keylens,
    struct rocks_found *found, char why[WHY_MAX])
{
	rocksdb_pinnableslice_t *slices[ROCKS_MANY] = { NULL };
	char *errs[ROCKS_MANY] = { NULL };

	rocksdb_batched_multi_get_cf(r->db, passes ? r->common->read_once : r->common->read, r->family, count, keys,
	    keylens, slices, errs, false);
	for (size_t i = 0; i < count; i++)
		found_of(slices[i], errs[i], &found[i], why);
}

void
rocks_found_drop(struct rocks_found *found)
{
	if (found->pinned != NULL)
		rocksdb_pinnableslice_destroy(found->pinned);
	found->pinned = NULL;
}

/* ---- writing ---- */

struct rocks_batch *
rocks_batch_new(void)
{
	struct rocks_batch *b = calloc(1, sizeof *b);

	if (b != NULL)
		b->batch = rocksdb_writebatch_create();
	return b;
}

void
rocks_batch_free(struct rocks_batch **bp)
{
	struct rocks_batch *b = *bp;

	*bp = NULL;
	if (b == NULL)
		return;
	rocksdb_writebatch_destroy(b->batch);
	free(b);
}

void
rocks_batch_clear(struct rocks_batch *b)
{
	size_t bytes;

	/* Cleared it keeps the memory of the largest that it ever had. */
	rocksdb_writebatch_data(b->batch, &bytes);
	if (bytes <= BATCH_KEEPS) {
		rocksdb_writebatch_clear(b->batch);
		return;
	}
	rocksdb_writebatch_destroy(b->batch);
	b->batch = rocksdb_writebatch_create();
}

/* The parts of value that are so many bytes from `from` on, behind the head; returns how many. */
static int
parts_of(const struct rend_value *value, size_t from, size_t len, const char **parts, size_t *lens)
{
	const struct rend_seg *segs = rend_value_segs(value);
	int n = 1;

	for (unsigned i = 0; i < value->nsegs && len > 0; i++) {
		size_t some = segs[i].len;

		if (from >= some) {
			from -= some;
			continue;
		}
		some -= from;
		some = some < len ? some : len;
		parts[n] = segs[i].p + from;
		lens[n++] = some;
		from = 0;
		len -= some;
	}
	return n;
}

int
rocks_batch_put(struct rocks_batch *b, const char *key, size_t keylen, const char *head, size_t headlen,
    const struct rend_value *value, size_t from, size_t len)
{
	const char *few[SEGS_HERE + 1], **parts = few;
	size_t few_lens[SEGS_HERE + 1], *lens = few_lens;
	bool many = value->nsegs > SEGS_HERE;

	if (many) {
		parts = calloc(value->nsegs + 1, sizeof *parts);
		lens = calloc(value->nsegs + 1, sizeof *lens);
	}
	if (parts != NULL && lens != NULL) {
		int n = parts_of(value, from, len, parts, lens);

		parts[0] = head;
		lens[0] = headlen;
		rocksdb_writebatch_putv(b->batch, 1, &key, &keylen, n, parts, lens);
	}
	if (!many)
		return 0;
	many = parts == NULL || lens == NULL;
	free(parts);
	free(lens);
	return many ? -1 : 0;
}

void
rocks_batch_delete(struct rocks_batch *b, const char *key, size_t keylen)
{
	rocksdb_writebatch_delete(b->batch, key, keylen);
}

void
rocks_batch_begin(struct rocks_batch *b)
{
	rocksdb_writebatch_set_save_point(b->batch);
}

void
rocks_batch_end(struct rocks_batch *b, bool all)
{
	char *err = NULL;

	if (all)
		rocksdb_writebatch_pop_save_point(b->batch, &err);
	else
		rocksdb_writebatch_rollback_to_save_point(b->batch, &err);
	rocksdb_free(err); /* that there is none, and there is */
}

enum rocks_status
rocks_write(struct rocks *r, struct rocks_batch *b, char why[WHY_MAX])
{
	char *err = NULL;

	rocksdb_write(r->db, r->common->write, b->batch, &err);
	return status_of(err, why);
}

/* The C interface does not say how it went. */
enum rocks_status
rocks_merge(struct rocks *r, char why[WHY_MAX])
{
	uint64_t errors = rocks_number(r, "background-errors");
	rocksdb_compactoptions_t *o;
	enum rocks_status status = flush(r, true, why);

	/* It would begin with this, and not say that it failed. */
	if (status != ROCKS_OK)
		return status;
	o = rocksdb_compactoptions_create();
	rocksdb_compactoptions_set_exclusive_manual_compaction(o, 0);
	rocksdb_compact_range_cf_opt(r->db, r->family, o, NULL, 0, NULL, 0);
	rocksdb_compactoptions_destroy(o);
	if (__atomic_load_n(&r->merges_no_more, __ATOMIC_ACQUIRE))
		return ROCKS_BUSY;
	if (rocks_number(r, "background-errors") == errors)
		return ROCKS_OK;
	snprintf(why, WHY_MAX, "RocksDB says an error in the background");
	return ROCKS_IO;
}

void
rocks_merge_no_more(struct rocks *r)
{
	if (!__atomic_exchange_n(&r->merges_no_more, true, __ATOMIC_ACQ_REL))
		rocksdb_disable_manual_compaction(r->db);
}

/* ---- for people ---- */

uint64_t
rocks_number(const struct rocks *r, const char *name)
{
	char whole[128], *text;
	uint64_t n = 0;

	snprintf(whole, sizeof whole, "rocksdb.%s", name);
	if (rocksdb_property_int(r->db, whole, &n) == 0)
		return n;
	/* Some are numbers only when they are read. */
	text = rocksdb_property_value(r->db, whole);
	if (text != NULL)
		n = strtoull(text, NULL, 10);
	rocksdb_free(text);
	return n;
}

enum rocks_status
rocks_checkpoint(struct rocks *r, const char *dir, char why[WHY_MAX])
{
	char *err = NULL;
	rocksdb_checkpoint_t *c = rocksdb_checkpoint_object_create(r->db, &err);
	enum rocks_status status = status_of(err, why);

	if (status != ROCKS_OK)
		return status;
	err = NULL;
	rocksdb_checkpoint_create(c, dir, 0, &err);
	rocksdb_checkpoint_object_destroy(c);
	return status_of(err, why);
}
