/*
 * One op on its way, in the op's scratch.
 *
 *	get		fetch ──► answer
 *	all others	key's lock (perhaps later) ──► fetch, unless it is a plain set ──► decide ──► change ──► (commit.h) ──► unlock, answer
 *									                └─ large: tearer.h ─┘
 */
#ifndef SSD_JOB_H
#define SSD_JOB_H

#include "breaker.h"
#include "commit.h"
#include "fetch.h"
#include "keeper.h"
#include "probe.h"
#include "rend/plugin.h"
#include "tearer.h"

/* Made once per block of rend.conf. */
struct ssd {
	unsigned magic;
#define SSD_MAGIC 0x55d0d15cU
	struct disk { /* of each path */
		struct io *io;
		struct breaker *breaker;
		char *path; /* conf's, absolute: in the background rend leaves the folder where it was started */
		bool told_down, told_out; /* to people */
	} disks[STORE_PATHS_MOST];
	unsigned disk_count;
	struct store *store;
	struct buffers *buffers;
	struct keeper keeper;
	struct tearer tearer;
	const struct ssd_conf *conf;
	bool stuck; /* the disk has not let go of memory: it stays */
	bool left;  /* it was written, or given up, for the next start */

	pthread_mutex_t lock;	    /* of what follows */
	struct instance *instances; /* all there ever were: a call may be on its way to one */
	struct store_counts told;   /* to the counters */
	struct {
#define STORE_COUNT(name, doc) struct rend_counter *name;
		STORE_COUNTS(STORE_COUNT)
#undef STORE_COUNT
	} counters;
};

/* A worker's. */
struct instance {
	unsigned magic;
#define INSTANCE_MAGIC 0x55d1257aU
	struct ssd *ssd;
	struct instance *next;
	struct rend_worker *worker;
	struct fetcher fetcher;
	struct probe probe;
	struct job *jobs; /* that wait for a lock */
	bool ends;

	/* Jobs that got their lock from another thread. */
	pthread_mutex_t lock;
	struct job *granted, **granted_end;
	bool called, gone;
	struct rend_call call;

	struct commits commits;
};

struct job {
	unsigned magic;
#define JOB_MAGIC 0x55d10b0bU
	struct instance *inst;
	struct rend_op *op;
	struct fetch fetch;
	struct keys_turn turn;
	struct job *next, *prev; /* of those that wait */
	struct job *granted_next;
	uint64_t flushes; /* store_flushes() before it was looked for */
	bool locked;
	bool changed; /* there is something that a crash must not take back, if that is asked for */
	struct commit commit;
};

/* Every op. */
void job_begin(void *inst, struct rend_op *op);

/* Those that were granted their lock go on. */
void job_granted(struct rend_call *call);

/* The worker ends: whoever waits for a lock is answered.  Its reads have ended. */
void job_end_all(struct instance *inst);

/* ---- gauges.c ---- */

/* What the core shows of it.  In open(). */
void gauges_show(struct ssd *d, struct rend_node *self);

/* Once a second or so, any thread: what was counted, and in the log what has become of the disks. */
void gauges_tell(struct ssd *d);

/* What the store has; nothing while it is let go of, for another process. */
void gauges_sizes(const struct ssd *d, struct store_sizes *sizes);

/* So many disks are not asked. */
unsigned gauges_down(const struct ssd *d);

/* ---- verbs.c ---- */

/* May this op be answered without a look at what is there? */
bool verb_is_blind(const struct rend_op *op);

/* Does it need the value? */
bool verb_wants_value(const struct rend_op *op);

/*
 * What was found is in j->fetch, unless the verb is blind.  With the key's lock, if it changes anything.  VERB_LATER: the tearer has it, and
 * it may have been answered already.
 */
enum rend_status verb_run(struct job *j);
#define VERB_LATER ((enum rend_status)255)

/* A flush_all came in between: nothing is there now (j->fetch says so), and the verb is to be asked once more. */
#define VERB_AGAIN ((enum rend_status)254)

/* It has ended like this, with a value of so many bytes. */
enum rend_status verb_stored(struct job *j, enum stored stored, uint64_t cas, uint64_t len);

#endif
