/* Records that nobody sees yet: see store.h. */
#include "store.h"

bool
store_fits(const struct store *s, size_t keylen, size_t len)
{
	uint64_t most = s->arena.limit / STORE_ITEM_SHARE;

	return len <= most && record_size(keylen, len) + sizeof(struct large) <= most;
}

/*
 * What is stored anew goes into the main queue if it was there, or was asked for often enough when it was there last.  This is only a guess: the
 * key is not compared.
 */
static unsigned
choose_queue(struct shelf *sh, uint32_t hash, size_t size, unsigned *hits)
{
	struct store *s = sh->store;
	uint64_t entry = index_guess(&s->index, hash);
	int remembered;

	*hits = 0;
	if (entry != 0)
		return log_queue(&s->log, entry_location(entry));
	remembered = ghost_take(&s->ghost, hash);
	if (remembered < 0)
		return LOG_SMALL;
	*hits = remembered < RANK_HITS_MAX ? (unsigned)remembered + 1 : RANK_HITS_MAX;
	return rank_keeps(&sh->rank, *hits, size) ? LOG_MAIN : LOG_SMALL;
}

/* The record of d->large, or of a small value of d->len bytes. */
static bool
make_record(struct draft *d, struct shelf *sh, const struct rend_op *op)
{
	struct store *s = sh->store;
	size_t len = d->large != NULL ? LARGE_LEN : d->len, size = record_size(op->keylen, len);
	size_t whole = size + (d->large != NULL ? d->large->cost : 0);
	uint32_t hash = index_hash(op->hash);
	unsigned queue = choose_queue(sh, hash, whole, &d->hits);
	struct record *r;

	cleaner_pay(sh, 2 * size);
	d->location = log_alloc(&s->log, sh->worker, queue, size, false);
	if (d->location == 0)
		d->location = cleaner_room(sh, queue, size);
	if (d->location == 0)
		return false;
	rank_stored(&sh->rank, whole);
	d->record = r = arena_at(&s->arena, d->location);
	*r = (struct record){ .hash = hash, .len = (uint16_t)len, .keylen = op->keylen };
	memcpy(r->key, op->key, op->keylen);
	if (d->large != NULL) {
		r->state = RECORD_LARGE;
		memcpy(record_value(r), &d->large, sizeof d->large);
		log_weigh(&s->log, d->location, (int64_t)d->large->cost);
	}
	return true;
}

static struct large *
paid_large(struct shelf *sh, size_t len)
{
	struct large *l = large_new(len);

	if (l == NULL)
		return NULL;
	if (!cleaner_bytes(sh, l->cost)) {
		large_drop(&l);
		return NULL;
	}
	l->budget = sh->store->arena.budget;
	return l;
}

bool
draft_new(struct draft *d, struct shelf *sh, const struct rend_op *op, size_t len)
{
	*d = (struct draft){ .len = len };
	if (len > sh->store->small_max) {
		d->large = paid_large(sh, len);
		if (d->large == NULL)
			return false;
	}
	if (make_record(d, sh, op))
		return true;
	large_drop(&d->large);
	return false;
}

bool
draft_again(struct draft *d, struct shelf *sh, const struct rend_op *op, struct large *large)
{
	*d = (struct draft){ .large = large, .len = large == NULL ? 0 : large->buf.size };
	if (make_record(d, sh, op))
		return true;
	large_drop(&d->large);
	return false;
}

void
draft_waste(struct draft *d, struct shelf *sh)
{
	struct store *s = sh->store;

	if (d->record == NULL)
		return;
	log_dead(&s->log, d->location, record_footprint(d->record));
	if (d->large != NULL) {
		log_weigh(&s->log, d->location, -(int64_t)d->large->cost);
		large_drop(&d->large);
	}
	d->record = NULL;
}
