/*
 * What happened to one key, as its clients saw it, and whether a value that was read could have been its value then.  No I/O, no clock.
 *
 *	time ──►
 *	write 1 ├──┤                  each write stores a version of its own, so a read says which write it saw
 *	write 2       ├───┤
 *	read          ├──┤ 2          fine: 2 may have taken effect
 *	read                  ├─┤ 1   wrong: 2 was acknowledged before it began, and 1 before 2 began
 *
 * Of each version two times count: `first`, when some operation that proves it had taken effect was over (its write's acknowledgement or
 * a read of it), and `last`, when the youngest of its operations began.  Where first(1) < last(2), 1 was there before 2 was gone.  Two
 * versions of which each was there before the other one was gone cannot be put in an order.
 *
 *	atomic	this is looked for between any two versions.  For a register whose writes all differ that is complete: if no two versions
 *		are such a pair, there is an order of all operations that explains every read (Gibbons and Korach, 1997); and it cannot
 *		give a false alarm, since "over before the other began" is all it is built on.
 *	fresh	only an acknowledged write or removal replaces, and only reads that began after that are wrong.
 *
 * A delete that was answered, also with "not found", and a flush are writes of a version that nobody reads.  A write without an answer, or
 * with an error, never is over by itself: it may take effect late, or not at all, and counts from the first read that saw it.  A delete
 * or flush without an answer is nothing.  A miss says nothing either, since caches evict, unless no_evictions is set.
 *
 * Not found: values that are wrong only because of what a conditional write (add, replace, cas) was answered; misses that should have been
 * hits, where TTLs, removals or errors could explain them; inversions, with `fresh`.
 *
 * Calls come in the order of time: no `end` is before that of an earlier call.  Memory is bounded: what can only be read wrongly from now
 * on is forgotten (history_tidy), and known by its number, since versions grow.
 */
#ifndef LOAD_HISTORY_H
#define LOAD_HISTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lifetime.h"

#define HISTORY_NEVER UINT64_MAX

/* Writes of a key without an answer that are remembered: of more, the oldest are no longer judged. */
#define HISTORY_OPEN_MAX 16384

struct history_rules {
	bool atomic; /* else fresh */
	bool no_evictions;
	uint64_t slack; /* ns: by so much an exptime may have passed */
	uint64_t base;	/* versions up to it are from earlier runs */
};

enum history_kind {
	HISTORY_FINE,
	HISTORY_UNWRITTEN,   /* nobody wrote it, or its write was refused, or it was not sent yet */
	HISTORY_STALE,	     /* an acknowledged write had replaced it before the read began */
	HISTORY_RESURRECTED, /* an acknowledged delete or flush had removed it */
	HISTORY_INVERSION,   /* another read had already seen what came after it */
	HISTORY_EXPIRED,
	HISTORY_LOST, /* a miss, and nothing had removed it */
	HISTORY_KINDS
};

const char *history_name(enum history_kind k);

enum history_what { HISTORY_WRITE, HISTORY_DELETE, HISTORY_FLUSH, HISTORY_EARLIER };

struct version {
	uint64_t number; /* 0: of a delete or flush */
	uint64_t begin, end;
	uint64_t first, last; /* see above; first: NEVER, if nothing proves it */
	uint32_t ttl;
	uint8_t what; /* enum history_what */
	bool flying;  /* its write is not over */
};

struct open_write {
	uint64_t number, begin;
	uint32_t ttl;
};

/* All-zero is the beginning. */
struct history {
	struct version *versions;
	uint32_t count, room, limit;
	struct open_write *open;
	uint32_t open_count, open_room;
	uint64_t dropped;   /* the largest number that was forgotten as replaced */
	uint64_t forgotten; /* ... and as never answered */
	uint64_t earlier;   /* the last one of an earlier run that was */
	bool blind;	    /* no memory: nothing is judged any more */
	struct lifetime life;

	/* For no_evictions: removals under way, when the last one was over, and the youngest forgotten write's begin. */
	uint32_t removing;
	uint64_t removed, settled;
};

/* What is wrong with a read. */
struct history_finding {
	enum history_kind kind;
	bool judged;	     /* false: too little is remembered to say */
	struct version seen; /* what was read; number 0 and EARLIER: not known any more */
	struct version by;   /* what it contradicts; meaningless for UNWRITTEN and EXPIRED */
	uint64_t expired;    /* EXPIRED: when, at the latest, ns */
};

void history_fini(struct history *h);

/* A write of version `number` is sent; it ends in one of the three ways.  Numbers grow. */
void history_write(struct history *h, uint64_t number, uint64_t begin, uint32_t ttl);
void history_written(struct history *h, uint64_t number, uint64_t end);
struct history_finding history_refused(struct history *h, uint64_t number);
void history_unanswered(struct history *h, uint64_t number);

/* A delete or flush is sent; it ends in one of two ways. */
void history_remove(struct history *h);
void history_removed(struct history *h, enum history_what what, uint64_t begin, uint64_t end);
void history_unremoved(struct history *h);

/* A touch, or a gat, is sent; it ends in one of the ways of enum lifetime_end. */
void history_touch(struct history *h, uint32_t ttl);
void history_touched(struct history *h, enum lifetime_end how, uint64_t begin, uint64_t end, uint32_t ttl,
    const struct history_rules *rules);

/* Could this have been its value? */
struct history_finding history_read(
    struct history *h, const struct history_rules *rules, uint64_t number, uint64_t begin, uint64_t end);

/* Could there have been none? */
struct history_finding history_miss(struct history *h, const struct history_rules *rules, uint64_t begin);

/* Forgets what is no longer needed, if there is much.  No operation under way began before `horizon`. */
void history_tidy(struct history *h, const struct history_rules *rules, uint64_t horizon);

#endif
