/*
 * A value that is too large for one record, on its way into the log: each piece of it is a record, and when no crash can take one of them any
 * more, a manifest, which says where they are, is the value's record.
 *
 *	piece, piece, ... ──► images ──► written ──► all of them ──► manifest ──► index
 *	   └─ no room: WAITS                └─ not yet: WAITS
 *
 * So a manifest on the disk has its pieces, but for those whose segment has been freed since, or is broken: then the value is not there.  Pieces
 * leave images and segments to the others: a value that has to wait for the disk does not have smaller ones refused.
 *
 * The key's lock is held from before pieces_begin() until after pieces_end().  Any one thread at a time.
 */
#ifndef SSD_PIECES_H
#define SSD_PIECES_H

#include "format.h"
#include "store.h"

#define PIECES_LARGE (1U << 20) /* bytes; no value that is larger is in one record */
#define PIECES_MOST  (1U << 30) /* nor is one that is larger kept */

struct pieces {
	struct store *store;
	struct store_item item;
	struct manifest manifest; /* as far as it goes */
	struct manifest_piece *piece;
	uint32_t room;	  /* pieces that there is memory for */
	uint64_t flushes; /* store_flushes() when the first one was stored */
	uint64_t steps;	  /* store->steps before the last look */
};

/* Is it to be in pieces? */
bool pieces_wanted(const struct store *s, size_t keylen, size_t len);

/* Can it be kept at all?  Not if it were more than a quarter of the store. */
bool pieces_fit(const struct store *s, size_t keylen, size_t len);

/* What the item points to stays until pieces_end(). */
void pieces_begin(struct pieces *p, struct store *s, const struct store_item *item);

/* Goes as far as there is room.  WAITS: again when store_step() has ended.  Else that is the end, as of store_put(). */
enum stored pieces_go(struct pieces *p, int64_t wall, uint64_t *cas);

/* Until a store_step() has ended since the last pieces_go() began, or it is io_now() `until`.  false: that it is. */
bool pieces_wait(struct pieces *p, uint64_t until);

void pieces_end(struct pieces *p);

#endif
