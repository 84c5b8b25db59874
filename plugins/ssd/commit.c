/* Answers that wait for the disk: see commit.h. */
#include "commit.h"

#include <event2/event.h>

#include "job.h"

#define NS_PER_S  1000000000ULL
#define NS_PER_US 1000ULL

/* The lock is held.  Another thread has told the worker, or does so now. */
static void
tell(struct commits *c)
{
	if (!c->told)
		rend_post(c->inst->worker, &c->call);
	c->told = true;
}

/* How it ends by now.  true: it does. */
static bool
is_over(const struct store *s, const struct commit *c, uint64_t now, enum rend_status *status)
{
	/* Read first: what is given up in a flush is so before the flush is over. */
	bool committed = store_committed(s) >= c->flush;

	*status = c->status;
	/* What was given up is not there, whatever was flushed since. */
	if (store_given_up(s) != c->given_up)
		*status = REND_IO;
	else if (!committed)
		*status = REND_TIMEOUT;
	return *status != REND_TIMEOUT || now >= c->until;
}

/* The first one, if it is over.  Else, when that is going to be for want of time, the timer says. */
static struct job *
take_over(struct commits *c, enum rend_status *status)
{
	uint64_t now = rend_now();
	struct timeval tv;
	struct job *j;
	bool over;

	pthread_mutex_lock(&c->lock);
	j = c->first;
	over = j != NULL && is_over(c->inst->ssd->store, &j->commit, now, status);
	if (over) {
		c->first = j->commit.next;
		if (c->first == NULL)
			c->end = &c->first;
	}
	pthread_mutex_unlock(&c->lock);
	if (over)
		return j;
	if (j == NULL) {
		evtimer_del(c->timer);
	} else {
		uint64_t left = j->commit.until - now;

		tv = (struct timeval){ .tv_sec = (time_t)(left / NS_PER_S),
			.tv_usec = (suseconds_t)(left % NS_PER_S / NS_PER_US) + 1 };
		evtimer_add(c->timer, &tv);
	}
	return NULL;
}

static void
answer(struct commits *c)
{
	enum rend_status status = REND_OK;
	struct job *j;

	while ((j = take_over(c, &status)) != NULL)
		job_end(j, status);
}

/* ---- who says that there may be some to answer ---- */

static void
on_call(struct rend_call *call)
{
	struct commits *c = (struct commits *)(void *)((char *)call - offsetof(struct commits, call));

	pthread_mutex_lock(&c->lock);
	c->told = false;
	pthread_mutex_unlock(&c->lock);
	answer(c);
}

static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
	answer(arg);
}

void
commit_flushed(void *arg)
{
	struct ssd *d = arg;

	pthread_mutex_lock(&d->lock);
	for (struct instance *inst = d->instances; inst != NULL; inst = inst->next) {
		struct commits *c = &inst->commits;

		pthread_mutex_lock(&c->lock);
		if (c->first != NULL)
			tell(c);
		pthread_mutex_unlock(&c->lock);
	}
	pthread_mutex_unlock(&d->lock);
}

/* ---- waiting ---- */

void
commit_wait(struct job *j, enum rend_status status)
{
	struct instance *inst = j->inst;
	struct store *s = inst->ssd->store;
	struct commits *c = &inst->commits;

	if (!store_commits(s)) {
		job_end(j, status);
		return;
	}
	j->commit.next = NULL;
	j->commit.status = status;
	j->commit.flush = store_commit_at(s);
	j->commit.until = rend_now() + inst->fetcher.time;
	pthread_mutex_lock(&c->lock);
	/* So that there is a timer for the first one. */
	if (c->first == NULL)
		tell(c);
	*c->end = j;
	c->end = &j->commit.next;
	pthread_mutex_unlock(&c->lock);
	/* Not before it can be found: the flush may be over at once. */
	store_commit_ask(s);
}

/* ---- a worker's begin and end ---- */

int
commits_open(struct commits *c, struct instance *inst)
{
	*c = (struct commits){ .call = { .fn = on_call }, .inst = inst };
	c->end = &c->first;
	c->timer = evtimer_new(rend_worker_base(inst->worker), on_timer, c);
	if (c->timer == NULL)
		return -1;
	pthread_mutex_init(&c->lock, NULL);
	return 0;
}

void
commits_close(struct commits *c)
{
	struct job *j;

	pthread_mutex_lock(&c->lock);
	j = c->first;
	c->first = NULL;
	c->end = &c->first;
	pthread_mutex_unlock(&c->lock);
	while (j != NULL) {
		struct job *next = j->commit.next;

		job_end(j, REND_TIMEOUT);
		j = next;
	}
	event_free(c->timer);
	c->timer = NULL;
}

void
commits_fini(struct commits *c)
{
	pthread_mutex_destroy(&c->lock);
}
