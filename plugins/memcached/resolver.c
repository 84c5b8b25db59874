/* What a backend's name means: see resolver.h. */
#include "resolver.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "rend/check.h"
#include "rend/worker.h"

#define URGENT_EVERY 1000000000ULL /* ns */

struct resolver {
	unsigned magic;
#define RESOLVER_MAGIC 0x4e501f3cU
	pthread_mutex_t lock; /* guards what is not atomic */
	unsigned refs;	      /* its owner, and the thread that asks */
	bool asking;
	bool fixed;
	struct routes *routes;
	uint64_t every, asked; /* ns */
	/* atomic: */
	unsigned version;
	const char *fault;
	uint64_t failures;
	char text[];
};

static void
resolver_drop(struct resolver *r)
{
	bool last;

	pthread_mutex_lock(&r->lock);
	last = --r->refs == 0;
	pthread_mutex_unlock(&r->lock);
	if (!last)
		return;
	routes_drop(&r->routes);
	pthread_mutex_destroy(&r->lock);
	r->magic = 0;
	free(r);
}

/* An answer; takes over found, NULL with a why. */
static void
resolver_told(struct resolver *r, struct routes *found, const char *why)
{
	pthread_mutex_lock(&r->lock);
	r->asking = false;
	if (found != NULL && !routes_same(found, r->routes)) {
		struct routes *old = r->routes;

		r->routes = found;
		found = old;
		__atomic_add_fetch(&r->version, 1, __ATOMIC_RELEASE);
		why = NULL;
	} else if (found != NULL) {
		why = NULL;
	} else {
		__atomic_add_fetch(&r->failures, 1, __ATOMIC_RELAXED);
	}
	__atomic_store_n(&r->fault, why, __ATOMIC_RELAXED);
	pthread_mutex_unlock(&r->lock);
	routes_drop(&found);
}

static void *
resolver_main(void *arg)
{
	struct resolver *r = arg;
	const char *why = NULL;
	struct routes *found = address_resolve(r->text, &why);

	resolver_told(r, found, why);
	resolver_drop(r);
	return NULL;
}

struct resolver *
resolver_new(const char *text, uint64_t every)
{
	struct resolver *r = calloc(1, sizeof *r + strlen(text) + 1);
	const char *why = NULL;

	if (r == NULL)
		return NULL;
	r->routes = routes_new(0);
	if (r->routes == NULL) {
		free(r);
		return NULL;
	}
	r->magic = RESOLVER_MAGIC;
	pthread_mutex_init(&r->lock, NULL);
	r->refs = 1;
	r->every = every;
	memcpy(r->text, text, strlen(text) + 1);
	r->fixed = address_is_fixed(text);
	r->asked = rend_now();
	resolver_told(r, address_resolve(text, &why), why);
	return r;
}

void
resolver_free(struct resolver **rp)
{
	struct resolver *r = *rp;

	*rp = NULL;
	if (r == NULL)
		return;
	REND_CHECK(r, RESOLVER_MAGIC);
	resolver_drop(r);
}

struct routes *
resolver_routes(struct resolver *r, unsigned *version)
{
	struct routes *routes;

	pthread_mutex_lock(&r->lock);
	*version = r->version;
	routes = routes_ref(r->routes);
	pthread_mutex_unlock(&r->lock);
	return routes;
}

unsigned
resolver_version(const struct resolver *r)
{
	return __atomic_load_n(&r->version, __ATOMIC_ACQUIRE);
}

/* Signals belong to the main thread. */
static bool
start_thread(struct resolver *r)
{
	sigset_t all, before;
	pthread_t thread;
	bool started;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	started = pthread_create(&thread, NULL, resolver_main, r) == 0;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (started)
		pthread_detach(thread);
	return started;
}

void
resolver_refresh(struct resolver *r, bool urgent)
{
	uint64_t now = rend_now(), pause = urgent ? URGENT_EVERY : r->every;
	bool ask;

	if (r->fixed || pause == 0)
		return;
	pthread_mutex_lock(&r->lock);
	ask = !r->asking && now - r->asked >= pause;
	if (ask) {
		r->asking = true;
		r->asked = now;
		r->refs++;
	}
	pthread_mutex_unlock(&r->lock);
	if (!ask || start_thread(r))
		return;
	resolver_told(r, NULL, "no thread to look its name up");
	resolver_drop(r);
}

const char *
resolver_fault(const struct resolver *r)
{
	return __atomic_load_n(&r->fault, __ATOMIC_RELAXED);
}

uint64_t
resolver_failures(const struct resolver *r)
{
	return __atomic_load_n(&r->failures, __ATOMIC_RELAXED);
}
