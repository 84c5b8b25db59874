/* Answers from another thread: see elsewhere.h. */
#include "elsewhere.h"

#include <pthread.h>
#include <stdlib.h>

struct elsewhere {
	pthread_t thread;
	pthread_mutex_t lock; /* guards the rest; rend_done() is called without it */
	pthread_cond_t work;
	struct rend_op *op;
	struct words_item found;
	enum rend_status status;
	bool stop;
};

static void *
elsewhere_main(void *arg)
{
	struct elsewhere *e = arg;

	pthread_mutex_lock(&e->lock);
	for (;;) {
		struct rend_op *op = e->op;
		struct words_item found = e->found;
		enum rend_status status = e->status;

		if (op == NULL && e->stop)
			break;
		if (op == NULL) {
			pthread_cond_wait(&e->work, &e->lock);
			continue;
		}
		e->op = NULL;
		pthread_mutex_unlock(&e->lock);
		words_answer(op, status, &found);
		pthread_mutex_lock(&e->lock);
	}
	pthread_mutex_unlock(&e->lock);
	return NULL;
}

struct elsewhere *
elsewhere_new(void)
{
	struct elsewhere *e = calloc(1, sizeof *e);

	if (e == NULL)
		return NULL;
	pthread_mutex_init(&e->lock, NULL);
	pthread_cond_init(&e->work, NULL);
	if (pthread_create(&e->thread, NULL, elsewhere_main, e) != 0) {
		free(e);
		return NULL;
	}
	return e;
}

void
elsewhere_free(struct elsewhere **ep)
{
	struct elsewhere *e = *ep;

	*ep = NULL;
	pthread_mutex_lock(&e->lock);
	e->stop = true;
	pthread_cond_signal(&e->work);
	pthread_mutex_unlock(&e->lock);
	pthread_join(e->thread, NULL);
	pthread_cond_destroy(&e->work);
	pthread_mutex_destroy(&e->lock);
	free(e);
}

void
elsewhere_give(struct elsewhere *e, struct rend_op *op, enum rend_status status, const struct words_item *found)
{
	pthread_mutex_lock(&e->lock);
	e->op = op;
	e->status = status;
	e->found = *found;
	pthread_cond_signal(&e->work);
	pthread_mutex_unlock(&e->lock);
}
