/* What tests of a rebuild share: a store with something to lose, and where it lies on the disk. */
#ifndef SSD_DAMAGE_TEST_H
#define SSD_DAMAGE_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "size_class.h"
#include "world_words.h"

/* ---- words ---- */

static inline void
set(struct world *w, unsigned key, uint64_t n, size_t len)
{
	assert_int_equal(world_set(w, key, n, len, 0), STORED);
}

/* Where something lies. */
struct spot {
	char path[32];
	uint64_t segment; /* bytes, of its begin */
	uint64_t record;
	uint64_t rows; /* the block with row 0 */
	uint64_t trailer;
};

static inline struct spot
spot_of(struct world *w, unsigned key)
{
	const struct geometry *g = &w->store->g;
	struct entry e = { 0 };
	struct spot at;
	char name[32];
	int n = snprintf(name, sizeof(name), "key-%u", key);

	assert_true(index_find(w->store->index, store_khash(w->store, name, (size_t)n), &e));
	snprintf(at.path, sizeof(at.path), "store/data.%03u", geometry_bank(g, e.place.seg));
	at.segment = geometry_offset(g, e.place.seg);
	at.record = at.segment + (uint64_t)e.place.start * g->chunk;
	at.trailer = at.segment + g->segment - FORMAT_BLOCK;
	at.rows = at.trailer - FORMAT_BLOCK;
	return at;
}

static inline void
bad(struct world *w, const struct spot *at, uint64_t from, uint64_t to)
{
	from = from / FORMAT_BLOCK * FORMAT_BLOCK;
	to = (to + FORMAT_BLOCK - 1) / FORMAT_BLOCK * FORMAT_BLOCK;
	assert_int_equal(sim_bad(w->io, at->path, from, to - from), IO_OK);
}

/* ---- a store with something to lose ---- */

enum { OLD = 1, OVERWRITTEN, DELETED, SHORT, LATER, LAST };

/*
 *	sealed: first versions of all │ the one in question: later ones, a deletion, a touch │ begun after that one was sealed: LATER
 */
static inline void
make(struct world *w, bool sealed)
{
	world_init(w, 32);
	opened(w);
	for (unsigned key = OLD; key <= SHORT; key++)
		set(w, key, 1, 1000);
	seal(w);
	set(w, OVERWRITTEN, 2, 1000);
	assert_true(world_delete(w, DELETED));
	assert_true(world_touch(w, SHORT, WORLD_WALL + 10));
	set(w, LAST, 1, 6000);
	world_settle(w, true);
	if (!sealed)
		return;
	seal(w);
	set(w, LATER, 1, 1000);
	world_settle(w, true);
}

static inline void
nothing_old(struct world *w)
{
	uint64_t n = 0;

	if (world_get(w, OVERWRITTEN, &n, NULL))
		assert_int_equal(n, 2);
	has_not(w, DELETED);
	w->wall += 11;
	has_not(w, SHORT);
	w->wall -= 11;
}

static inline void
is_damaged(struct world *w, bool is)
{
	assert_int_equal(w->opened.how, STORE_REBUILT);
	assert_int_equal(w->opened.damaged, is);
	assert_int_equal(world_counts(w).lost_segments != 0, is);
	assert_int_equal(strstr(w->opened.sentence, "not all could be read") != NULL, is);
}

/* It goes on, and what it lost does not come back with the next crash either. */
static inline void
goes_on(struct world *w)
{
	set(w, 50, 5, 1000);
	world_settle(w, true);
	world_crash(w, SIM_KILL);
	opened(w);
	has(w, 50, 5);
	nothing_old(w);
	assert_true(world_close(w));
	opened(w);
	has(w, 50, 5);
	nothing_old(w);
}

#endif
