/* What a backend does not do to an item on its flash: see rewrite.h for the picture. */
#include "rewrite.h"

#include <stdio.h>
#include <stdlib.h>

#include "rend/check.h"
#include "rend/worker.h"

#define TRIES_MAX 4 /* refusals; each is followed by a read, and perhaps a store */

struct rewrite {
	enum { REWRITE_ASKS, REWRITE_READS, REWRITE_STORES } at;
	unsigned refusals;
	bool sent_store;   /* ever */
	struct rend_op op; /* what is asked instead */
};

static bool
joins(const struct rend_op *op)
{
	return op->verb == REND_APPEND || op->verb == REND_PREPEND;
}

bool
rewrite_may_help(const struct rend_op *op, const struct answer *a)
{
	if (op->ask.mode & REND_INVALIDATE)
		return false;
	if (op->verb == REND_INCR || op->verb == REND_DECR)
		return a->status == REND_NOT_A_NUMBER;
	/* With a version MISS is what NOT_STORED is without. */
	return joins(op) && (a->status == REND_NOT_STORED || ((op->ask.mode & REND_IF_CAS) && a->status == REND_MISS));
}

struct rewrite *
rewrite_new(void)
{
	return calloc(1, sizeof(struct rewrite));
}

void
rewrite_free(struct rewrite **rp)
{
	struct rewrite *r = *rp;

	*rp = NULL;
	if (r == NULL)
		return;
	rend_value_drop(&r->op.item.value);
	free(r);
}

bool
rewrite_only_reads(const struct rewrite *r)
{
	return !r->sent_store && r->at == REWRITE_READS;
}

void
rewrite_restart(struct rewrite *r)
{
	r->at = REWRITE_READS;
}

const struct rend_op *
rewrite_says(struct rewrite *r, const struct rend_op *op)
{
	if (r->at == REWRITE_ASKS)
		return op;
	r->op.key = op->key;
	r->op.keylen = op->keylen;
	if (r->at == REWRITE_READS) {
		r->op.verb = REND_GET;
		r->op.ask = (struct rend_ask){ .want = REND_WANT_VALUE | REND_WANT_EXPTIME | REND_WANT_CAS };
	} else {
		r->sent_store = true;
	}
	return &r->op;
}

/* ---- the new value ---- */

static int
add_pieces(struct rend_value *to, const struct rend_value *from)
{
	const struct rend_seg *segs = rend_value_segs(from);

	for (unsigned i = 0; i < from->nsegs; i++) {
		rend_buf_ref(segs[i].buf);
		if (rend_value_add(to, segs[i].buf, segs[i].p, segs[i].len) != 0)
			return -1;
	}
	return 0;
}

static enum rend_status
join(struct rewrite *r, const struct rend_op *op, const struct rend_value *old)
{
	bool behind = op->verb == REND_APPEND;
	const struct rend_value *first = behind ? old : &op->item.value, *second = behind ? &op->item.value : old;

	if (old->len + op->item.value.len > rend_item_size_max())
		return REND_TOO_BIG;
	if (add_pieces(&r->op.item.value, first) != 0 || add_pieces(&r->op.item.value, second) != 0)
		return REND_NO_MEMORY;
	return REND_OK;
}

/* isspace() of the C locale. */
static bool
is_space(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

/* The number that a value begins with, as memcached reads it: white space, digits; behind them nothing, white space, or a NUL. */
static bool
read_number(const struct rend_value *v, uint64_t *n)
{
	char head[64];
	size_t len = rend_value_copy_out(v, 0, head, sizeof head), i = 0, digits;

	*n = 0;
	while (i < len && is_space(head[i]))
		i++;
	if (i < len && head[i] == '+')
		i++;
	for (digits = i; i < len && head[i] >= '0' && head[i] <= '9'; i++)
		if (__builtin_mul_overflow(*n, 10, n) || __builtin_add_overflow(*n, (uint64_t)(head[i] - '0'), n))
			return false;
	return i > digits && (i == v->len || (i < len && (is_space(head[i]) || head[i] == '\0')));
}

static enum rend_status
count(struct rewrite *r, const struct rend_op *op, const struct rend_value *old)
{
	uint64_t n, delta = op->ask.delta;
	char digits[24];
	int len;

	if (!read_number(old, &n))
		return REND_NOT_A_NUMBER;
	if (op->verb == REND_INCR)
		n += delta;
	else
		n = n > delta ? n - delta : 0;
	len = snprintf(digits, sizeof digits, "%llu", (unsigned long long)n);
	r->op.item.number = n;
	return rend_value_copy_in(&r->op.item.value, digits, (size_t)len) == 0 ? REND_OK : REND_NO_MEMORY;
}

/* ---- answers ---- */

/* There is no item to change. */
static enum rend_status
missing(const struct rend_op *op)
{
	return joins(op) && (op->ask.mode & REND_IF_CAS) == 0 ? REND_NOT_STORED : REND_MISS;
}

/* The item, as it was read: what is to be stored in its place? */
static enum rend_status
was_read(struct rewrite *r, const struct rend_op *op, const struct rend_item *old, bool *again)
{
	enum rend_status status;

	if ((~old->have & (REND_WANT_VALUE | REND_WANT_EXPTIME | REND_WANT_CAS)) != 0)
		return REND_UNSUPPORTED;
	if ((op->ask.mode & REND_IF_CAS) && old->cas != op->ask.cas)
		return REND_EXISTS;
	rend_value_drop(&r->op.item.value);
	status = joins(op) ? join(r, op, &old->value) : count(r, op, &old->value);
	if (status != REND_OK)
		return status;
	r->op.verb = REND_SET;
	r->op.ask = (struct rend_ask){ .mode = REND_IF_CAS, .cas = old->cas, .cas_new = op->ask.cas_new };
	r->op.item.flags = old->flags;
	r->op.item.exptime = op->ask.mode & REND_ALSO_TOUCH ? op->ask.exptime : old->exptime;
	r->at = REWRITE_STORES;
	*again = true;
	return REND_OK;
}

/* What the op would have brought back. */
static void
was_stored(const struct rewrite *r, struct rend_op *op, const struct rend_item *stored)
{
	op->item.have = stored->have & REND_WANT_CAS;
	op->item.cas = stored->cas;
	if (joins(op))
		return;
	op->item.number = r->op.item.number;
	if (op->ask.want & REND_WANT_EXPTIME) {
		op->item.exptime = r->op.item.exptime;
		op->item.have |= REND_WANT_EXPTIME;
	}
}

static enum rend_status
refused(struct rewrite *r, bool *again)
{
	if (++r->refusals > TRIES_MAX)
		return REND_BUSY;
	r->at = REWRITE_READS;
	*again = true;
	return REND_OK;
}

enum rend_status
rewrite_answered(struct rewrite *r, struct rend_op *op, struct answer *a, bool *again)
{
	enum rend_status status = a->status;

	*again = false;
	switch (r->at) {
	case REWRITE_ASKS:
		if (!rewrite_may_help(op, a))
			return answer_give(a, op);
		status = refused(r, again);
		break;
	case REWRITE_READS:
		if (status == REND_OK)
			status = was_read(r, op, &a->item, again);
		else if (status == REND_MISS && (op->ask.mode & REND_VIVIFY) == 0)
			status = missing(op);
		else if (status == REND_MISS) {
			/* It is gone by now, or was never there to be read: the backend stores what was sent. */
			r->at = REWRITE_ASKS;
			status = REND_OK;
			*again = true;
		}
		break;
	case REWRITE_STORES:
		if (status == REND_OK)
			was_stored(r, op, &a->item);
		if (status == REND_EXISTS || status == REND_MISS) {
			r->at = REWRITE_ASKS;
			status = REND_OK;
			*again = true;
		}
		break;
	}
	answer_drop(a);
	return status;
}
