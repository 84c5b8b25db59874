/*
 * One handler, opened with its options, and workers to ask it from; each worker sits on a thread of its own.
 *
 *	rig ── node under test, the nodes its options name
 *	 ├─ seat 0: worker, loop ── asks          the behaviour's thread
 *	 └─ seat 1: worker, loop ── asks          a second one, if the behaviour wants it
 */
#ifndef KIT_RIG_H
#define KIT_RIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "engine/generation.h"
#include "engine/worker.h"
#include "ask.h"
#include "handler_kit.h"

#define RIG_SEATS 2

struct seat {
	struct rig *rig;
	struct rend_worker worker;
	struct event_base *base;
	struct event *wake;
	struct ask *asks;
};

struct rig {
	const struct handler_kit *kit;
	struct generation *generation;
	struct rend_node *node;		    /* that is asked */
	const struct rend_handler *handler; /* that is tested */
	uint32_t can;			    /* what it promises, REND_CAN_* */
	uint32_t has;			    /* verbs it answers with something else than UNSUPPORTED */
	struct seat seats[RIG_SEATS];
	int seat_count;
};

/* ---- a behaviour's end ---- */

/* Ends the process: this behaviour is not there. */
void rig_fail(const char *fmt, ...) __attribute__((noreturn, format(printf, 1, 2)));

/* Ends the process: the handler does not have what the behaviour is about. */
void rig_skip(const char *fmt, ...) __attribute__((noreturn, format(printf, 1, 2)));

#define RIG_FAILED  1 /* exit codes */
#define RIG_SKIPPED 2
#define RIG_MARK    "not so: " /* begins the reason on stderr */

#define EXPECT(cond, ...)                      \
	do {                                   \
		if (!(cond))                   \
			rig_fail(__VA_ARGS__); \
	} while (0)

/* ---- opening and closing ---- */

/* Makes the nodes and checks them.  0, or -1 with the reason. */
int rig_make(struct rig *r, const struct handler_kit *kit, int seats, struct rend_error *err);

/* Opens them. */
int rig_open(struct rig *r, struct rend_error *err);

/* Makes the calling thread the seat's, and the handler's instance there. */
void seat_enter(struct seat *s);

/* Waits until nothing is in flight there, and ends the instance. */
void seat_leave(struct seat *s);

/* Closes the nodes and looks at what was left behind: asks touched after their answer, values not given back.  Every
 * seat was left. */
void rig_close(struct rig *r);

/* Does the handler have this verb?  One that takes any verb was asked when seat 0 was entered. */
bool rig_has(const struct rig *r, unsigned verb);

/* One turn of the seat's loop, waiting a little if nothing is going on. */
void seat_turn(struct seat *s);

/* A turn without a look at the loop: for handlers that answer at once. */
void seat_pass(struct seat *s);

#endif
