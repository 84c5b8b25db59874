/* RocksDB: see rocks.h. */
#include "rocks_common.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SEGS_HERE   64	      /* pieces of a value for which there is room on the stack */
#define BATCH_KEEPS (2 << 20) /* bytes that a batch had, whose memory it keeps for the next one */

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

enum rocks_status
rocks_status_of(char *text, char why[WHY_MAX])
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
	status = rocks_status_of(err, why);
	if (status == ROCKS_OK)
		*rp = r;
	else
		rocks_close(&r, false, ignored);
	return status;
}

static enum rocks_status
flush(struct rocks *r, char why[WHY_MAX])
{
	rocksdb_flushoptions_t *wait = rocksdb_flushoptions_create();
	char *err = NULL;

	rocksdb_flush(r->db, wait, &err);
	rocksdb_flushoptions_destroy(wait);
	return rocks_status_of(err, why);
}

enum rocks_status
rocks_close(struct rocks **rp, bool keeps, char why[WHY_MAX])
{
	struct rocks *r = *rp;
	enum rocks_status status = ROCKS_OK;

	*rp = NULL;
	if (r->db != NULL) {
		if (keeps && r->common->o.wal == ROCKS_WAL_OFF)
			status = flush(r, why);
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
	return rocks_status_of(err, why) == ROCKS_OK ? 0 : -1;
}

/* ---- reading ---- */

static void
found_of(rocksdb_pinnableslice_t *slice, char *err, struct rocks_found *found, char why[WHY_MAX])
{
	*found = (struct rocks_found){ .status = rocks_status_of(err, why), .pinned = slice };
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
	return rocks_status_of(err, why);
}

/* The C interface does not say how it went. */
enum rocks_status
rocks_merge(struct rocks *r, char why[WHY_MAX])
{
	uint64_t errors = rocks_number(r, "background-errors");
	rocksdb_compactoptions_t *o;
	enum rocks_status status = flush(r, why);

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
	enum rocks_status status = rocks_status_of(err, why);

	if (status != ROCKS_OK)
		return status;
	err = NULL;
	rocksdb_checkpoint_create(c, dir, 0, &err);
	rocksdb_checkpoint_object_destroy(c);
	return rocks_status_of(err, why);
}
