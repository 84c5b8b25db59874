/* What each verb makes of what was found: see job.h.  Nothing here waits. */
#include <stdlib.h>
#include <string.h>

#include "digits.h"
#include "job.h"

bool
verb_is_blind(const struct rend_op *op)
{
	return op->verb == REND_SET && (op->ask.mode & REND_IF_CAS) == 0;
}

bool
verb_wants_value(const struct rend_op *op)
{
	switch (op->verb) {
	case REND_GET:
		return (op->ask.want & REND_WANT_VALUE) != 0;
	case REND_APPEND:
	case REND_PREPEND:
	case REND_INCR:
	case REND_DECR:
		return true;
	default:
		return false;
	}
}

static bool
is_there(const struct job *j)
{
	return j->fetch.result == FETCH_HIT;
}

/* Is it the version that was asked for, if one was? */
static bool
fits(const struct job *j)
{
	return (j->op->ask.mode & REND_IF_CAS) == 0 || j->fetch.head.cas == j->op->ask.cas;
}

/* ---- storing ---- */

/* A set that cannot be kept leaves nothing older. */
static enum rend_status
put(struct job *j, const struct rend_value *value, uint32_t flags, int64_t exptime)
{
	struct rend_op *op = j->op;
	struct store *s = j->inst->ssd->store;
	struct store_item item = {
		.khash = j->fetch.khash,
		.key = op->key,
		.keylen = op->keylen,
		.cflags = flags,
		.exptime = store_exptime(exptime),
		.cas = op->ask.cas_new,
		.flushes = !verb_is_blind(op) && is_there(j) ? j->flushes : 0,
		.value = value,
	};
	uint64_t cas;

	switch (store_put(s, &item, rend_wall(), &cas)) {
	case STORE_TOO_BIG:
		if (verb_is_blind(op))
			store_remove(s, item.khash);
		return REND_TOO_BIG;
	case STORE_NOT_ADMITTED:
		return REND_NOT_ADMITTED;
	case STORE_FLUSHED:
		/* A flush_all came in between: then there is nothing, and so it is answered. */
		j->fetch.result = FETCH_MISS;
		return verb_run(j);
	case STORED:
		break;
	}
	op->item.cas = cas;
	op->item.have = op->ask.want & (REND_WANT_CAS | REND_WANT_SIZE);
	op->item.size = value->len;
	return REND_OK;
}

static enum rend_status
run_store(struct job *j)
{
	const struct rend_op *op = j->op;

	if (!verb_is_blind(op)) {
		if ((op->ask.mode & REND_IF_CAS) && !is_there(j))
			return REND_MISS;
		if (is_there(j) && !fits(j))
			return REND_EXISTS;
		if ((op->verb == REND_ADD && is_there(j)) || (op->verb == REND_REPLACE && !is_there(j)))
			return REND_NOT_STORED;
	}
	return put(j, &op->item.value, op->item.flags, op->item.exptime);
}

/* The old value and the new one, one behind the other. */
static enum rend_status
join(const struct job *j, struct rend_value *joined)
{
	const struct fetch *f = &j->fetch;
	struct rend_buf *old = f->buf;
	const struct rend_value *more = &j->op->item.value;
	bool behind = j->op->verb == REND_APPEND;
	const struct rend_seg *segs = rend_value_segs(more);
	int failed = 0;

	if (f->head.len + more->len > rend_item_size_max())
		return REND_TOO_BIG;
	for (unsigned n = 0; n < 2 && failed == 0; n++) {
		if ((n == 0) == behind) {
			if (f->head.len == 0)
				continue;
			rend_buf_ref(old);
			failed = rend_value_add(joined, old, f->value, f->head.len);
			continue;
		}
		for (unsigned i = 0; i < more->nsegs && failed == 0; i++) {
			rend_buf_ref(segs[i].buf);
			failed = rend_value_add(joined, segs[i].buf, segs[i].p, segs[i].len);
		}
	}
	return failed == 0 ? REND_OK : REND_NO_MEMORY;
}

static enum rend_status
run_join(struct job *j)
{
	struct rend_value joined = { 0 };
	enum rend_status status;

	if (!is_there(j))
		return (j->op->ask.mode & REND_IF_CAS) ? REND_MISS : REND_NOT_STORED;
	if (!fits(j))
		return REND_EXISTS;
	status = join(j, &joined);
	if (status == REND_OK)
		status = put(j, &joined, j->fetch.head.cflags, j->fetch.entry.exptime);
	rend_value_drop(&joined);
	return status;
}

/* The digits replace the value; a shorter number keeps its length, with spaces, as in memcached. */
static enum rend_status
run_count(struct job *j)
{
	struct rend_op *op = j->op;
	const struct fetch *f = &j->fetch;
	char digits[DIGITS_MAX], spaces[64];
	struct rend_value value = { 0 };
	uint64_t number;
	size_t n;
	int64_t exptime = (op->ask.mode & REND_ALSO_TOUCH) ? op->ask.exptime : f->entry.exptime;
	enum rend_status status = REND_NO_MEMORY;

	if (!is_there(j))
		return REND_MISS;
	if (!fits(j))
		return REND_EXISTS;
	if (!digits_read(f->value, f->head.len, &number))
		return REND_NOT_A_NUMBER;
	if (op->verb == REND_INCR)
		number += op->ask.delta;
	else
		number = op->ask.delta > number ? 0 : number - op->ask.delta;
	n = digits_write(digits, number);
	memset(spaces, ' ', sizeof spaces);
	if (rend_value_copy_in(&value, digits, n) == 0) {
		bool room = true;

		while (room && value.len < f->head.len) {
			size_t left = f->head.len - value.len;

			room = rend_value_copy_in(&value, spaces, left < sizeof spaces ? left : sizeof spaces) == 0;
		}
		if (room)
			status = put(j, &value, f->head.cflags, exptime);
	}
	rend_value_drop(&value);
	if (status != REND_OK)
		return status;
	op->item.number = number;
	if (op->ask.want & REND_WANT_EXPTIME) {
		op->item.exptime = exptime;
		op->item.have |= REND_WANT_EXPTIME;
	}
	return REND_OK;
}

/* ---- the others ---- */

static enum rend_status
run_delete(struct job *j)
{
	if (!is_there(j))
		return REND_MISS;
	if (!fits(j))
		return REND_EXISTS;
	store_remove(j->inst->ssd->store, j->fetch.khash);
	return REND_OK;
}

static enum rend_status
touch(struct job *j)
{
	struct fetch *f = &j->fetch;
	uint32_t exptime = store_exptime(j->op->ask.exptime);

	if (!store_touch(j->inst->ssd->store, f->khash, &f->entry, f->head.version, exptime))
		return REND_NOT_ADMITTED;
	f->entry.exptime = exptime;
	return REND_OK;
}

static enum rend_status
run_touch(struct job *j)
{
	return is_there(j) ? touch(j) : REND_MISS;
}

static enum rend_status
give_value(struct job *j)
{
	struct rend_op *op = j->op;
	struct fetch *f = &j->fetch;
	struct rend_buf *buf = f->buf;

	rend_value_drop(&op->item.value);
	if (f->head.len == 0)
		return REND_OK;
	f->buf = NULL;
	return rend_value_add(&op->item.value, buf, f->value, f->head.len) == 0 ? REND_OK : REND_NO_MEMORY;
}

static enum rend_status
run_get(struct job *j)
{
	struct rend_op *op = j->op;
	const struct fetch *f = &j->fetch;
	enum rend_status status = REND_OK;

	if (!is_there(j))
		return REND_MISS;
	if (op->ask.mode & REND_ALSO_TOUCH)
		status = touch(j);
	op->item.have = op->ask.want & (REND_WANT_VALUE | REND_WANT_EXPTIME | REND_WANT_CAS | REND_WANT_SIZE);
	if ((op->ask.mode & REND_IF_CAS) && fits(j))
		op->item.have &= ~(uint32_t)REND_WANT_VALUE;
	if (status == REND_OK && (op->item.have & REND_WANT_VALUE))
		status = give_value(j);
	op->item.flags = f->head.cflags;
	op->item.exptime = (op->ask.mode & REND_ALSO_TOUCH) ? op->ask.exptime : f->entry.exptime;
	op->item.cas = f->head.cas;
	op->item.size = f->head.len;
	return status;
}

enum rend_status
verb_run(struct job *j)
{
	switch (j->op->verb) {
	case REND_GET:
		return run_get(j);
	case REND_SET:
	case REND_ADD:
	case REND_REPLACE:
		return run_store(j);
	case REND_APPEND:
	case REND_PREPEND:
		return run_join(j);
	case REND_INCR:
	case REND_DECR:
		return run_count(j);
	case REND_DELETE:
		return run_delete(j);
	case REND_TOUCH:
		return run_touch(j);
	default:
		return REND_UNSUPPORTED;
	}
}
