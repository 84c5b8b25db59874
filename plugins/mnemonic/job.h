/*
 * One op on its way.
 *
 *	get		readers: read ──► answer
 *	set		key's lock (perhaps later) ──► writer: write ──► answer, unlock
 *	the others	key's lock ──► readers: read, decide ──► writer: write ──► answer, unlock
 *
 * A job has all that it needs, so that an op whose worker ends can be answered while a thread waits for the disk.
 */
#ifndef MNEMONIC_JOB_H
#define MNEMONIC_JOB_H

#include "bin.h"
#include "keeper.h"
#include "keys.h"
#include "plan.h"
#include "readers.h"
#include "record.h"
#include "rend/plugin.h"
#include "rocks.h"
#include "sweeper.h"
#include "writer.h"

#define MNEMONIC_COUNTS(X)                                                                                    \
	X(batches, "Writes to RocksDB, each of one or more changes.")                                         \
	X(changes, "Changes that were written.")                                                              \
	X(multi_gets, "Reads of several keys at once.")                                                       \
	X(multi_keys, "Keys that were read so.")                                                              \
	X(refused_busy, "Changes that were not begun because too much waited for the writers.")               \
	X(refused_full, "Changes that were not made because `size` was used up; not with compaction = fifo.") \
	X(refused_failed, "Changes that were not kept because their bin had failed.")                         \
	X(check_errors, "Reads that found something else than what was written.")                             \
	X(read_errors, "Reads that failed.")                                                                  \
	X(write_errors, "Writes that failed.")                                                                \
	X(bins_reopened, "Bins that were open again with all that was answered, after a write had failed.")

/* Made once per block of rend.conf. */
struct mnemonic {
	unsigned magic;
#define MNEMONIC_MAGIC 0x3e4e301cU
	const struct mnemonic_conf *conf;
	struct plan plan;
	struct folder folder;
	struct versions versions;
	struct rocks_common *common;
	struct bin *bins;
	struct writer *writers;
	uint64_t *bytes; /* of each bin: of values in jobs that change something; atomic */
	struct readers readers;
	struct keeper keeper;
	struct sweeper sweeper;
	struct keys *keys;
	uint64_t live; /* jobs that there are; atomic */
	bool drained;
	bool lost;	  /* something could not be kept: the closer's, then who waited for it */
	bool open;	  /* it has its folder */
	bool numbered;	  /* and its versions */
	bool closes;	  /* by the closer */
	uint64_t closing; /* 1: it is at it; atomic */
	uint64_t noting;  /* 1: it is not noted yet which bins begin empty; atomic */
	unsigned emptied; /* then: how many do, */
	bool noted;	  /* and whether the next start knows */
	pthread_t closer;

	pthread_mutex_t lock;	    /* of what follows */
	struct instance *instances; /* all there ever were */

	/* Of what follows: a thread that the disk keeps may come back when the core has freed it. */
	pthread_rwlock_t counting;
	struct {
#define MNEMONIC_COUNT(name, doc) struct rend_counter *name;
		MNEMONIC_COUNTS(MNEMONIC_COUNT)
#undef MNEMONIC_COUNT
	} counters;
};

/* A worker's. */
struct instance {
	unsigned magic;
#define INSTANCE_MAGIC 0x3e4e1257U
	struct mnemonic *store;
	struct instance *next;
	struct job *gets, **gets_end; /* of this turn */

	pthread_mutex_t lock; /* of what follows, and of the jobs' ops */
	struct job *jobs;
};

enum change { NO_CHANGE, PUT, REMOVE };

struct job {
	unsigned magic;
#define JOB_MAGIC 0x3e4e0b0bU
	struct instance *inst;
	struct rend_op *op; /* NULL: it was answered already, because its worker ends */
	struct job *prev, *next, *queue_next;
	struct mnemonic *store;
	struct bin *bin;
	uint64_t khash;
	struct keys_turn turn;
	bool locked;
	uint64_t deadline; /* ns */
	uint64_t bytes;	   /* counted at its bin */

	/* The question. */
	uint8_t verb;
	uint8_t keylen;
	char key[RECORD_KEY_MAX]; /* in the database */
	struct rend_ask ask;
	struct rend_item item;

	/* What was found. */
	struct stamp stamp;
	bool there;
	bool damaged; /* there was something that cannot be read: it is removed, whatever the verb says */
	struct record found;
	struct rend_value old; /* as far as the verb wants it */
	uint64_t old_len;
	uint64_t old_pieces; /* how many, which go with it; 0: it is in one */

	/* What is to be done. */
	enum change change;
	struct record record;
	struct rend_value value;

	/* The answer. */
	enum rend_status status;
	struct rend_item answer;
};

/* Every op. */
void job_begin(void *inst, struct rend_op *op);

/* All that came in this turn. */
void job_flush(struct instance *inst);

/* The worker ends: its ops are answered. */
void job_end_all(struct instance *inst);

/* ---- other threads ---- */

/* It has its lock, if it needs one: to those who go on with it. */
void job_go_on(struct job *j);

/* Changes more than was thought: it gets a lock, and is then read again. */
void job_lock(struct job *j);

/* Nobody waits for it any more, so it need not be begun. */
bool job_is_late(const struct job *j);

/* Reads it, decides, and hands it on. */
void job_read(struct job *j, const struct rocks_found *found, const char *why);

/* Of memory that it holds. */
size_t job_bytes(const struct job *j);

/* The answer; the job is gone. */
void job_finish(struct job *j, enum rend_status status);

/* ---- verbs.c ---- */

/* Is it a plain set? */
bool verb_is_set(const struct job *j);

/* May this be done without a look at what is there? */
bool verb_is_blind(const struct job *j);

/* Does it change something, or may it? */
bool verb_changes(const struct rend_op *op);

/* Does it need the value? */
bool verb_wants_value(const struct job *j);

/* What was found is in the job, unless the verb is blind: fills in what is to be done, and what is answered if that works. */
enum rend_status verb_run(struct job *j);

/* It has to have the key's lock for that. */
#define VERB_LOCK ((enum rend_status)255)

/* ---- gauges.c ---- */

/* What the core shows of it.  In open(). */
void gauges_show(struct mnemonic *m, struct rend_node *self);

/* Any thread, for as long as the store is there. */
#define COUNT(m, name, n) gauges_count(m, &(m)->counters.name, n)
void gauges_count(struct mnemonic *m, struct rend_counter *const *counter, uint64_t n);

/* Nothing is counted any more. */
void gauges_end(struct mnemonic *m);

/* Bytes of memory; any thread. */
uint64_t gauges_memory(void *store);

#endif
