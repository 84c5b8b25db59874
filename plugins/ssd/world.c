/* A store for tests: see world.h. */
#include "world.h"

#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "rend/worker.h"

#define VALUE_MOST (8U << 20)
#define WAIT_NS	   10000000000ULL
#define WAIT_SOME  10000000ULL
#define STEPS_MOST 100000
#define WAITS_MOST 1000

struct stamp {
	uint64_t key, n, len, seed;
};

uint32_t world_grain = IO_GRAIN_LEAST;

void
world_init(struct world *w, uint32_t segments)
{
	*w = (struct world){
		.io = sim_new(1, 0),
		.wall = WORLD_WALL,
		.buf = malloc(VALUE_MOST),
		.options = {
			.dir = "store",
			.capacity = (uint64_t)segments * (128 << 10),
			.segment = 128 << 10,
			.bank = 1 << 20,
			.objects = 4000,
			.images = 8,
			.moves = 30,
			.sync = STORE_SYNC_FLUSH,
			.seed = 77,
		},
	};
	assert_non_null(w->io);
	sim_grain(w->io, world_grain);
	w->buffers = buffers_new(64 << 20);
	assert_non_null(w->buffers);
}

void
world_init_two(struct world *w, uint32_t segments)
{
	world_init(w, segments);
	w->second = sim_new(2, 0);
	assert_non_null(w->second);
	sim_grain(w->second, world_grain);
	sim_beside(w->second, w->io);
	w->options.other_count = 1;
	w->options.others[0].dir = "other";
	w->options.patience = 1000000000;
}

static void
close_queue(struct world *w)
{
	if (w->queue != NULL)
		io_queue_close(&w->queue, 0);
	if (w->second_queue != NULL)
		io_queue_close(&w->second_queue, 0);
}

void
world_fini(struct world *w)
{
	close_queue(w);
	if (w->store != NULL)
		store_abandon(&w->store);
	io_free(&w->second);
	io_free(&w->io);
	buffers_free(&w->buffers);
	free(w->buf);
}

bool
world_open(struct world *w)
{
	if (w->second != NULL)
		w->options.others[0].io = w->second;
	if (store_open(&w->store, w->io, &w->options, w->wall, &w->opened) != 0)
		return false;
	assert_int_equal(io_queue_open(w->io, NULL, NULL, &w->queue), IO_OK);
	if (w->second != NULL)
		assert_int_equal(io_queue_open(w->second, NULL, NULL, &w->second_queue), IO_OK);
	w->fetcher = (struct fetcher){
		.store = w->store, .queues = { w->queue, w->second_queue }, .buffers = w->buffers, .time = 1000000000
	};
	return true;
}

bool
world_close(struct world *w)
{
	bool ok;

	close_queue(w);
	ok = store_leave(w->store, 0);
	store_abandon(&w->store);
	return ok;
}

void
world_crash_two(struct world *w, enum sim_crash how, enum sim_crash second)
{
	struct io *next = sim_after(w->io, how, ++w->crashes);
	struct io *beside = w->second == NULL ? NULL : sim_after(w->second, second, w->crashes);

	assert_non_null(next);
	close_queue(w);
	if (w->store != NULL)
		store_abandon(&w->store);
	io_free(&w->second);
	io_free(&w->io);
	w->io = next;
	w->second = beside;
	if (beside != NULL)
		sim_beside(beside, next);
}

void
world_crash(struct world *w, enum sim_crash how)
{
	world_crash_two(w, how, how);
}

/* ---- values ---- */

static uint8_t
byte_at(const struct stamp *st, size_t i)
{
	return (uint8_t)((st->seed + i * 0x9e3779b97f4a7c15ULL) >> 56);
}

static void
make_value(char *to, unsigned key, uint64_t n, size_t len)
{
	struct stamp st = {
		.key = key, .n = n, .len = len, .seed = (key + 1) * 0xd1342543de82ef95ULL ^ n * 0x2545f4914f6cdd1dULL
	};

	if (len == 0)
		return;
	assert_true(len >= sizeof st && len <= VALUE_MOST);
	memcpy(to, &st, sizeof st);
	for (size_t i = sizeof st; i < len; i++)
		to[i] = (char)byte_at(&st, i);
}

static uint64_t
check_value(const char *p, unsigned key, size_t len)
{
	struct stamp st;

	if (len == 0)
		return 0;
	assert_true(len >= sizeof st);
	memcpy(&st, p, sizeof st);
	assert_int_equal(st.key, key);
	assert_int_equal(st.len, len);
	for (size_t i = sizeof st; i < len; i++)
		if (p[i] != (char)byte_at(&st, i))
			fail_msg(
			    "key %u, write %llu: byte %zu is not what was written", key, (unsigned long long)st.n, i);
	return st.n;
}

/* ---- asking ---- */

static uint8_t
name_of(char name[32], unsigned key)
{
	return (uint8_t)snprintf(name, 32, "key-%u", key);
}

/* Others hold it for moments only. */
static void
lock_key(struct world *w, uint64_t khash)
{
	while (!w->locked && !keys_try(store_keys(w->store), khash))
		sched_yield();
}

static void
unlock_key(struct world *w, uint64_t khash)
{
	if (!w->locked)
		keys_give(store_keys(w->store), khash);
}

void
world_lock(struct world *w, unsigned key)
{
	char name[32];

	lock_key(w, store_khash(w->store, name, name_of(name, key)));
	w->locked = true;
}

void
world_unlock(struct world *w, unsigned key)
{
	char name[32];

	w->locked = false;
	unlock_key(w, store_khash(w->store, name, name_of(name, key)));
}

static void
wait_for_pieces(struct world *w, struct pieces *p)
{
	if (!w->kept)
		store_step(w->store, false, w->wall);
	else
		assert_true(pieces_wait(p, rend_now() + WAIT_NS));
}

static enum stored
put(struct world *w, const struct store_item *item)
{
	struct pieces p;
	enum stored stored;
	unsigned n = 0;

	if (!pieces_wanted(w->store, item->keylen, item->value->len))
		return store_put(w->store, item, w->wall, &w->cas);
	if (!pieces_fit(w->store, item->keylen, item->value->len))
		return STORE_TOO_BIG;
	pieces_begin(&p, w->store, item);
	while ((stored = pieces_go(&p, w->wall, &w->cas)) == STORE_WAITS && ++n < WAITS_MOST)
		wait_for_pieces(w, &p);
	pieces_end(&p);
	if (stored != STORE_WAITS)
		return stored;
	store_refuse(w->store, item->khash);
	return STORE_NOT_ADMITTED;
}

enum stored
world_set(struct world *w, unsigned key, uint64_t n, size_t len, uint32_t exptime)
{
	struct rend_value value = { 0 };
	char name[32];
	uint8_t keylen = name_of(name, key);
	struct store_item item = {
		.khash = store_khash(w->store, name, keylen),
		.key = name,
		.keylen = keylen,
		.cflags = (uint32_t)n,
		.exptime = exptime,
		.stale = w->stale,
		.value = &value,
		.flushes = w->flushes,
	};
	enum stored stored;

	make_value(w->buf, key, n, len);
	assert_int_equal(rend_value_copy_in(&value, w->buf, len), 0);
	lock_key(w, item.khash);
	stored = put(w, &item);
	unlock_key(w, item.khash);
	rend_value_drop(&value);
	return stored;
}

static void
fetched(struct fetch *f)
{
	f->fetcher = NULL;
}

static void
wait_for(struct world *w, const struct fetch *f)
{
	fetcher_flush(&w->fetcher);
	while (f->fetcher != NULL && w->second == NULL)
		io_wait(w->queue, WAIT_NS);
	/* One of them may have what is long given up. */
	while (f->fetcher != NULL)
		if (io_poll(w->queue) + io_poll(w->second_queue) == 0) {
			io_wait(w->queue, WAIT_SOME);
			io_wait(w->second_queue, WAIT_SOME);
		}
}

enum fetched
world_fetch(struct world *w, unsigned key, bool whole, uint64_t *n, struct fetch *f)
{
	char name[32];
	uint8_t keylen = name_of(name, key);

	*f = (struct fetch){
		.khash = store_khash(w->store, name, keylen),
		.key = name,
		.keylen = keylen,
		.whole = whole,
		.locked = w->locked,
		.wall = w->wall,
		.done = fetched,
	};
	if (!fetch_begin(&w->fetcher, f))
		wait_for(w, f);
	f->key = NULL;
	if (f->result != FETCH_HIT || !whole)
		return f->result;
	if (f->pieces.nsegs > 0) {
		assert_int_equal(rend_value_copy_out(&f->pieces, 0, w->buf, VALUE_MOST), f->len);
		f->value = w->buf;
	}
	*n = check_value(f->value, key, f->len);
	if (f->len != 0)
		assert_int_equal(f->head.cflags, (uint32_t)*n);
	rend_buf_drop(&f->buf);
	rend_value_drop(&f->pieces);
	return f->result;
}

bool
world_get(struct world *w, unsigned key, uint64_t *n, struct record_head *head)
{
	struct fetch f;
	enum fetched how = world_fetch(w, key, true, n, &f);

	assert_int_not_equal(how, FETCH_FAILED);
	if (how == FETCH_HIT && head != NULL)
		*head = f.head;
	return how == FETCH_HIT;
}

bool
world_delete(struct world *w, unsigned key)
{
	uint64_t n;
	struct fetch f;
	enum fetched how = world_fetch(w, key, false, &n, &f);

	if (how == FETCH_FAILED)
		return false;
	lock_key(w, f.khash);
	if (how == FETCH_HIT)
		store_remove(w->store, f.khash);
	else
		store_is_gone(w->store, f.khash);
	unlock_key(w, f.khash);
	return how == FETCH_HIT;
}

bool
world_touch(struct world *w, unsigned key, uint32_t exptime)
{
	uint64_t n;
	struct fetch f;
	bool ok;

	if (world_fetch(w, key, false, &n, &f) != FETCH_HIT)
		return false;
	lock_key(w, f.khash);
	ok = store_touch(w->store, f.khash, &f.entry, f.head.version, exptime);
	unlock_key(w, f.khash);
	return ok;
}

void
world_join(struct world *w, const struct world *of)
{
	*w = *of;
	w->buf = malloc(VALUE_MOST);
	assert_non_null(w->buf);
	w->queue = NULL;
	assert_int_equal(io_queue_open(w->io, NULL, NULL, &w->queue), IO_OK);
	w->fetcher.queues[0] = w->queue;
}

void
world_leave(struct world *w)
{
	io_queue_close(&w->queue, 0);
	free(w->buf);
}

void
world_settle(struct world *w, bool flush)
{
	unsigned n = 0;

	while (store_step(w->store, flush, w->wall))
		assert_true(++n < STEPS_MOST);
}

void
world_audit(struct world *w)
{
	char why[256] = "";

	if (!store_audit(w->store, why, sizeof why))
		fail_msg("%s", why);
}

struct store_counts
world_counts(struct world *w)
{
	struct store_counts counts;

	store_counts(w->store, &counts);
	return counts;
}
