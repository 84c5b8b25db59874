/*
 * What a plugin tells the core about itself.  A plugin includes this header and nothing else of ours, and exports one
 * symbol, rend_plugin, which REND_PLUGIN() writes.  docs/plugins.md has a plugin in ten minutes; plugins/skeleton is
 * the one to copy.
 */
#ifndef REND_PLUGIN_H
#define REND_PLUGIN_H

#include "rend/check.h"
#include "rend/flow.h"
#include "rend/guard.h"
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
	REND_STRINGS,  /* struct rend_strings	[ "a", "b" ] */
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
 * Whose copy is asked first when this node is asked: of a policy with tables that is what its tier 0 leads to, of another policy what its
 * first option of type HANDLER or NODE leads to; a handler is its own.  Any thread, from the check() of a node above on.
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
	/*
	 * Of one block, as its options say (rend_handler.promises): nobody else stores or deletes there, not even another rend.  It asks
	 * rend_guard_holds() before it sends a mutation that uses a lease, and answers NOT_STORED if that says no.  Only beside REND_CAN_LEASE.
	 */
	REND_CAN_EXCLUDE = 1 << 3,
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
	 * Makes the store, once per block of rend.conf, before any worker runs.  Nodes named by options are open
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
	 * A call that is posted to this worker on its behalf afterwards is dropped, and has to be there until close().  Worker's thread; may
	 * be NULL.
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

	/* About once a second.  Worker's thread; may be NULL. */
	void (*tick)(void *inst);

	/* Reachable, as far as one knows?  Policies ask, and a watcher a few times a second.  Worker's thread; NULL: always. */
	bool (*up)(void *inst);

	/* What this block promises beside `can`: REND_CAN_EXCLUDE.  Main thread, before open(); may be NULL. */
	uint32_t (*promises)(const void *conf);
};

#define REND_SCRATCH_MAX 512 /* bytes */

/* ---- the one symbol a plugin exports ---- */

/*
 * The rule for numbers: while major is 0, minor must be equal.  From 1.0 on: added at the end is a new minor, anything
 * else a new major.
 *
 * History
 *	0.1	ops, values, options, handlers, policies as tables, guard, metrics
 *	0.2	vivify, recache, invalidate and what else meta commands ask for; rend_handler.modes
 *	0.3	leases: rend_ask.link, rend_item.link, REND_CAN_LEASE
 *	0.4	what belongs to a node, and is shared by those over it: rend_node_l1(), rend_node_object(), REND_LOCKS_L1; rend_op_given_up()
 *	0.5	what l1l2 needs: touch with REND_ONLY_EARLIER, rows with asks of their own, rows that join, REND_REPLY_MISS, rend_flow.until;
 *		rend_ambiguous(), rend_earlier()
 *	0.6	an L1 in another process: rows with leases and repair, rows behind a shared answer, REND_REPLY_OPEN, rend_flow_doubt(),
 *		rend_policy.check, rend_handler.promises
 */
#define REND_ABI_MAGIC 0x72656e64U
#define REND_ABI_MAJOR 0
#define REND_ABI_MINOR 6

struct rend_plugin {
	uint32_t magic;
	uint16_t abi_major, abi_minor;
	uint32_t plugin_size, handler_size, policy_size, op_size; /* of the structs as the plugin was compiled */
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
			.build = __VERSION__,                                     \
			__VA_ARGS__ };                                            \
		return &self;                                                     \
	}                                                                         \
	struct rend_plugin_ends_with_a_semicolon

REND_END

#endif
