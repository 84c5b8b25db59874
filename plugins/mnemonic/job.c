/* Ops on their way: see job.h. */
#include "job.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PIECES_AT_ONCE 8 /* of a large value */

static struct writer *
writer_of(const struct job *j)
{
	return &j->store->writers[j->bin->nth];
}

size_t
job_bytes(const struct job *j)
{
	size_t more = j->value.len > j->item.value.len ? j->value.len - j->item.value.len : 0;

	return sizeof *j + j->item.value.len + more; /* what it writes is mostly what it was sent */
}

/* Counts what it has now.  true: so much waits already that it is not begun.  What waits is bounded by that, but for one value of each thread. */
static bool
is_too_much(struct job *j)
{
	uint64_t had = j->bytes, has = job_bytes(j), before;

	j->bytes = has;
	before = __atomic_fetch_add(&j->store->bytes[j->bin->nth], has - had, __ATOMIC_RELAXED);
	/* One that has become smaller only makes room. */
	if (has <= had || before <= j->store->plan.queue)
		return false;
	COUNT(j->store, refused_busy, 1);
	return true;
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
	struct mnemonic *m = j->store;
	uint64_t khash = j->khash;
	unsigned group = j->bin->nth;
	bool locked = j->locked;

	REND_CHECK(j, JOB_MAGIC);
	if (j->bytes != 0)
		__atomic_fetch_sub(&j->store->bytes[j->bin->nth], j->bytes, __ATOMIC_RELAXED);
	/* Under the lock, so that a worker that finds no jobs has none. */
	pthread_mutex_lock(&inst->lock);
	if (j->op != NULL) {
		unlink_job(j);
		if (status == REND_OK)
			fill_in(j->op, j);
		rend_done(j->op, status);
	}
	pthread_mutex_unlock(&inst->lock);
	job_free(j);
	/* Behind the answer: whoever is next may be on another thread. */
	if (locked)
		keys_give(m->keys, group, khash);
	/* The last thing: a store without jobs may end. */
	__atomic_fetch_sub(&m->live, 1, __ATOMIC_RELEASE);
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
	if (keys_take(j->store->keys, j->bin->nth, j->khash, &j->turn))
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

/* Is it there, for whoever asks now? */
static bool
is_shown(const struct job *j)
{
	uint64_t floor = j->locked ? j->stamp.floor : versions_floor(j->bin->versions, j->bin->nth);

	return j->found.version >= floor && !rend_expired(j->found.exptime, rend_wall());
}

/* The worst of several.  A piece that is not there, or is of another length, is a MISS. */
static enum rocks_status
read_pieces(struct job *j, uint64_t first, size_t count, char why[WHY_MAX])
{
	char keys[ROCKS_MANY][PIECE_KEY_LEN];
	const char *at[ROCKS_MANY];
	size_t lens[ROCKS_MANY];
	struct rocks_found found[ROCKS_MANY];
	enum rocks_status worst = ROCKS_OK;

	for (size_t i = 0; i < count; i++) {
		record_piece_key(keys[i], j->key, j->keylen, j->found.version, (uint32_t)(first + i));
		at[i] = keys[i];
		lens[i] = PIECE_KEY_LEN;
	}
	/* Each would take the place of hundreds of small ones in the cache. */
	rocks_read_many(j->bin->db, true, count, at, lens, found, why);
	for (size_t i = 0; i < count; i++) {
		uint64_t left = j->old_len - (first + i) * PIECE_BYTES;
		size_t want = left < PIECE_BYTES ? (size_t)left : PIECE_BYTES;
		enum rocks_status status = found[i].status;

		if (status == ROCKS_OK && found[i].len != PIECE_HEAD + want)
			status = ROCKS_MISS;
		if (status == ROCKS_OK && verb_wants_value(j) && copy_in(&j->old, found[i].p + PIECE_HEAD, want) != 0) {
			snprintf(why, WHY_MAX, "no memory");
			status = ROCKS_IO;
		}
		worst = status > worst ? status : worst;
		rocks_found_drop(&found[i]);
	}
	return worst;
}

/* Its value is read even if only its length is wanted: fifo may have dropped a piece of it, and then it is not there for anybody. */
static enum rocks_status
read_large(struct job *j, const char *p, size_t len, char why[WHY_MAX])
{
	enum rocks_status status = ROCKS_OK;

	if (!record_manifest_read(p, len, &j->old_len)) {
		snprintf(why, WHY_MAX, "a record without a length");
		return ROCKS_CORRUPT;
	}
	j->old_pieces = (j->old_len + PIECE_BYTES - 1) / PIECE_BYTES;
	if (verb_is_set(j))
		return ROCKS_OK;
	/* A few at a time: what is pinned is memory twice. */
	for (uint64_t i = 0; i < j->old_pieces && status == ROCKS_OK; i += PIECES_AT_ONCE) {
		uint64_t left = j->old_pieces - i;

		status = read_pieces(j, i, left < PIECES_AT_ONCE ? (size_t)left : PIECES_AT_ONCE, why);
	}
	return status;
}

/* Fills in what was found. */
static enum rocks_status
look_at(struct job *j, const struct rocks_found *found, char why[WHY_MAX])
{
	enum rocks_status status = found->status;
	size_t head = 0;

	rend_value_drop(&j->old);
	j->old_len = j->old_pieces = 0;
	j->there = j->damaged = false;
	if (status != ROCKS_OK)
		return status;
	head = record_read(found->p, found->len, &j->found);
	if (head == 0) {
		snprintf(why, WHY_MAX, "a record of no known format");
		return ROCKS_CORRUPT;
	}
	if (!is_shown(j))
		return ROCKS_MISS;
	if (j->found.flags & RECORD_PIECES) {
		status = read_large(j, found->p + head, found->len - head, why);
		j->damaged = status == ROCKS_MISS; /* the record names what is not there */
	} else {
		j->old_len = found->len - head;
		if (verb_wants_value(j) && copy_in(&j->old, found->p + head, j->old_len) != 0) {
			snprintf(why, WHY_MAX, "no memory");
			return ROCKS_IO;
		}
	}
	j->there = status == ROCKS_OK;
	return status;
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
		/* What was found may be much more than what was sent. */
		if (is_too_much(j)) {
			job_finish(j, REND_BUSY);
			return;
		}
		writer_put(writer_of(j), j);
	}
}

void
job_read(struct job *j, const struct rocks_found *found, const char *said)
{
	char why[WHY_MAX];

	snprintf(why, sizeof why, "%s", said);
	switch (look_at(j, found, why)) {
	case ROCKS_OK:
	case ROCKS_MISS:
		break;
	case ROCKS_CORRUPT:
		/* It is not there any more; what is older is never shown in its place. */
		j->damaged = true;
		COUNT(j->store, check_errors, 1);
		rend_log(
		    REND_LOG_WARN, "mnemonic: %s is damaged, and what it had there is a miss: %s", j->bin->dir, why);
		break;
	case ROCKS_SHUT:
		job_finish(j, REND_DOWN);
		return;
	case ROCKS_BUSY:
	case ROCKS_IO:
		COUNT(j->store, read_errors, 1);
		rend_log(REND_LOG_WARN, "mnemonic: %s cannot be read: %s", j->bin->dir, why);
		job_finish(j, j->locked ? REND_DOWN : REND_IO);
		return;
	}
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
	__atomic_fetch_add(&m->live, 1, __ATOMIC_RELAXED);
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
	j->khash = op->hash;
	j->bin = &m->bins[plan_bin(&m->plan, op->key, op->keylen)]; /* op->hash is another one after each start */
	if (rend_verb_stores(op->verb) && rend_value_share(&j->item.value, &op->item.value) != 0) {
		free(j);
		__atomic_fetch_sub(&m->live, 1, __ATOMIC_RELAXED);
		return NULL;
	}
	return j;
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
		readers_put_all(&inst->store->readers, jobs);
}

/* Who asked has given up: they are answered, and their jobs go on, of which nobody hears. */
void
job_end_all(struct instance *inst)
{
	job_flush(inst);
	pthread_mutex_lock(&inst->lock);
	while (inst->jobs != NULL) {
		struct job *j = inst->jobs;

		unlink_job(j);
		rend_done(j->op, REND_TIMEOUT);
		__atomic_store_n(&j->op, NULL, __ATOMIC_RELAXED);
	}
	pthread_mutex_unlock(&inst->lock);
}
