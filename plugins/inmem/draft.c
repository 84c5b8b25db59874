/* Records that nobody sees yet: see store.h. */
#include "quest.h"
#include "store.h"

bool
store_fits(const struct store *s, size_t keylen, size_t len)
{
	uint64_t most = s->arena.limit / STORE_ITEM_SHARE;

	return len <= most && record_size(keylen, len) + LARGE_LEN <= most;
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
	/* The main queue is for copies, then, so that nobody takes the room that they need. */
	if (!s->evict)
		return LOG_SMALL;
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
make_record(struct draft *d, struct shelf *sh, const struct rend_op *op, int64_t exptime)
{
	struct store *s = sh->store;
	size_t len = d->large != NULL ? LARGE_LEN : d->len, size = record_size(op->keylen, len);
	size_t whole = size + (d->large != NULL ? large_cost(d->large) : 0);
	uint32_t hash = index_hash(op->hash);
	struct log_place place;
	struct record *r;

	/* They come from memory while room is made. */
	index_warm(&s->index, hash);
	ghost_warm(&s->ghost, hash);
	cleaner_pay(sh, 2 * size);
	place = log_place(&s->log, choose_queue(sh, hash, whole, &d->hits), exptime);
	d->location = log_alloc(&s->log, sh->worker, place, size, false);
	if (d->location == 0)
		d->location = cleaner_room(sh, place, size);
	if (d->location == 0)
		return false;
	rank_stored(&sh->rank, whole);
	d->record = r = arena_at(&s->arena, d->location);
	record_pad(r, size);
	*r = (struct record){ .hash = hash, .len = (uint16_t)len, .keylen = op->keylen };
	memcpy(r->key, op->key, op->keylen);
	if (d->large != NULL) {
		uint64_t at = arena_location(&s->arena, d->large);

		r->state = RECORD_LARGE;
		if (d->large->key != large_key(hash))
			d->large->key = large_key(hash);
		memcpy(record_value(r), &at, sizeof at);
		log_weigh(&s->log, d->location, (int64_t)large_cost(d->large));
	}
	return true;
}

bool
draft_new(struct draft *d, struct shelf *sh, const struct rend_op *op, size_t len, int64_t exptime)
{
	struct pages *p = sh->store->arena.pages;

	*d = (struct draft){ .pages = p, .len = len };
	if (len > sh->store->small_max) {
		if (!quest_pages(sh, large_pages(len)))
			return false;
		d->large = large_new(p, len);
		if (d->large == NULL)
			return false;
	}
	if (make_record(d, sh, op, exptime))
		return true;
	large_drop(p, &d->large);
	return false;
}

bool
draft_of_large(struct draft *d, struct shelf *sh, const struct rend_op *op, struct large *large, int64_t exptime)
{
	struct pages *p = sh->store->arena.pages;

	*d = (struct draft){ .pages = p, .large = large, .len = large->len };
	if (make_record(d, sh, op, exptime))
		return true;
	large_drop(p, &d->large);
	return false;
}

void
draft_write(const struct draft *d, size_t at, const char *from, size_t len)
{
	if (d->large != NULL)
		large_write(d->pages, d->large, at, from, len);
	else
		memcpy(record_value(d->record) + at, from, len);
}

void
draft_write_value(const struct draft *d, size_t at, const struct rend_value *value)
{
	const struct rend_seg *segs = rend_value_segs(value);

	for (unsigned i = 0; i < value->nsegs; i++) {
		draft_write(d, at, segs[i].p, segs[i].len);
		at += segs[i].len;
	}
}

void
draft_waste(struct draft *d, struct shelf *sh)
{
	struct store *s = sh->store;

	if (d->record == NULL)
		return;
	log_dead(&s->log, d->location, record_footprint(d->record));
	if (d->large != NULL) {
		log_weigh(&s->log, d->location, -(int64_t)large_cost(d->large));
		large_drop(d->pages, &d->large);
	}
	d->record = NULL;
}
