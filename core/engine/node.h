/* A node: one named block of rend.conf, as the whole process sees it (its store) and as each worker sees it (its
 * instances). */
#ifndef ENGINE_NODE_H
#define ENGINE_NODE_H

#include "base/error.h"
#include "base/histogram.h"
#include "base/list.h"
#include "engine/plugin_load.h"
#include "rend/plugin.h"

struct bypass;
struct generation;
struct guard;
struct holds;
struct join;
struct metric;
struct object;
struct repair;

/* What one worker counts at one node; relaxed atomics, written by that worker only. */
struct node_counts {
	uint64_t ended[REND_VERB_COUNT][REND_STATUS_COUNT];
	struct histogram latency; /* submit to done, ns, by the loop's clock */
	uint64_t late;		  /* given up at their deadline */
	uint64_t refused;	  /* BUSY: too many in flight */
	uint64_t joined;	  /* shared the answer to another op */
};

/* A node on one worker. */
struct instance {
	const struct rend_node *node;
	struct rend_worker *worker;
	void *self;	      /* what attach() made */
	struct list pending;  /* ops in the handler's hands, by deadline */
	uint32_t in_flight;   /* those, and the late ones */
	struct link touched;  /* got an op this turn */
	struct link attached; /* in worker.instances */
	struct join *join;    /* of tier 0 of somebody: reads that others may join; made when first needed */
	struct node_counts *counts;
	bool up; /* was it reachable when it was last looked?  Relaxed atomic */
};

#define NODE_WORKERS_MAX 128

struct rend_node {
	unsigned magic;
#define NODE_MAGIC 0x40de40deU
	char *name;
	struct plugin *plugin;
	void *conf; /* the plugin's conf struct; the node frees it, through free_conf */
	void (*free_conf)(void *conf);
	void *store;
	struct rend_limits limits;
	bool opened;
	uint64_t id;			/* no other node has it, or had it */
	const struct generation *owner; /* who opens and closes it: see generation.h */
	bool reached;			/* clients come to it: a listener leads here */
	/* pairs.c's: the l2 whose copies it has; that l2 was written without it; it was written without that l2; it is asked as its l1 now */
	uint64_t copies_of;
	bool outdated, alone, paired;
	uint32_t modes;			/* those an op may have here; the others are UNSUPPORTED */
	rend_op_f *on[REND_VERB_SLOTS]; /* what a submit calls; never NULL once it is open */
	const struct rend_node *hinted; /* whose prefetch() is told of ops to come; NULL: nobody's */
	/* a policy with tables */
	const struct rend_walk *walks; /* NULL: a handler */
	const struct rend_node *tiers[REND_TIERS_MAX];
	int tier_count;
	const struct rend_node
	    *passes[REND_VERB_SLOTS];	/* who answers for it when a walk is nothing but one plain row */
	const struct rend_node *glance; /* who is asked first in a get, with the client's op itself; NULL: nobody */
	uint32_t glance_modes;		/* if it has no other modes */
	struct row_counts *rows;	/* per worker, verb and row: flow.c's */
	/* of the node that is tier 0 of somebody with guarded walks; made when first needed, maybe while workers run: read them with
	 * node_guard() and so on */
	struct guard *guard;
	struct holds *holds;
	uint64_t unknown_hold; /* ns; 0: the default */
	struct repair *repair; /* the same, of an L1 in another process */
	/* what rend.conf says of a policy of two tiers */
	int bypassed;	       /* 1 + the tier that is not asked; 0: none */
	bool trust_l2;	       /* when it is asked again, it holds nothing old */
	struct bypass *bypass; /* bypass.c's */
	bool idle;	       /* nobody asks it, because all bypass it: it is not opened */
	/* parcels.c's: it could be another process's now, and is not asked (atomic); it has given what it has; what the process before left for
	 * it, which is another's, or NULL */
	bool given, gave;
	bool released; /* it has given up what it claims */
	bool in_use;   /* a command of it did not come back: nobody detaches, drains, closes or frees it */
	bool away;     /* relaxed atomic; and has not got it back: it is asked to reopen again, once a second */
	struct rend_parcel *parcel;
	struct metric *metrics; /* what the plugin registered */
	struct object *objects; /* what plugins left with it */
	struct object *kept;	/* of these the first that does not go with a generation that is refused */
	struct instance *instances[NODE_WORKERS_MAX];
	struct instance *detached[NODE_WORKERS_MAX]; /* are freed with it: a watcher may look at one yet */
};

static inline struct guard *
node_guard(const struct rend_node *n)
{
	return __atomic_load_n(&n->guard, __ATOMIC_ACQUIRE);
}

/* parcels.c's: it is not asked then, since it could be another process's.  Any thread. */
static inline bool
node_is_given(const struct rend_node *n)
{
	return __atomic_load_n(&n->given, __ATOMIC_ACQUIRE);
}

static inline struct holds *
node_holds(const struct rend_node *n)
{
	return __atomic_load_n(&n->holds, __ATOMIC_ACQUIRE);
}

static inline struct repair *
node_repair(const struct rend_node *n)
{
	return __atomic_load_n(&n->repair, __ATOMIC_ACQUIRE);
}

/*
 * A node that is not open yet.  It takes over conf; free_conf(conf) is called when it is freed (NULL: nothing to free).
 * NULL: no memory. Main thread.
 */
struct rend_node *node_new(const char *name, struct plugin *plugin, void *conf, void (*free_conf)(void *));

/*
 * For a policy: picks its tables (tiers must be set) and checks them.  For any node: the plugin's check().  Opens
 * nothing. 0, or -1 with the reason.  Main thread.
 */
int node_check(struct rend_node *n, struct rend_error *err);

/* Does a table of this policy have a guard?  A handler's node: no.  Any thread, after node_check(). */
bool node_guards(const struct rend_node *n);

/* Does a table of this policy leave copies in tier 0: has it a guard, or leases?  The same. */
bool node_copies(const struct rend_node *n);

/* What its plugin can, and what this block promises beside.  Main thread, when its options are set. */
uint32_t node_can(const struct rend_node *n);

/* open(), limits; nothing of one that is idle.  0, or -1 with the reason.  Main thread. */
int node_open(struct rend_node *n, struct rend_error *err);

/* Ops go to fn from now on; or to the plugin (NULL), to which all that was done before is there then.  A handler's node. */
void node_ask(struct rend_node *n, rend_op_f *fn);

/* May it be open in two processes at once, and before any other node of its graph?  Main thread, after node_check(). */
bool node_opens_beside(const struct rend_node *n);

/* drain(), of a node that is open; what is lost is logged.  Main thread; every instance is detached. */
void node_drain(struct rend_node *n, uint64_t deadline);

/* Bytes that its store holds.  false: nobody knows.  Any thread, while it is open. */
bool node_memory(const struct rend_node *n, uint64_t *bytes);

/* Into how many parts its keys fall that can be away one by one; at least 1.  Main thread, after node_check(). */
uint32_t node_parts(const struct rend_node *n);

/* The nth thing that this node alone may have, or NULL.  Main thread, after node_check(). */
#define NODE_CLAIMS_MAX 64
const char *node_claim(const struct rend_node *n, unsigned nth);

/* close().  Main thread; every instance is detached. */
void node_close(struct rend_node *n);
void node_free(struct rend_node **np);

/* Makes the instance of this worker; an idle node has none.  0, or -1 with the reason.  On the worker. */
int node_attach(struct rend_node *n, struct rend_worker *w, struct rend_error *err);

/* true, or false: its plugin kept ops that were given up, and they keep the instance.  On the worker. */
bool node_detach(struct rend_node *n, struct rend_worker *w);

/* Tells the one who is asked first which ops are to come, 1 to REND_PREFETCH_MAX of them; n->hinted is not NULL.  On w. */
void node_prefetch(const struct rend_node *n, struct rend_worker *w, const uint64_t *hashes, size_t count);

/*
 * Asks the store that an op to this node would end in, if all on the way only pass it on, for memory for a value of so many bytes that is on its
 * way.  true: *body has just as many, and whoever fills them counts those that have not come in worker.reserved; false: it is empty.  On
 * the op's worker.
 */
bool node_reserve(const struct rend_node *to, const struct rend_op *op, size_t size, struct rend_value *body);

/* flush(), tick() of an instance. */
void instance_flush(struct instance *in);
void instance_tick(struct instance *in);

/* Does anybody wait for the next tick? */
bool instance_ticks(const struct instance *in);

/* Is the node reachable, as far as this worker's instance knows? */
bool instance_up(const struct instance *in);

/* Of which part this op's key is; is what this op needs of the node reachable, as far as this instance knows? */
uint32_t instance_part(const struct instance *in, const struct rend_op *op);
bool instance_reaches(const struct instance *in, const struct rend_op *op);

/* Asks the plugin, and keeps the answer for node_reached().  On the worker. */
void instance_look(struct instance *in);

/* How many of its instances were reachable when they were last looked at, and how many there are.  Any thread. */
int node_reached(const struct rend_node *n, int *of);

/* Can it answer at all?  A handler: some worker reaches it.  A policy: one of its tiers can.  Any thread. */
bool node_up(const struct rend_node *n);

/* Adds up one number over the workers. */
uint64_t node_ended(const struct rend_node *n, unsigned verb, unsigned status);
void node_latency(const struct rend_node *n, struct histogram *sum);
uint64_t node_in_flight(const struct rend_node *n);
uint64_t node_late(const struct rend_node *n);
uint64_t node_refused(const struct rend_node *n);
uint64_t node_joined(const struct rend_node *n);

#endif
