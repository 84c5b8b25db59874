/*
 * Broken: answers from a thread of its own, and goes on using the op when it has answered: it counts how long its
 * answers were, when it has the time for it.
 */
#include "rend/op.h"

struct small;
static void lingering_answer(struct small *s, struct rend_op *op, enum rend_status status);
static int lingering_start(struct small *s);
static void lingering_stop(struct small *s);
#define ANSWER	lingering_answer
#define OPENED	lingering_start
#define CLOSING lingering_stop
#define SCRATCH 1
#include "small.h"

static struct {
	pthread_mutex_t lock;
	pthread_cond_t more;
	pthread_t thread;
	struct rend_op *first, *last;
	bool stop;
} queue = { .lock = PTHREAD_MUTEX_INITIALIZER, .more = PTHREAD_COND_INITIALIZER };

static void
lingering_answer(struct small *s, struct rend_op *op, enum rend_status status)
{
	op->scratch[0] = (char)status;
	pthread_mutex_lock(&queue.lock);
	op->link = NULL;
	if (queue.first == NULL)
		queue.first = op;
	else
		queue.last->link = op;
	queue.last = op;
	pthread_cond_signal(&queue.more);
	pthread_mutex_unlock(&queue.lock);
}

static void *
lingering_run(void *arg)
{
	struct rend_op *op = NULL, *before;

	for (;;) {
		before = op;
		pthread_mutex_lock(&queue.lock);
		while (queue.first == NULL && !queue.stop)
			pthread_cond_wait(&queue.more, &queue.lock);
		op = queue.first;
		if (op != NULL)
			queue.first = op->link;
		pthread_mutex_unlock(&queue.lock);
		if (before != NULL)
			before->item.number += before->item.value.len + 1; /* it is somebody else's by now */
		if (op == NULL)
			return NULL;
		rend_done(op, (enum rend_status)op->scratch[0]);
	}
}

static int
lingering_start(struct small *s)
{
	queue.stop = false;
	return pthread_create(&queue.thread, NULL, lingering_run, NULL) == 0 ? 0 : -1;
}

static void
lingering_stop(struct small *s)
{
	pthread_mutex_lock(&queue.lock);
	queue.stop = true;
	pthread_cond_signal(&queue.more);
	pthread_mutex_unlock(&queue.lock);
	pthread_join(queue.thread, NULL);
}

SMALL();
