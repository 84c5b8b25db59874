/* One question to one handler, and its answer. */
#ifndef REND_OP_H
#define REND_OP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rend/api.h"
#include "rend/status.h"
#include "rend/value.h"

REND_BEGIN

#define REND_KEY_MAX	250 /* bytes; memcached's limit */
#define REND_VERB_SLOTS 32  /* room for verbs to come without a new ABI */

enum rend_verb {
	REND_GET, /* the one read: ask.want says what of the item, ask.mode what it does on the way */
	REND_SET,
	REND_ADD,
	REND_REPLACE,
	REND_APPEND,
	REND_PREPEND,
	REND_INCR,
	REND_DECR,
	REND_DELETE,
	REND_TOUCH,
	REND_GET_TOUCH, /* a slot of policies' tables only: a get with REND_ALSO_TOUCH.  Handlers see REND_GET. */
	REND_FLUSH_ALL, /* has no key */
	REND_VERB_COUNT
};

/* "get", "set", ...; "?" for a number that is no verb.  Any thread; the string is static. */
REND_API const char *rend_verb_name(unsigned verb);

/* Does this verb bring a value to be stored? */
static inline bool
rend_verb_stores(unsigned verb)
{
	return verb >= REND_SET && verb <= REND_PREPEND;
}

/* What is wanted to be known: of a get, and of a storing verb (size, cas).  flags always come with a hit. */
enum {
	REND_WANT_VALUE = 1 << 0,
	REND_WANT_EXPTIME = 1 << 1,
	REND_WANT_CAS = 1 << 2,
	REND_WANT_SIZE = 1 << 3,   /* of the value, bytes */
	REND_WANT_ACCESS = 1 << 4, /* last_access and REND_HIT_BEFORE, as they were before this op */
	REND_WANT_NO_WIN = 1 << 5, /* of a get: who asks cannot see REND_WON, so it is left for one who can */
	/* Of a get, beside REND_WANT_CAS: only because the protocol has a place for it.  A policy that would have to ask further for the version
	 * may give one that no item has: a cas with it is refused.  Handlers need not know it. */
	REND_WANT_ANY_CAS = 1 << 6,
	/* Of a get: who asks would take MISS for a word that nothing of the key is, or is on its way, in this handler.  One in which an item is visible
	 * only some time after its write began, or that keeps what it cannot give, answers OK then, with an empty value and REND_SENT.  Others need
	 * not know it. */
	REND_WANT_UNDER_WAY = 1 << 7,
};

/*
 * What a verb does beside, or instead.  Every handler knows the first two.  A handler says in its descriptor which of
 * the others it knows; the core answers UNSUPPORTED for it to an op with any that it does not, so that nothing is
 * ignored in silence.
 */
enum {
	/* get: on a hit, the item's exptime becomes ask.exptime (gat); the answer's exptime is the new one.  incr, decr, and delete with
	 * REND_INVALIDATE: the same. */
	REND_ALSO_TOUCH = 1 << 0,
	/* Only if the item's version is ask.cas; else EXISTS, or MISS without one.  get: the value is left out if it is. */
	REND_IF_CAS = 1 << 1,
	/* get: on a miss, leaves an empty item until ask.vivify and answers OK with REND_WON; others get REND_SENT.
	 * append, prepend, incr, decr: on a miss, stores what was sent, or ask.initial, until ask.vivify. */
	REND_VIVIFY = 1 << 2,
	/* get: when the item has less than ask.recache seconds left, the first one gets REND_WON, the others REND_SENT. */
	REND_RECACHE = 1 << 3,
	/* get: the item is neither marked as hit nor moved in the order of eviction. */
	REND_NO_BUMP = 1 << 4,
	/* delete: the item stays, with a new version, and is stale: the next get gets REND_STALE and REND_WON.  set
	 * with REND_IF_CAS: a version lower than the item's is stored all the same, and is stale. */
	REND_INVALIDATE = 1 << 5,
	/* delete: the item stays, without value and flags. */
	REND_DROP_VALUE = 1 << 6,
	/* touch: the exptime becomes the earlier of the item's and ask.exptime.  Not for clients: it is how a policy makes sure that a copy
	 * does not outlive what it is of.  Those who say REND_CAN_GUARD know it. */
	REND_ONLY_EARLIER = 1 << 7,
	/* flush_all: only what is of part ask.delta.  Not for clients: it is how a policy makes sure that nothing old is left there.  Those who have
	 * parts (rend_handler.parts) know it.  Since 1.1. */
	REND_ONLY_PART = 1 << 8,
};
/* All that a client can ask for. */
#define REND_MODES_ALL \
	(REND_ALSO_TOUCH | REND_IF_CAS | REND_VIVIFY | REND_RECACHE | REND_NO_BUMP | REND_INVALIDATE | REND_DROP_VALUE)
#define REND_MODES_BASE (REND_ALSO_TOUCH | REND_IF_CAS)

/* The question, besides verb and key.  The handler reads it and leaves it alone. */
struct rend_ask {
	uint32_t want;	 /* REND_WANT_* */
	uint32_t mode;	 /* REND_ALSO_TOUCH, ... */
	int64_t exptime; /* with REND_ALSO_TOUCH, and of touch: unix seconds, 0 never */
	int64_t vivify;	 /* with REND_VIVIFY: unix seconds, 0 never */
	int64_t recache; /* with REND_RECACHE: seconds */
	uint64_t cas;	 /* with REND_IF_CAS */
	/* The version to give the item; 0: the handler's own.  A handler that cannot give it answers UNSUPPORTED; but to a get with
	 * REND_VIVIFY and REND_WANT_CAS it gives its own, and item.cas says which. */
	uint64_t cas_new;
	uint64_t delta;	  /* incr, decr; with REND_ONLY_PART: which */
	uint64_t initial; /* incr, decr with REND_VIVIFY */
	uint64_t link;	  /* of a mutation: item.link of an earlier get; see leases below.  0: it does not matter */
	/* For asks to come; 0, and handed on with the rest by who hands an ask on. */
	uint64_t reserved[2];
};

/* What a get says beside the item. */
enum {
	REND_WON = 1 << 0,	  /* this client is the one to fill it */
	REND_SENT = 1 << 1,	  /* another client is */
	REND_STALE = 1 << 2,	  /* marked by a delete or a set with REND_INVALIDATE */
	REND_HIT_BEFORE = 1 << 3, /* somebody got it since it was stored */
};

/* What is stored, or what was found.  Owns its value. */
struct rend_item {
	struct rend_value value;
	uint32_t flags;	     /* the client's */
	uint32_t have;	     /* REND_WANT_*: what this answer really gave */
	uint32_t signs;	     /* REND_WON, ... */
	int64_t exptime;     /* unix seconds; 0 never; a time that has passed: gone at once */
	int64_t last_access; /* seconds ago */
	uint64_t cas;	 /* the version.  A handler that has versions returns the new one with every mutation; else 0 */
	uint64_t size;	 /* of the value, when it is not given itself; bytes */
	uint64_t number; /* incr, decr: the number after it */
	uint64_t link;	 /* of a get: where item.cas may be used again; see leases below.  0: anywhere */
	/* For answers to come; left alone. */
	uint64_t reserved[2];
};

/*
 * Leases: how a policy fills a tier in another process, which knows nothing of our guard.  The empty item that a miss leaves is the
 * lease, and its version the token that says so.  All is said with verbs and modes from above; a handler that says REND_CAN_LEASE
 * keeps these promises:
 *
 *	get, REND_VIVIFY, REND_WANT_CAS, cas_new = a token of ours
 *			a hit, or an empty item with REND_WON or REND_SENT; in each case item.cas is its version.  REND_WON, and the
 *			handler can give versions: it is cas_new
 *	set, REND_IF_CAS, cas = the token
 *			OK: that very empty item was still there.  EXISTS: another is there, perhaps a newer empty one.  MISS: none is
 *	delete, REND_IF_CAS, cas = the token
 *			the same
 *
 * item.link: a backend that chooses versions itself begins to count again when it is started again, and a token could then be that
 * of another item.  So such a get says which connection brought it: a number that no other connection of this process ever has.  The
 * mutation that uses the token says it in ask.link, and is sent over that connection or not at all.  If that connection is gone, it is
 * answered NOT_STORED: what it was to depend on no longer holds, as with a guard, and nothing was sent.  That is not MISS: what the
 * backend has now, nobody has looked at.  item.link 0: the version is good over any connection, for such a handler gives the versions it
 * is told; a handler that always says 0 need not look at ask.link.
 */

struct rend_op;
struct rend_node;   /* one named block of rend.conf: ask it with rend_submit() */
struct rend_worker; /* the thread an op lives on: see worker.h */
struct rend_guard;  /* see guard.h */

typedef void rend_op_f(void *inst, struct rend_op *op);
typedef void rend_done_f(struct rend_op *op);

/*
 * Whoever makes an op sets verb, ask, item, done and up, submits it, and frees it.  In between it belongs to the
 * handler, which calls rend_done() once.  A verb that returns no value leaves item.value, item.flags and item.exptime
 * alone: a storing verb's caller still holds what it sent.
 *
 * What the handler fills in, with REND_OK:
 *   get                  flags, signs, link, and as far as wanted and known value, exptime, cas, size, last_access: have says which
 *   storing verbs        cas, and size if wanted
 *   incr, decr           number, cas, and exptime if wanted
 *   touch, delete, flush nothing
 * With any other status, nothing.
 */
struct rend_op {
	unsigned magic;
#define REND_OP_MAGIC 0x6f70a11eU
	uint8_t verb;	/* enum rend_verb */
	uint8_t status; /* enum rend_status, once it is done */
	uint8_t state;	/* the core's */
	uint8_t keylen;
	const char *key; /* keylen bytes, not NUL-terminated; valid until the handler calls rend_done() */
	uint64_t hash;	 /* of the key, the same in the whole process, unguessable outside */
	struct rend_ask ask;
	struct rend_item item;
	rend_done_f *done;		/* called on the op's worker, from its loop, if rend_submit() said false */
	void *up;			/* for whoever submits */
	struct rend_worker *worker;	/* home */
	struct rend_op *parent;		/* whose child this is; NULL: a client's */
	uint64_t born;			/* when it was submitted: monotonic ns, as rend_now() */
	uint64_t deadline;		/* when its submitter gives up: monotonic ns */
	const struct rend_guard *guard; /* NULL: none; see guard.h */
	void *link;			/* for queues of the handler that has it */
	uint64_t core[8];		/* the core's */
	/* rend_handler.scratch_size bytes for the handler that has it; not cleared. */
	char scratch[] __attribute__((aligned(16)));
};

/*
 * The hash that an op for this key has.  Of a process that goes on with another's memory it is the same as it was there, if the core has seen to
 * that; what was kept of hashes there is of no use else.  Any thread.
 */
REND_API uint64_t rend_hash(const void *key, size_t keylen);

/*
 * A child of parent: same key, same worker, no later deadline; ask and item are empty.  The caller owns it.  NULL: no
 * memory. On the parent's worker.
 */
REND_API struct rend_op *rend_op_child(struct rend_op *parent);

/*
 * The same for another key, of at most REND_KEY_MAX bytes, which is copied: for a handler that keeps one value under several keys of
 * another handler.  Since 1.1.
 */
REND_API struct rend_op *rend_op_child_key(struct rend_op *parent, const void *key, size_t keylen);

/*
 * Frees an op that is not in a handler's hands, and what its item owns; *opp becomes NULL.  An op whose done was called
 * with TIMEOUT may be freed too: its memory stays until the handler is finished with it.  On the op's worker.
 */
REND_API void rend_op_free(struct rend_op **opp);

/*
 * Asks a node.  true: it has answered already, op->status says what, and done is not called.  false: done will be
 * called, later, once, from the worker's loop, never from inside a function of a plugin.  On the op's worker.  A
 * finished op may be submitted again.
 *
 * Its submitter waits no longer than the node's time limit (rend_handler.limits) or the parent's deadline: then done is
 * called with TIMEOUT, and the submitter may do nothing with that op but free it.  A node with too many ops in flight
 * answers BUSY by itself.
 */
REND_API bool rend_submit(const struct rend_node *to, struct rend_op *op);

/*
 * The answer: once per submitted op, from any thread, at once or later.  The caller must not touch the op afterwards.
 * It runs nobody's code, so it is safe in the middle of a loop.  Answering twice ends the program and names the
 * handler.
 */
REND_API void rend_done(struct rend_op *op, enum rend_status status);

/*
 * Has its submitter given up, or will it in this turn, because its time is over or the worker ends?  A handler that has it waiting need not
 * begin: rend_done() is still owed.  On the op's worker.
 */
REND_API bool rend_op_given_up(const struct rend_op *op);

REND_END

#endif
