/* Ops on their way: see job.h. */
#include "job.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#define PIECES_AT_ONCE 8 /* of a large value */
#define LET_GO_S       3 /* seconds that a worker which ends waits for the disk */

static struct writer *
writer_of(const struct job *j)
{
	return &j->store->writers[j->bin->nth];
}

static void
count_bytes(struct job *j, uint64_t more)
{
	__atomic_fetch_add(&j->store->bytes[j->bin->nth], more, __ATOMIC_RELAXED);
}

/* ---- the answer ---- */

static void
fill_in(struct rend_op *op, struct job *j)
{
	struct rend_item *a = &j->answer;

	op->item.have = a->have;
	op->item.cas = a->cas;
	op->item.size = a->size;
	op->item.number = a->number;
	if (op->verb == REND_GET) {
		op->item.flags = a->flags;
		op->item.signs = a->signs;
		rend_value_move(&op->item.value, &a->value);
	}
	if (op->verb == REND_GET || (a->have & REND_WANT_EXPTIME))
		op->item.exptime = a->exptime;
}

static void
unlink_job(struct job *j)
{
	if (j->prev != NULL)
		j->prev->next = j->next;
	else
		j->inst->jobs = j->next;
	if (j->next != NULL)
		j->next->prev = j->prev;
}

static void
job_free(struct job *j)
{
	rend_value_drop(&j->item.value);
	rend_value_drop(&j->old);
	rend_value_drop(&j->value);
	rend_value_drop(&j->answer.value);
	free(j);
}

void
job_finish(struct job *j, enum rend_status status)
{
	struct instance *inst = j->inst;
	struct keys *keys = j->store->keys;
	uint64_t khash = j->khash;
	bool locked = j->locked;

	REND_CHECK(j, JOB_MAGIC);
	if (j->bytes != 0)
		count_bytes(j, 0 - j->bytes);
	/* Under the lock, so that a worker that finds no jobs has none. */
	pthread_mutex_lock(&inst->lock);
	if (j->op != NULL) {
		unlink_job(j);
		if (status == REND_OK)
			fill_in(j->op, j);
		rend_done(j->op, status);
		if (inst->jobs == NULL)
			pthread_cond_signal(&inst->empty);
	}
	pthread_mutex_unlock(&inst->lock);
	job_free(j);
	/* Behind the answer: whoever is next may be on another thread. */
	if (locked)
		keys_give(keys, khash);
}

bool
job_is_late(const struct job *j)
{
	return __atomic_load_n(&j->op, __ATOMIC_RELAXED) == NULL || rend_now() >= j->deadline;
}

/* ---- on its way ---- */

void
job_go_on(struct job *j)
{
	j->queue_next = NULL;
	if (verb_is_blind(j))
		writer_put(writer_of(j), j);
	else
		readers_put(&j->store->readers, j);
}

static void
granted(struct keys_turn *turn)
{
	struct job *j = (struct job *)(void *)((char *)turn - offsetof(struct job, turn));

	REND_CHECK(j, JOB_MAGIC);
	j->locked = true;
	job_go_on(j);
}

void
job_lock(struct job *j)
{
	j->turn.go = granted;
	if (keys_take(j->store->keys, j->khash, &j->turn))
		granted(&j->turn);
}

/* ---- what was read ---- */

static int
copy_in(struct rend_value *to, const char *p, size_t len)
{
	struct rend_buf *buf;

	if (len == 0)
		return 0;
	buf = rend_buf_new(len);
	if (buf == NULL)
		return -1;
	memcpy(buf->data, p, len);
	return rend_value_add(to, buf, buf->data, len);
}

/* Is it there, for whoever asks now?  With *head bytes before the value. */
static bool
is_shown(struct job *j, const struct rocks_found *found, size_t *head)
{
	uint64_t floor = j->locked ? j->stamp.floor : versions_floor(j->bin->versions, j->bin->nth);

	if (found->status != ROCKS_OK)
		return false;
	*head = record_read(found->p, found->len, &j->found);
	if (*head == 0) {
		j->damaged = true;
		rend_count(j->store->counters.check_errors, 1);
		return false;
	}
	return j->found.version >= floor && !rend_expired(j->found.exptime, rend_wall());
}

/* Several pieces at once; false: one of them is gone, or is not to be had. */
static bool
read_pieces(struct job *j, uint64_t first, size_t count, char why[WHY_MAX])
{
	char keys[ROCKS_MANY][PIECE_KEY_LEN];
	const char *at[ROCKS_MANY];
	size_t lens[ROCKS_MANY];
	struct rocks_found found[ROCKS_MANY];
	bool all = true;

	for (size_t i = 0; i < count; i++) {
		record_piece_key(keys[i], j->key, j->keylen, j->found.version, (uint32_t)(first + i));
		at[i] = keys[i];
		lens[i] = PIECE_KEY_LEN;
	}
	rocks_read_many(j->bin->db, count, at, lens, found, why);
	for (size_t i = 0; i < count; i++) {
		uint64_t left = j->old_len - (first + i) * PIECE_BYTES;
		size_t want = left < PIECE_BYTES ? (size_t)left : PIECE_BYTES;

		all = all && found[i].status == ROCKS_OK && found[i].len == PIECE_HEAD + want &&
		      copy_in(&j->old, found[i].p + PIECE_HEAD, want) == 0;
		rocks_found_drop(&found[i]);
	}
	return all;
}

static bool
read_large(struct job *j, const char *p, size_t len, char why[WHY_MAX])
{
	if (!record_manifest_read(p, len, &j->old_len))
		return false;
	j->old_pieces = (j->old_len + PIECE_BYTES - 1) / PIECE_BYTES;
	if (!verb_wants_value(j))
		return true;
	/* A few at a time: what is pinned is memory twice. */
	for (uint64_t i = 0; i < j->old_pieces; i += PIECES_AT_ONCE) {
		uint64_t left = j->old_pieces - i;

		if (!read_pieces(j, i, left < PIECES_AT_ONCE ? (size_t)left : PIECES_AT_ONCE, why))
			return false;
	}
	return true;
}

/* 0, or -1: no memory. */
static int
look_at(struct job *j, const struct rocks_found *found)
{
	char why[WHY_MAX];
	size_t head = 0;

	rend_value_drop(&j->old);
	j->old_len = j->old_pieces = 0;
	j->there = is_shown(j, found, &head);
	if (!j->there)
		return 0;
	if (j->found.flags & RECORD_PIECES) {
		j->there = read_large(j, found->p + head, found->len - head, why);
		return 0;
	}
	j->old_len = found->len - head;
	return verb_wants_value(j) ? copy_in(&j->old, found->p + head, j->old_len) : 0;
}

static void
decide(struct job *j)
{
	enum rend_status status = verb_run(j);

	if (status == VERB_LOCK) {
		job_lock(j);
	} else if (j->change == NO_CHANGE && !(j->damaged && j->locked)) {
		job_finish(j, status);
	} else {
		if (j->change == NO_CHANGE)
			j->change = REMOVE;
		j->status = status;
		writer_put(writer_of(j), j);
	}
}

void
job_read(struct job *j, struct rocks_found *found, const char *why)
{
	j->damaged = false;
	if (found->status == ROCKS_CORRUPT) {
		/* It is not there any more; what is older is never shown in its place. */
		j->damaged = true;
		rend_count(j->store->counters.check_errors, 1);
		rend_log(
		    REND_LOG_WARN, "mnemonic: %s is damaged, and what it had there is a miss: %s", j->bin->dir, why);
	} else if (found->status == ROCKS_SHUT) {
		job_finish(j, REND_DOWN);
		return;
	} else if (found->status == ROCKS_IO || found->status == ROCKS_BUSY) {
		rend_count(j->store->counters.read_errors, 1);
		rend_log(REND_LOG_WARN, "mnemonic: %s cannot be read: %s", j->bin->dir, why);
		job_finish(j, j->locked ? REND_DOWN : REND_IO);
		return;
	}
	if (look_at(j, found) != 0)
		job_finish(j, REND_NO_MEMORY);
	else
		decide(j);
}

/* ---- the worker ---- */

static void
enlist(struct instance *inst, struct job *j)
{
	pthread_mutex_lock(&inst->lock);
	j->next = inst->jobs;
	if (j->next != NULL)
		j->next->prev = j;
	inst->jobs = j;
	pthread_mutex_unlock(&inst->lock);
}

/* NULL: no memory. */
static struct job *
job_new(struct instance *inst, struct rend_op *op)
{
	struct mnemonic *m = inst->store;
	struct job *j = calloc(1, sizeof *j);

	if (j == NULL)
		return NULL;
	j->magic = JOB_MAGIC;
	j->inst = inst;
	j->store = m;
	j->op = op;
	j->deadline = op->deadline;
	j->verb = op->verb;
	j->ask = op->ask;
	j->item.flags = op->item.flags;
	j->item.exptime = op->item.exptime;
	j->keylen = (uint8_t)record_key(j->key, op->key, op->keylen);
	j->khash = XXH3_64bits(op->key, op->keylen);
	j->bin = &m->bins[(uint64_t)(((unsigned __int128)j->khash * m->plan.bins) >> 64)];
	if (rend_verb_stores(op->verb) && rend_value_share(&j->item.value, &op->item.value) != 0) {
		free(j);
		return NULL;
	}
	return j;
}

/* So much waits already that this is not begun.  What waits is bounded by it, but for one value. */
static bool
is_too_much(struct job *j)
{
	uint64_t before;

	j->bytes = sizeof *j + j->item.value.len;
	before = __atomic_fetch_add(&j->store->bytes[j->bin->nth], j->bytes, __ATOMIC_RELAXED);
	return before > j->store->conf->queue;
}

static enum rend_status
flush_all(struct rend_op *op)
{
	struct mnemonic *m = *(struct mnemonic **)(void *)op->scratch;

	return versions_raise_all(&m->versions) == 0 ? REND_OK : REND_IO;
}

void
job_begin(void *arg, struct rend_op *op)
{
	struct instance *inst = arg;
	struct job *j;

	REND_CHECK(inst, INSTANCE_MAGIC);
	if (op->verb == REND_FLUSH_ALL) {
		memcpy(op->scratch, &inst->store, sizeof inst->store);
		rend_offload(op, flush_all);
		return;
	}
	j = job_new(inst, op);
	if (j == NULL) {
		rend_done(op, REND_NO_MEMORY);
		return;
	}
	enlist(inst, j);
	if (!verb_changes(op)) {
		*inst->gets_end = j;
		inst->gets_end = &j->queue_next;
	} else if (is_too_much(j)) {
		rend_count(inst->store->counters.refused_busy, 1);
		job_finish(j, REND_BUSY);
	} else {
		job_lock(j);
	}
}

void
job_flush(struct instance *inst)
{
	struct job *jobs = inst->gets;

	inst->gets = NULL;
	inst->gets_end = &inst->gets;
	if (jobs != NULL)
		readers_put(&inst->store->readers, jobs);
}

/* Those that the disk has not answered are answered for it: their jobs go on, and nobody hears of it. */
static void
let_go(struct instance *inst)
{
	while (inst->jobs != NULL) {
		struct job *j = inst->jobs;

		unlink_job(j);
		rend_done(j->op, REND_TIMEOUT);
		__atomic_store_n(&j->op, NULL, __ATOMIC_RELAXED);
	}
}

void
job_end_all(struct instance *inst)
{
	struct timespec until;

	job_flush(inst);
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += LET_GO_S;
	pthread_mutex_lock(&inst->lock);
	while (inst->jobs != NULL && pthread_cond_timedwait(&inst->empty, &inst->lock, &until) == 0)
		continue;
	let_go(inst);
	pthread_mutex_unlock(&inst->lock);
}
