/* What the parts of the simulator share. */
#ifndef SSD_SIM_STATE_H
#define SSD_SIM_STATE_H

#include <errno.h>
#include <pthread.h>

#include "back.h"
#include "sim.h"
#include "sim_disk.h"
#include "sim_faults.h"

/* A request that is at the disk. */
struct entry {
	struct io_request *r;
	uint64_t mark; /* what had been done when a sync began */
	bool hangs;    /* until sim_release() */
	bool chosen;   /* by sim_complete() */
};

struct sim_queue {
	struct io_queue q;
	struct sim_queue *next;
	unsigned count;
	struct entry entries[]; /* oldest first; as many as its depth */
};

struct sim_file {
	struct io_file f;
	struct sim_inode *inode;
};

struct sim {
	struct io io;
	pthread_mutex_t lock; /* guards everything below */
	struct sim_random random;
	struct sim_disk disk;
	struct sim_faults faults;
	struct sim_queue *queues;
	enum sim_order order;
	uint64_t now, operations, stop_at, took_effect;
	uint64_t *clock; /* its own, or another's */
	uint32_t boot, grain;
	bool stopped, gone;
	sim_watch_f *watch;
	void *watch_arg;
};

/* The lock, taken and given back. */
struct sim *sim_enter(struct io *io);
void sim_leave(struct sim *s);

/* What an operation does to which file; enough to carry it out in part. */
struct operation {
	int kind; /* enum io_kind, or -1 */
	struct sim_inode *inode;
	void *data;
	size_t length;
	uint64_t offset;
};

#define HANGS (-EINPROGRESS)

/* Before an operation, without the lock: whoever wants to see the disk as it is then. */
void sim_look(struct io *io);

/*
 * The next operation comes.  0: it is to be carried out, with op changed as faults have it; -errno: it ended so; HANGS: not yet.  *flip is the
 * bit of its data to turn, or UINT64_MAX; *lost: it only says that it was.  The lock is held.
 */
int sim_come(struct sim *s, struct operation *op, uint64_t *flip, bool *lost);

/* Lets one that a request can be come, and carries it out; mark: of a sync.  The lock is held. */
int64_t sim_carry_out(struct sim *s, struct operation op, uint64_t mark);

/* What a request is, or what is left of it.  op->data is to be freed.  0 or -ENOMEM. */
int sim_prepare(const struct io_request *r, struct operation *op);

/* Requests: what struct io_ops wants. */
int sim_queue_new(struct io *io, uint32_t depth, struct io_queue **queue);
void sim_queue_free(struct io_queue *queue);
bool sim_start(struct io_queue *queue, struct io_request *r);
void sim_flush(struct io_queue *queue);
void sim_reap(struct io_queue *queue);
void sim_wait(struct io_queue *queue, uint64_t ns);
void sim_cancel(struct io_queue *queue, struct io_request *r);

#endif
