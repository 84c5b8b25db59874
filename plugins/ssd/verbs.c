/* What each verb makes of what was found: see job.h.  Nothing here waits. */
#include <stdlib.h>
#include <string.h>

#include "job.h"
#include "rend/counter.h"

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
	case REND_DELETE: /* what stays is written again */
		return (op->ask.mode & (REND_INVALIDATE | REND_DROP_VALUE)) == REND_INVALIDATE;
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

/* What is told to who gets an item, beside the item. */
struct marks {
	bool stale, sent;
};

/* Those of what was found. */
static struct marks
marks_of(const struct fetch *f)
{
	return (struct marks){
		.stale = (f->head.flags & RECORD_STALE) != 0,
		.sent = (f->head.flags & RECORD_SENT) != 0 || f->entry.place.won,
	};
}

/* ---- storing ---- */

enum rend_status
verb_stored(struct job *j, enum stored stored, uint64_t cas, uint64_t len)
{
	struct rend_op *op = j->op;

	switch (stored) {
	case STORE_TOO_BIG:
		if (verb_is_blind(op)) {
			store_remove(j->inst->ssd->store, j->fetch.khash);
			j->changed = true;
		}
		return REND_TOO_BIG;
	case STORE_NOT_ADMITTED:
		j->changed = true;
		return REND_NOT_ADMITTED;
	case STORE_FLUSHED:
		/* Then there is nothing, and so it is answered. */
		j->fetch.result = FETCH_MISS;
		return VERB_AGAIN;
	case STORE_WAITS:
		return REND_BUSY; /* it was not begun */
	case STORED:
		j->changed = true;
		break;
	}
	if (op->verb == REND_DELETE)
		return REND_OK;
	op->item.cas = cas;
	op->item.have = op->ask.want & (REND_WANT_CAS | REND_WANT_SIZE);
	op->item.size = len;
	return REND_OK;
}

/* In pieces, which may have to wait.  What is joined is moved there: the op's own stays as long as the job. */
static enum rend_status
put_large(struct job *j, struct store_item *item, struct rend_value *value)
{
	struct ssd *d = j->inst->ssd;
	struct tear *tear;

	tear = calloc(1, sizeof *tear);
	if (tear == NULL) {
		store_admit_back(d->store, item);
		store_refuse(d->store, item->khash);
		return verb_stored(j, STORE_NOT_ADMITTED, 0, 0);
	}
	*tear = (struct tear){ .job = j, .inst = j->inst, .until = j->op->deadline, .stored = STORE_WAITS };
	if (value != &j->op->item.value) {
		rend_value_move(&tear->joined, value);
		item->value = &tear->joined;
	}
	pieces_begin(&tear->pieces, d->store, item);
	if (tearer_take(&d->tearer, tear))
		return VERB_LATER;
	store_admit_back(d->store, item);
	rend_value_drop(&tear->joined);
	free(tear);
	store_refuse(d->store, item->khash);
	return verb_stored(j, STORE_NOT_ADMITTED, 0, 0);
}

/* An older version than what is there, which its sender would rather have kept as stale than refused? */
static bool
comes_late(const struct job *j)
{
	const struct rend_ask *ask = &j->op->ask;

	return is_there(j) && rend_verb_stores(j->op->verb) && (ask->mode & REND_INVALIDATE) &&
	       (ask->mode & REND_IF_CAS) && ask->cas < j->fetch.head.cas;
}

/* A set that cannot be kept leaves nothing older. */
static enum rend_status
put_marked(struct job *j, struct rend_value *value, uint32_t flags, int64_t exptime, struct marks marks)
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
		.sent = marks.sent,
		.stale = marks.stale,
		.flushes = !verb_is_blind(op) && is_there(j) ? j->flushes : 0,
		.keeps_time = comes_late(j) || ((op->verb == REND_APPEND || op->verb == REND_PREPEND) && is_there(j)),
		.needed = !rend_verb_stores(op->verb),
		.value = value,
	};
	bool large = pieces_wanted(s, op->keylen, value->len);
	uint64_t cas = 0;
	enum stored stored;

	if (large && !pieces_fit(s, op->keylen, value->len))
		return verb_stored(j, STORE_TOO_BIG, 0, 0);
	if (!store_admit(s, &item, rend_wall()))
		return verb_stored(j, STORE_NOT_ADMITTED, 0, 0);
	if (large)
		return put_large(j, &item, value);
	stored = store_put(s, &item, rend_wall(), &cas);
	if (stored != STORED)
		store_admit_back(s, &item);
	return verb_stored(j, stored, cas, value->len);
}

static enum rend_status
put(struct job *j, struct rend_value *value, uint32_t flags, int64_t exptime)
{
	return put_marked(j, value, flags, exptime, (struct marks){ 0 });
}

/* On a miss: does the op leave something? */
static bool
vivifies(const struct job *j)
{
	return (j->op->ask.mode & REND_VIVIFY) != 0;
}

static enum rend_status
run_store(struct job *j)
{
	struct rend_op *op = j->op;

	if (!verb_is_blind(op)) {
		if ((op->ask.mode & REND_IF_CAS) && !is_there(j))
			return REND_MISS;
		if (is_there(j) && !fits(j) && !comes_late(j))
			return REND_EXISTS;
		if ((op->verb == REND_ADD && is_there(j)) || (op->verb == REND_REPLACE && !is_there(j)))
			return REND_NOT_STORED;
	}
	/* It takes the place of what was marked stale, with all that is known of that. */
	if (comes_late(j))
		return put_marked(j, &op->item.value, op->item.flags, j->fetch.entry.exptime,
		    (struct marks){ .stale = true, .sent = marks_of(&j->fetch).sent });
	return put(j, &op->item.value, op->item.flags, op->item.exptime);
}

static bool
add(struct rend_value *to, const struct rend_value *from)
{
	const struct rend_seg *segs = rend_value_segs(from);

	for (unsigned i = 0; i < from->nsegs; i++) {
		rend_buf_ref(segs[i].buf);
		if (rend_value_add(to, segs[i].buf, segs[i].p, segs[i].len) != 0)
			return false;
	}
	return true;
}

static bool
add_old(struct rend_value *to, const struct fetch *f)
{
	if (f->buf == NULL || f->len == 0)
		return add(to, &f->pieces);
	rend_buf_ref(f->buf);
	return rend_value_add(to, f->buf, f->value, f->len) == 0;
}

/* The old value and the new one, one behind the other. */
static enum rend_status
join(const struct job *j, struct rend_value *joined)
{
	const struct rend_value *more = &j->op->item.value;
	bool behind = j->op->verb == REND_APPEND, all;

	if (j->fetch.len + more->len > rend_item_size_max())
		return REND_TOO_BIG;
	if (behind)
		all = add_old(joined, &j->fetch) && add(joined, more);
	else
		all = add(joined, more) && add_old(joined, &j->fetch);
	return all ? REND_OK : REND_NO_MEMORY;
}

static enum rend_status
run_join(struct job *j)
{
	struct rend_value joined = { 0 };
	enum rend_status status;

	if (!is_there(j) && vivifies(j))
		return put(j, &j->op->item.value, j->op->item.flags, j->op->ask.vivify);
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

/* The digits, and spaces up to so many letters. */
static bool
print_number(struct rend_value *value, uint64_t number, size_t least)
{
	char digits[REND_COUNTER_DIGITS_MAX], spaces[64];
	size_t n = rend_counter_print(digits, number);
	bool room = rend_value_copy_in(value, digits, n) == 0;

	memset(spaces, ' ', sizeof spaces);
	while (room && value->len < least) {
		size_t left = least - value->len;

		room = rend_value_copy_in(value, spaces, left < sizeof spaces ? left : sizeof spaces) == 0;
	}
	return room;
}

/* One that takes no more room than the old one is the same item still, and as stale as that was: in memcached, too. */
static enum rend_status
put_number(struct job *j, uint64_t number, size_t least, uint32_t flags, int64_t exptime)
{
	struct rend_op *op = j->op;
	struct rend_value value = { 0 };
	struct marks marks = { 0 };
	enum rend_status status = REND_NO_MEMORY;

	if (print_number(&value, number, least)) {
		if (value.len == least)
			marks = marks_of(&j->fetch);
		status = put_marked(j, &value, flags, exptime, marks);
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

/* The digits replace the value; a shorter number keeps its length, with spaces, as in memcached. */
static enum rend_status
run_count(struct job *j)
{
	struct rend_op *op = j->op;
	const struct fetch *f = &j->fetch;
	uint64_t number;

	if (!is_there(j) && vivifies(j))
		return put_number(j, op->ask.initial, 0, 0, op->ask.vivify);
	if (!is_there(j))
		return REND_MISS;
	/* An empty value is none, whatever its version is: as in memcached. */
	if (f->len == 0)
		return REND_NOT_A_NUMBER;
	if (!fits(j))
		return REND_EXISTS;
	if (f->head.type != RECORD_VALUE || !rend_counter_read(f->value, f->head.len, &number))
		return REND_NOT_A_NUMBER;
	return put_number(j, rend_counter_step(number, op->ask.delta, op->verb == REND_INCR), f->head.len,
	    f->head.cflags, (op->ask.mode & REND_ALSO_TOUCH) ? op->ask.exptime : f->entry.exptime);
}

/* ---- the others ---- */

/* The item, or an empty one in its place, under a new version. */
static enum rend_status
leave_behind(struct job *j)
{
	const struct rend_ask *ask = &j->op->ask;
	const struct fetch *f = &j->fetch;
	bool empties = (ask->mode & REND_DROP_VALUE) != 0, invalidates = (ask->mode & REND_INVALIDATE) != 0;
	bool touches = invalidates && (ask->mode & REND_ALSO_TOUCH);
	struct marks marks = marks_of(f);
	struct rend_value value = { 0 };
	enum rend_status status = REND_NO_MEMORY;

	if (invalidates)
		marks = (struct marks){ .stale = true };
	if (empties || add_old(&value, f))
		status = put_marked(
		    j, &value, empties ? 0 : f->head.cflags, touches ? ask->exptime : f->entry.exptime, marks);
	rend_value_drop(&value);
	return status;
}

static enum rend_status
run_delete(struct job *j)
{
	if (!is_there(j)) {
		j->changed = store_is_gone(j->inst->ssd->store, j->fetch.khash);
		return REND_MISS;
	}
	if (!fits(j))
		return REND_EXISTS;
	if (j->op->ask.mode & (REND_INVALIDATE | REND_DROP_VALUE))
		return leave_behind(j);
	store_remove(j->inst->ssd->store, j->fetch.khash);
	j->changed = true;
	return REND_OK;
}

static enum rend_status
touch(struct job *j)
{
	struct fetch *f = &j->fetch;
	uint32_t exptime = store_exptime(j->op->ask.exptime);

	j->changed = true;
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

	if (buf == NULL || f->len == 0) {
		rend_value_move(&op->item.value, &f->pieces);
		return REND_OK;
	}
	rend_value_drop(&op->item.value);
	f->buf = NULL;
	return rend_value_add(&op->item.value, buf, f->value, f->len) == 0 ? REND_OK : REND_NO_MEMORY;
}

/* Leaves an empty item, for this client to fill. */
static enum rend_status
leave_empty(struct job *j)
{
	struct rend_op *op = j->op;
	struct rend_value empty = { 0 };
	enum rend_status status = put_marked(j, &empty, 0, op->ask.vivify, (struct marks){ .sent = true });

	if (status != REND_OK)
		return status;
	op->item.have |= op->ask.want & (REND_WANT_VALUE | REND_WANT_EXPTIME);
	op->item.flags = 0;
	op->item.signs = REND_WON;
	op->item.exptime = op->ask.vivify;
	return REND_OK;
}

/* Is this client the one to fill the item, if nobody is yet?  As memcached decides. */
static bool
may_win(const struct job *j, bool stale)
{
	const struct rend_ask *ask = &j->op->ask;
	int64_t exptime = j->fetch.entry.exptime;

	if (ask->want & REND_WANT_NO_WIN)
		return false;
	return stale || ((ask->mode & REND_RECACHE) && exptime != 0 && exptime - rend_wall() < ask->recache);
}

static uint32_t
signs(const struct job *j)
{
	const struct fetch *f = &j->fetch;
	struct marks marks = marks_of(f);
	uint32_t signs = (marks.stale ? REND_STALE : 0) | (marks.sent ? REND_SENT : 0);

	if (marks.sent || !may_win(j, marks.stale))
		return signs;
	switch (store_win(j->inst->ssd->store, f->khash, &f->entry)) {
	case INDEX_WON:
		return signs | REND_WON;
	case INDEX_SENT:
		return signs | REND_SENT;
	case INDEX_GONE: /* written again meanwhile; who gets that one may win */
		break;
	}
	return signs;
}

static enum rend_status
run_get(struct job *j)
{
	struct rend_op *op = j->op;
	const struct fetch *f = &j->fetch;
	enum rend_status status = REND_OK;

	if (!is_there(j))
		return vivifies(j) ? leave_empty(j) : REND_MISS;
	if (op->ask.mode & REND_ALSO_TOUCH)
		status = touch(j);
	op->item.have = op->ask.want & (REND_WANT_VALUE | REND_WANT_EXPTIME | REND_WANT_CAS | REND_WANT_SIZE);
	if ((op->ask.mode & REND_IF_CAS) && fits(j))
		op->item.have &= ~(uint32_t)REND_WANT_VALUE;
	if (status == REND_OK && (op->item.have & REND_WANT_VALUE))
		status = give_value(j);
	op->item.flags = f->head.cflags;
	op->item.signs = status == REND_OK ? signs(j) : 0;
	op->item.exptime = (op->ask.mode & REND_ALSO_TOUCH) ? op->ask.exptime : f->entry.exptime;
	op->item.cas = f->head.cas;
	op->item.size = f->len;
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
