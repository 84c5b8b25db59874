/*
 * What a plugin tells the core about itself.  A plugin includes this header and nothing else of ours, and exports one
 * symbol, rend_plugin, which REND_PLUGIN() writes.  docs/plugins.md has a plugin in ten minutes; plugins/skeleton is
 * the one to copy.
 */
#ifndef REND_PLUGIN_H
#define REND_PLUGIN_H

#include "rend/check.h"
#include "rend/command.h"
#include "rend/flow.h"
#include "rend/guard.h"
#include "rend/handover.h"
#include "rend/log.h"
#include "rend/metrics.h"
#include "rend/op.h"
#include "rend/worker.h"

REND_BEGIN

/* ---- options: the plugin's part of rend.conf ---- */

enum rend_option_type {
	REND_BOOL,     /* bool			true, false */
	REND_INT,      /* int64_t		12 */
	REND_SIZE,     /* uint64_t, bytes	"64MiB", "1.5GiB", 4096 */
	REND_DURATION, /* uint64_t, ns		"250ms", "1.5s", "2min", "1h"; a bare 0 */
	REND_STRING,   /* const char *		"text" */
	REND_STRINGS,  /* struct rend_strings	[ "a", "b" ], or "a" for a single one */
	REND_CHOICE,   /* int, which of range	"lru" */
	REND_HANDLER,  /* const struct rend_node *	the name of a block under handlers */
	REND_NODE,     /* const struct rend_node *	the name of a block under handlers or policies */
};

struct rend_strings {
	size_t count;
	const char *const *strings;
};

/* One option.  From these rows come parsing, errors with file and line, `rend --describe`, and the tables in
 * docs/config.md. */
struct rend_option {
	const char *name;
	enum rend_option_type type;
	size_t at;	      /* where in the plugin's conf struct */
	const char *fallback; /* as one would write it between the quotes; NULL: must be given; "" for STRINGS: none */
	const char *doc;      /* one sentence */
	const char *range;    /* INT, SIZE, DURATION: "1..64", "1KiB..", "..1h"; CHOICE: "lru|fifo"; NULL: anything */
};

#define REND_OPTION(name, type, strct, field, fallback, range, doc)             \
	{                                                                       \
		name, type, offsetof(struct strct, field), fallback, doc, range \
	}

/* Says what is wrong; the core adds which file, line and block.  Returns -1. */
struct rend_error;
REND_API int rend_error(struct rend_error *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* A node's name in rend.conf; lives as long as the node.  Any thread. */
REND_API const char *rend_node_name(const struct rend_node *node);

/*
 * What the handler of a node promises, REND_CAN_*: its descriptor's and its block's; of a policy 0.  For the promises() of a node above, which can
 * promise no more than what it passes on to does.  Main thread, from promises() on.  Since 1.1.
 */
REND_API uint32_t rend_node_can(const struct rend_node *node);

/* Is it reachable, as far as this worker knows?  For the up() of a node above.  On w.  Since 1.1. */
REND_API bool rend_node_up(const struct rend_node *node, const struct rend_worker *w);

/*
 * Whose copy is asked first when this node is asked: of a policy with tables that is what its tier 0 leads to, or its tier 1 if that one
 * is bypassed; of another policy what its first option of type HANDLER or NODE leads to; a handler is its own.  Any thread, from the check() of a node above on.
 */
REND_API const struct rend_node *rend_node_l1(const struct rend_node *node);

/*
 * A thing that belongs to a node rather than to the one who made it, so that several who ask that node share it: the thing of that name, made
 * with make(arg) for the first who wants it, and freed with free() when the node is, after every node was closed.  Who changes what it is
 * changes its name.  NULL: no memory, or make() said so.  Main thread, in check() or open(); name must live as long as the process.
 */
REND_API void *rend_node_object(
    const struct rend_node *node, const char *name, void *(*make)(void *arg), void (*free)(void *object), void *arg);

/* ---- a handler: keeps things, or asks others that do ---- */

/* What a handler promises. */
enum {
	REND_CAN_GUARD = 1 << 0, /* asks rend_guard_holds() where guard.h says, and knows REND_ONLY_EARLIER */
	REND_CAN_LEASE = 1 << 1, /* keeps the promises about leases in op.h */
	/* An op holds locks that belong to the L1 beneath.  Of two such nodes over one L1, one above the other, each would wait for the other:
	 * that is refused. */
	REND_LOCKS_L1 = 1 << 2,
	/* Answers every get before its function returns.  A policy that asks it first then asks with the client's op itself. */
	REND_CAN_AT_ONCE = 1 << 3,
	/* What it keeps is gone when the process is, if it was not given to the next one: it begins empty, so nothing old is in it. */
	REND_FORGETS = 1 << 4,
	/*
	 * Of one block, as its options say (rend_handler.promises): nobody else stores or deletes there, not even another rend.  It asks
	 * rend_guard_holds() before it sends a mutation that uses a lease, and answers NOT_STORED if that says no.  Only beside REND_CAN_LEASE.
	 */
	REND_CAN_EXCLUDE = 1 << 5,
	/* Of one block, as its options say: what it cannot reach it answers MISS for, or asks another place about.  Who finds less here than there should
	 * be must not take the rest of it away: it may be there again in a moment.  Since 1.1. */
	REND_MISS_MAY_BE_AWAY = 1 << 6,
};

/* What one node lets in.  Zero means the core's default. */
struct rend_limits {
	uint64_t time;	/* ns until an op's submitter gives up; default 30 s */
	uint32_t queue; /* ops in flight per worker, those given up included; then BUSY; default 16,384 */
};

struct rend_handler {
	const char *name;
	const char *doc;		   /* one sentence */
	size_t conf_size;		   /* of the struct that options fill */
	const struct rend_option *options; /* ends with a row whose name is NULL; NULL: none */
	size_t scratch_size;		   /* bytes this handler uses in each op it holds; at most REND_SCRATCH_MAX */
	uint32_t can;			   /* REND_CAN_* */
	uint32_t
	    modes;   /* REND_VIVIFY, ...: those it knows beside REND_MODES_BASE; the core refuses the others for it */
	bool policy; /* stands under policies instead of handlers: it asks other nodes */

	/*
	 * Is this configuration one that open() could take?  Touches nothing outside the process: `rend -t` calls it,
	 * open() is for real starts only.  0 or -1 after rend_error().  Main thread; may be NULL.
	 */
	int (*check)(const void *conf, struct rend_error *err);

	/*
	 * Makes the store, once per block of rend.conf, before any worker has an instance of it; in a reload other nodes are asked
	 * meanwhile, and the main thread is then another one that does this alone.  Nodes named by options are open
	 * already.  conf lives until close() is over.  May block.  0 or -1 after rend_error().  Main thread; may be
	 * NULL: *store is conf then.
	 */
	int (*open)(void **store, const void *conf, struct rend_node *self, struct rend_error *err);

	/* Ends the store; every instance has been detached.  Main thread; may be NULL. */
	void (*close)(void *store);

	/* Makes one worker's view of the store.  0 or -1 after rend_error().  Worker's thread; may be NULL: *inst is
	 * store then. */
	int (*attach)(void **inst, void *store, struct rend_worker *worker, struct rend_error *err);

	/*
	 * Ends it.  Ops that it still has were given up by their submitters: it finishes them with rend_done() before it returns.
	 * No call may be posted to this worker on its behalf from then on: while the server runs such a call may still be carried out, at its
	 * end it is dropped.  Worker's thread; may be NULL.
	 */
	void (*detach)(void *inst);

	/* Sets what differs from the defaults in *limits.  Main thread; may be NULL. */
	void (*limits)(const void *conf, struct rend_limits *limits);

	/* on[verb], else any, else UNSUPPORTED.  Worker's thread; must not block; rend_done() now or later. */
	rend_op_f *on[REND_VERB_SLOTS];
	rend_op_f *any;

	/* No more ops this turn: send what was queued.  Called in each turn in which this instance got an op.  Worker's
	 * thread; may be NULL. */
	void (*flush)(void *inst);

	/*
	 * Ops for the keys with these hashes are about to come, so what finding them will look at may be fetched into the cache, for all of
	 * them at once.  Only a hint: it changes nothing that anybody could see, whatever the hashes are; an op need not come after it, and need
	 * not be announced.  Called with at most REND_PREFETCH_MAX of the requests that arrived together, not for one alone; also for those
	 * to a policy over this node, if it is the one that is asked first.  Worker's thread; may be NULL.
	 */
	void (*prefetch)(void *inst, const uint64_t *hashes, size_t count);

	/* About once a second.  Worker's thread; may be NULL. */
	void (*tick)(void *inst);

	/* Reachable, as far as one knows?  Policies ask, and a watcher a few times a second.  Worker's thread; NULL: always. */
	bool (*up)(void *inst);

	/*
	 * The nth thing that no two stores may have at once, such as the path of a file: two blocks that claim the same are refused when rend.conf
	 * is read.  NULL: no more; at most 64 are asked for.  The string may lie in conf, which lives until close(), or be static; it is
	 * compared byte by byte.  Touches nothing outside the process.  Main thread, after check(); may be NULL: it has nothing of the kind.
	 */
	const char *(*claims)(const void *conf, unsigned nth);

	/*
	 * Bytes of memory that the store holds: what it took from the system or keeps from others, its overhead included; not what an op in its hands
	 * holds.  rend_node_memory_bytes says it.  Must not block.  Any thread, at any time between open() and close(); may be NULL: nobody knows.
	 */
	uint64_t (*memory)(void *store);

	/*
	 * Brings to where it lasts what is only in memory yet: close() comes next, and need not wait for anything.  Every instance has been
	 * detached.  It comes back by `deadline` (monotonic ns, as rend_now()), whatever it has done by then: with 0, or -1 after rend_error()
	 * saying what is lost, which is logged.  Main thread, once per open(); may be NULL.
	 */
	int (*drain)(void *store, uint64_t deadline, struct rend_error *err);

	/* What this block promises beside `can`: any REND_CAN_* but REND_CAN_AT_ONCE.  Main thread, before open(); may be NULL. */
	uint32_t (*promises)(const void *conf);

	/*
	 * Memory for a value that is on its way, so that it need not be copied when it is stored: the first 64 KiB of a set, add or replace of
	 * `size` bytes have come, at least as much again is to come, and all that stands between the client and this store only passes it on.
	 * The store may add to *body, which is empty, pieces that have `size` bytes together, whose memory it leaves alone from then on; or
	 * nothing, and the core finds memory itself.  The core writes into the pieces as bytes come, then submits the op with *body as its
	 * value: the store knows its own buffers by their release function, and may keep the value as it lies.  If the client leaves, or the
	 * op is not asked in the end, the pieces are dropped, and so given back: there is no other way to cancel.  Nobody has sent those
	 * bytes yet: it counts what it gives away against its own bound, and gives nothing where that would be too much.  The core asks for no
	 * more while 64 MiB that were given on a worker have not come, but for one value.  Worker's thread; must not block; may be NULL.
	 */
	void (*reserve)(void *inst, uint64_t hash, size_t size, struct rend_value *body);

	/* ---- The core does not call this one yet.  Until it does, what stands here may change (docs/plugins.md). ---- */

	/*
	 * Options of the block changed while the store is to go on: a node whose plugin and options are the same is kept, with its instances,
	 * when rend.conf is read anew, and is told nothing.  It takes over what may change at run time; workers and their ops are not stopped.
	 * Both confs live until close().  0, or -1 after rend_error(), with nothing changed: "needs a restart" where the store has claims, else a
	 * new store is opened beside it.  Main thread; may be NULL: as -1.
	 */
	int (*change)(void *store, const void *conf, struct rend_error *err);

	/* ---- What a person can tell it (command.h); ends with a row whose name is NULL; NULL: nothing. ---- */
	const struct rend_command *commands;

	/* ---- An upgrade: docs/upgrade.md.  What is the main thread's here is another one's that does this alone, as in a reload. ---- */

	/*
	 * Gives up what it claims, so that another process may take it: writes what must last, closes files, lets go of locks, by `deadline`
	 * (monotonic ns).  No op is in its hands, and until reopen() or close() none comes: the core answers DOWN by itself, which says that
	 * nothing was changed; tick() and flush() are not called meanwhile.  0, or -1 after rend_error(): it still has everything, and ops come
	 * again.  Main thread; may be NULL: it has nothing to give up.
	 */
	int (*release)(void *store, uint64_t deadline, struct rend_error *err);

	/* Takes it again, after a release() that was for nothing.  0, or -1 after rend_error(): the node stays away, and is asked to reopen again once
	 * a second.  Main thread; NULL only if release is. */
	int (*reopen)(void *store, struct rend_error *err);

	/*
	 * Fills in what the next process is to have (handover.h).  No op is in its hands, and none comes until keep() or close(); nor does
	 * tick(), flush(), reserve(), prefetch() or attach(), on any worker, and no metric of it is read while keep() runs.  The
	 * descriptors stay its own; the core sends copies.  From here on it changes nothing of what they lead to: what close() frees is this
	 * process's view alone.  Values that clients still have yet to be sent stay readable.  0, or -1 after rend_error(): the next one begins
	 * empty.  Must not block.  Main thread; may be NULL: as -1.
	 */
	int (*give)(void *store, struct rend_parcel *parcel, struct rend_error *err);

	/* The next process did not come up, and has ended: what was given is its own again, as it was at give(), or else empty, and ops come.  Main
	 * thread; NULL only if give is. */
	void (*keep)(void *store);

	/*
	 * open(), with what another process gave.  The descriptors are its own if it says 0; else the core closes them.  -1 after
	 * rend_error() refuses it: another layout, another size, a note that is not believed.  Nothing is left behind then, and open() is called
	 * as if there had been no parcel.  Main thread; may be NULL: as -1.
	 */
	int (*take)(void **store, const void *conf, struct rend_node *self, const struct rend_parcel *parcel,
	    struct rend_error *err);

	/* ---- Since 1.1 ---- */

	/*
	 * How many parts it has, if they can be away one by one, as servers can.  A key is always of the same one.  What could not be deleted from
	 * one that is away does then not let the copies in the others be doubted.  Main thread, after check(); NULL: one.
	 */
	uint32_t (*parts)(const void *conf);

	/* Of which part this op's key is, 0 .. parts() - 1.  Worker's thread; must not block; NULL only if parts is. */
	uint32_t (*part)(void *inst, const struct rend_op *op);

	/*
	 * Reachable, as far as one knows, for this very op: up(), of all that it needs and nothing else.  A flush_all needs every part, with
	 * REND_ONLY_PART that one.  The op is another's: of it verb, key, hash and ask may be read.  Worker's thread; must not block; NULL: as up().
	 */
	bool (*reaches)(void *inst, const struct rend_op *op);
};

#define REND_SCRATCH_MAX  512 /* bytes */
#define REND_PREFETCH_MAX 16

/* ---- the one symbol a plugin exports ---- */

/*
 * The rule for numbers: what is added where docs/plugins.md allows it is a new minor, anything else a new major.  A plugin is loaded by every
 * rend of its major whose minor is not lower.
 *
 * History
 *	1.0	the first that is promised
 *	1.1	rend_hash().  rend_counter_read(), rend_counter_step() and rend_counter_print().  rend_op_child_key(), rend_node_can(), rend_node_up(): a handler over another one that asks for other keys; promises() may
 *		say all that `can` may.  REND_WANT_UNDER_WAY, for handlers in which a write takes several steps.  rend_handler.parts, part, reaches and REND_ONLY_PART, for
 *		handlers of which a part may be away.  REND_MISS_MAY_BE_AWAY
 */
#define REND_ABI_MAGIC 0x72656e64U
#define REND_ABI_MAJOR 1
#define REND_ABI_MINOR 1

struct rend_plugin {
	uint32_t magic;
	uint16_t abi_major, abi_minor;
	/* of the structs as the plugin was compiled */
	uint32_t plugin_size, handler_size, policy_size, op_size;
	uint32_t option_size, walk_size, step_size, command_size; /* of a row of each table */
	const char *version;					  /* the plugin's own */
	const char *build;					  /* the compiler; for the log */
	const struct rend_handler *handler;			  /* one of these two */
	const struct rend_policy *policy;
};

typedef const struct rend_plugin *rend_plugin_f(void);

/* REND_PLUGIN(.version = "1.0", .handler = &mine) at the end of a plugin's source. */
#define REND_PLUGIN(...)                                                          \
	REND_API const struct rend_plugin *rend_plugin(void);                     \
	REND_API const struct rend_plugin *rend_plugin(void)                      \
	{                                                                         \
		static const struct rend_plugin self = { .magic = REND_ABI_MAGIC, \
			.abi_major = REND_ABI_MAJOR,                              \
			.abi_minor = REND_ABI_MINOR,                              \
			.plugin_size = sizeof(struct rend_plugin),                \
			.handler_size = sizeof(struct rend_handler),              \
			.policy_size = sizeof(struct rend_policy),                \
			.op_size = sizeof(struct rend_op),                        \
			.option_size = sizeof(struct rend_option),                \
			.walk_size = sizeof(struct rend_walk),                    \
			.step_size = sizeof(struct rend_step),                    \
			.command_size = sizeof(struct rend_command),              \
			.build = __VERSION__,                                     \
			__VA_ARGS__ };                                            \
		return &self;                                                     \
	}                                                                         \
	struct rend_plugin_ends_with_a_semicolon

REND_END

#endif
