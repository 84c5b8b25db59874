/* The thread a plugin finds itself on. */
#ifndef REND_WORKER_H
#define REND_WORKER_H

#include "rend/op.h"

REND_BEGIN

struct event_base; /* libevent's */

/* 0 .. rend_worker_count() - 1.  Any thread. */
REND_API int rend_worker_index(const struct rend_worker *w);

/* How many workers there are; fixed before the first open().  Any thread. */
REND_API int rend_worker_count(void);

/* The worker's libevent base, for a plugin with sockets of its own.  Events are added and run on that worker only. */
REND_API struct event_base *rend_worker_base(struct rend_worker *w);

/*
 * Bytes of the longest value that a client may store: item_size_max of rend.conf.  What comes from a client is no longer; a handler
 * answers TOO_BIG to what would grow beyond it by append or prepend.  Fixed before the first open().  Any thread.
 */
REND_API uint64_t rend_item_size_max(void);

/*
 * Monotonic nanoseconds.  On a worker: as of the beginning of this turn of its loop, so it costs nothing and does not move while a
 * function runs.  On another thread: now.
 */
REND_API uint64_t rend_now(void);

/* Unix seconds, on the same terms.  Never goes back within a process; what exptime is compared with. */
REND_API int64_t rend_wall(void);

/* Has this exptime passed?  0 never has. */
static inline bool
rend_expired(int64_t exptime, int64_t wall)
{
	return exptime != 0 && exptime <= wall;
}

/* The earlier of two exptimes; 0, which is never, is later than any. */
static inline int64_t
rend_earlier(int64_t a, int64_t b)
{
	return a == 0 || (b != 0 && b < a) ? b : a;
}

/* A call to make on another thread.  Embed it in what the call is about; all-zero but for fn. */
struct rend_call {
	void (*fn)(struct rend_call *call);
	struct rend_call *next; /* the core's */
};

/*
 * Runs call->fn(call) on w's thread, in a later turn of its loop.  The call is the core's until then.  Calls posted by one thread run
 * in their order.  Any thread.  Never fails.
 */
REND_API void rend_post(struct rend_worker *w, struct rend_call *call);

/*
 * Runs work(op) on a disk thread and finishes op with what it returns: for calls that block.  The handler that has the op calls it
 * instead of rend_done().  When too much is waiting, the op ends with BUSY and work is not called.
 */
typedef enum rend_status rend_work_f(struct rend_op *op);
REND_API void rend_offload(struct rend_op *op, rend_work_f *work);

REND_END

#endif
