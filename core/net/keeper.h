/*
 * The thread that builds the next generation beside the one that runs, and ends those that were replaced.  Whatever goes wrong, the one that
 * runs goes on.
 *
 *	main thread			keeper				workers
 *	keeper_reload() ──────────►	source.read: rend.conf, plugins
 *					bind new listeners, open nodes
 *					swap.h				attach, (hold,) begin
 *	on_done: publishes,	◄──────
 *	listeners begin and end
 *					is the earlier one over? close	detach
 *
 * Functions of plugins that are the main thread's are called here once the server runs: they are still called by one thread at a time.
 */
#ifndef NET_KEEPER_H
#define NET_KEEPER_H

#include <stdbool.h>

#include "base/error.h"
#include "base/strbuf.h"

struct heir_at;
struct keeper;
struct server;
struct server_source;

/* What came of a reload, or of an upgrade. */
struct keeper_result {
	bool upgrade;
	int exit_code;		   /* 0: done */
	const struct strbuf *said; /* lines about it, warnings or what is wrong */
};

/* done is called on the main thread, from the server's base, with each result.  NULL with the reason.  Main thread, as all. */
struct keeper *keeper_new(struct server *s, const struct server_source *source,
    void (*done)(struct server *s, const struct keeper_result *r), struct rend_error *err);

/* Begins to reload.  false: it is at it already. */
bool keeper_reload(struct keeper *k);

/*
 * Begins to hand over to a new process, whose descriptors become the keeper's; or, with NULL, to one that is started.  false: it is at something already.  When another process serves, done is told first; then what follows later is passed, and
 * then the server drains.
 */
bool keeper_upgrade(struct keeper *k, const struct heir_at *at);

/* Has fn run on the main thread, and waits for that.  false: the server has ended, and it was not.  The keeper's thread. */
bool keeper_on_main(struct keeper *k, void (*fn)(void *arg), void *arg);

bool keeper_is_busy(const struct keeper *k);

/* Is what it is at an upgrade, or does another process serve? */
bool keeper_upgrades(const struct keeper *k);

/* How many generations have been replaced and have not ended. */
unsigned keeper_old(const struct keeper *k);

/* Ends the thread when what it is at is over; the workers still turn.  What it has begun with is published; what it has not ended is there. */
void keeper_stop(struct keeper *k);

/* Gives back what rend.confs said.  It was stopped, and so were the workers; their generations were freed. */
void keeper_free(struct keeper **kp);

#endif
