/* What each verb makes of what was found: see job.h.  Nothing here waits. */
#include <string.h>

#include "job.h"
#include "rend/counter.h"

bool
verb_changes(const struct rend_op *op)
{
	return op->verb != REND_GET || (op->ask.mode & (REND_ALSO_TOUCH | REND_VIVIFY));
}

bool
verb_is_set(const struct job *j)
{
	return j->verb == REND_SET && (j->ask.mode & REND_IF_CAS) == 0;
}

/* Where old pieces would stay for ever somebody has to look what there is. */
bool
verb_is_blind(const struct job *j)
{
	return verb_is_set(j) && j->store->plan.rocks.compaction == ROCKS_FIFO;
}

bool
verb_wants_value(const struct job *j)
{
	switch (j->verb) {
	case REND_GET:
		return (j->ask.want & REND_WANT_VALUE) || (j->ask.mode & REND_ALSO_TOUCH) || j->locked;
	case REND_APPEND:
	case REND_PREPEND:
	case REND_INCR:
	case REND_DECR:
	case REND_TOUCH:
		return true;
	case REND_DELETE: /* what stays is written again */
		return (j->ask.mode & (REND_INVALIDATE | REND_DROP_VALUE)) == REND_INVALIDATE;
	default:
		return false;
	}
}

/* Is it the version that was asked for, if one was? */
static bool
fits(const struct job *j)
{
	return (j->ask.mode & REND_IF_CAS) == 0 || j->found.cas == j->ask.cas;
}

static bool
vivifies(const struct job *j)
{
	return (j->ask.mode & REND_VIVIFY) != 0;
}

static uint8_t
marks(const struct job *j)
{
	return j->found.flags & (RECORD_STALE | RECORD_SENT);
}

/* ---- storing ---- */

/* A new version of the item, which gets the value: a share of it, for all of it may be done once more. */
static enum rend_status
put(struct job *j, const struct rend_value *value, uint32_t cflags, uint32_t exptime, uint8_t flags)
{
	uint64_t cas = j->ask.cas_new != 0 ? j->ask.cas_new : j->stamp.version;

	if (value->len > j->store->plan.rocks.bin_size / 2) {
		/* A set that is not done leaves nothing older; the others, a cas too, leave what is there. */
		j->change = verb_is_set(j) ? REMOVE : NO_CHANGE;
		return REND_TOO_BIG;
	}
	if (rend_value_share(&j->value, value) != 0)
		return REND_NO_MEMORY;
	j->change = PUT;
	j->record = (struct record){
		.flags = flags, .cflags = cflags, .exptime = exptime, .version = j->stamp.version, .cas = cas
	};
	if (j->verb == REND_DELETE)
		return REND_OK;
	j->answer.cas = cas;
	j->answer.size = j->value.len;
	j->answer.have = j->ask.want & (REND_WANT_CAS | REND_WANT_SIZE);
	return REND_OK;
}

/* The item as it is, but for what is said of it.  It stays the same version, so nobody's cas is refused; what lies in pieces is written anew. */
static enum rend_status
rewrite(struct job *j, uint32_t exptime, uint8_t flags)
{
	j->change = PUT;
	j->record = j->found;
	j->record.exptime = exptime;
	j->record.flags = flags;
	if (j->old_pieces != 0)
		j->record.version = j->stamp.version;
	return rend_value_share(&j->value, &j->old) == 0 ? REND_OK : REND_NO_MEMORY;
}

/* An older version than what is there, which its sender would rather have kept as stale than refused? */
static bool
comes_late(const struct job *j)
{
	return j->there && rend_verb_stores(j->verb) && (j->ask.mode & REND_INVALIDATE) &&
	       (j->ask.mode & REND_IF_CAS) && j->ask.cas < j->found.cas;
}

static enum rend_status
run_store(struct job *j)
{
	if (!verb_is_blind(j)) {
		if ((j->ask.mode & REND_IF_CAS) && !j->there)
			return REND_MISS;
		if (j->there && !fits(j) && !comes_late(j))
			return REND_EXISTS;
		if ((j->verb == REND_ADD && j->there) || (j->verb == REND_REPLACE && !j->there))
			return REND_NOT_STORED;
	}
	/* It takes the place of what was marked stale, with all that is known of that. */
	if (comes_late(j))
		return put(j, &j->item.value, j->item.flags, j->found.exptime,
		    (uint8_t)(RECORD_STALE | (j->found.flags & RECORD_SENT)));
	return put(j, &j->item.value, j->item.flags, record_exptime(j->item.exptime), 0);
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

/* The old value and the new one, one behind the other. */
static enum rend_status
run_join(struct job *j)
{
	bool behind = j->verb == REND_APPEND;
	struct rend_value joined = { 0 };
	enum rend_status status;

	if (!j->there && vivifies(j))
		return put(j, &j->item.value, j->item.flags, record_exptime(j->ask.vivify), 0);
	if (!j->there)
		return (j->ask.mode & REND_IF_CAS) ? REND_MISS : REND_NOT_STORED;
	if (!fits(j))
		return REND_EXISTS;
	if (j->old.len + j->item.value.len > rend_item_size_max())
		return REND_TOO_BIG;
	if (!add(&joined, behind ? &j->old : &j->item.value) || !add(&joined, behind ? &j->item.value : &j->old)) {
		rend_value_drop(&joined);
		return REND_NO_MEMORY;
	}
	status = put(j, &joined, j->found.cflags, j->found.exptime, 0);
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
put_number(struct job *j, uint64_t number, size_t least, uint32_t cflags, uint32_t exptime)
{
	struct rend_value value = { 0 };
	enum rend_status status;

	if (!print_number(&value, number, least)) {
		rend_value_drop(&value);
		return REND_NO_MEMORY;
	}
	status = put(j, &value, cflags, exptime, value.len == least ? marks(j) : 0);
	rend_value_drop(&value);
	j->answer.number = number;
	j->answer.exptime = exptime;
	j->answer.have |= j->ask.want & REND_WANT_EXPTIME;
	return status;
}

static bool
read_number(const struct rend_value *old, uint64_t *number)
{
	const struct rend_seg *segs = rend_value_segs(old);

	/* Whatever lies in more than one piece is too long for a number. */
	return old->nsegs == 1 && rend_counter_read(segs[0].p, segs[0].len, number);
}

/* The digits replace the value; a shorter number keeps its length, with spaces, as in memcached. */
static enum rend_status
run_count(struct job *j)
{
	uint64_t number;

	if (!j->there && vivifies(j))
		return put_number(j, j->ask.initial, 0, 0, record_exptime(j->ask.vivify));
	if (!j->there)
		return REND_MISS;
	/* An empty value is none, whatever its version is: as in memcached. */
	if (j->old_len == 0)
		return REND_NOT_A_NUMBER;
	if (!fits(j))
		return REND_EXISTS;
	if (!read_number(&j->old, &number))
		return REND_NOT_A_NUMBER;
	number = rend_counter_step(number, j->ask.delta, j->verb == REND_INCR);
	return put_number(j, number, j->old_len, j->found.cflags,
	    (j->ask.mode & REND_ALSO_TOUCH) ? record_exptime(j->ask.exptime) : j->found.exptime);
}

/* ---- the others ---- */

/* The item, or an empty one in its place, under a new version. */
static enum rend_status
leave_behind(struct job *j)
{
	bool empties = (j->ask.mode & REND_DROP_VALUE) != 0, invalidates = (j->ask.mode & REND_INVALIDATE) != 0;
	bool touches = invalidates && (j->ask.mode & REND_ALSO_TOUCH);
	struct rend_value empty = { 0 };

	return put(j, empties ? &empty : &j->old, empties ? 0 : j->found.cflags,
	    touches ? record_exptime(j->ask.exptime) : j->found.exptime, invalidates ? RECORD_STALE : marks(j));
}

static enum rend_status
run_delete(struct job *j)
{
	if (!j->there)
		return REND_MISS;
	if (!fits(j))
		return REND_EXISTS;
	if (j->ask.mode & (REND_INVALIDATE | REND_DROP_VALUE))
		return leave_behind(j);
	j->change = REMOVE;
	return REND_OK;
}

static enum rend_status
run_touch(struct job *j)
{
	uint32_t exptime = record_exptime(j->ask.exptime);

	if (!j->there)
		return REND_MISS;
	return exptime == j->found.exptime ? REND_OK : rewrite(j, exptime, j->found.flags);
}

/* Leaves an empty item, for this client to fill. */
static enum rend_status
leave_empty(struct job *j)
{
	struct rend_value empty = { 0 };
	enum rend_status status = put(j, &empty, 0, record_exptime(j->ask.vivify), RECORD_SENT);

	j->answer.have |= j->ask.want & (REND_WANT_VALUE | REND_WANT_EXPTIME);
	j->answer.signs = REND_WON;
	j->answer.exptime = j->ask.vivify;
	return status;
}

/* Is this client the one to fill the item, if nobody is yet?  As memcached decides. */
static bool
may_win(const struct job *j)
{
	int64_t exptime = j->found.exptime;

	if ((j->ask.want & REND_WANT_NO_WIN) || (j->found.flags & RECORD_SENT))
		return false;
	return (j->found.flags & RECORD_STALE) ||
	       ((j->ask.mode & REND_RECACHE) && exptime != 0 && exptime - rend_wall() < j->ask.recache);
}

static void
answer_hit(struct job *j)
{
	j->answer.have = j->ask.want & (REND_WANT_VALUE | REND_WANT_EXPTIME | REND_WANT_CAS | REND_WANT_SIZE);
	if ((j->ask.mode & REND_IF_CAS) && fits(j))
		j->answer.have &= ~(uint32_t)REND_WANT_VALUE;
	j->answer.flags = j->found.cflags;
	j->answer.signs = ((j->found.flags & RECORD_STALE) ? REND_STALE : 0) |
			  ((j->found.flags & RECORD_SENT) ? REND_SENT : 0);
	j->answer.exptime = (j->ask.mode & REND_ALSO_TOUCH) ? j->ask.exptime : j->found.exptime;
	j->answer.cas = j->found.cas;
	j->answer.size = j->old_len;
}

static enum rend_status
run_get(struct job *j)
{
	uint32_t exptime = (j->ask.mode & REND_ALSO_TOUCH) ? record_exptime(j->ask.exptime) : j->found.exptime;
	uint8_t flags = j->found.flags;
	bool wins = j->there && may_win(j); /* once: time goes on */

	if (!j->there)
		return vivifies(j) ? leave_empty(j) : REND_MISS;
	if (wins && !j->locked)
		return VERB_LOCK;
	answer_hit(j);
	if (wins) {
		flags |= RECORD_SENT;
		j->answer.signs |= REND_WON;
	}
	if ((exptime != j->found.exptime || flags != j->found.flags) && rewrite(j, exptime, flags) != REND_OK)
		return REND_NO_MEMORY;
	if (j->answer.have & REND_WANT_VALUE)
		rend_value_move(&j->answer.value, &j->old);
	return REND_OK;
}

enum rend_status
verb_run(struct job *j)
{
	j->change = NO_CHANGE;
	rend_value_drop(&j->value);
	rend_value_drop(&j->answer.value);
	j->answer = (struct rend_item){ 0 };
	switch (j->verb) {
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
