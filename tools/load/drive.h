/*
 * The engine: connections, one loop over them, and the time.
 *
 *	plan ── requests ──► wires ═══ bytes ═══► server
 *	  ▲                    │
 *	  └─── answers, checked and counted ──────┘
 *
 *	closed loop: a connection asks for as many as its depth, waits for all the answers, and asks again
 *	open loop:   requests are due at their times; whichever connection has room takes the next one that is due
 */
#ifndef LOAD_DRIVE_H
#define LOAD_DRIVE_H

#include "faults.h"
#include "pace.h"
#include "plan.h"
#include "process.h"
#include "settings.h"
#include "tally.h"
#include "target.h"
#include "timeline.h"
#include "wire.h"

enum drive_phase { DRIVE_WARM, DRIVE_MEASURE, DRIVE_DRAIN };

/* How a stage ended. */
enum drive_end { DRIVE_BY_REQUESTS, DRIVE_BY_TIME, DRIVE_BY_PLAN, DRIVE_BY_SIGNAL, DRIVE_BY_SERVER };

/* What is asked of one stage. */
struct stage {
	struct plan *plan;
	uint64_t requests, duration, warmup; /* as in settings */
	double rate;
	uint32_t depth; /* at most that of the wires */
	bool counts;	/* it is what is reported */
};

struct drive {
	const struct settings *settings;
	struct target target;
	struct target also[SETTINGS_ALSO]; /* connections go to all of them, in turn */
	struct keys keys;
	struct stage stage;

	struct wire *wires;
	uint32_t count; /* busy ones; idle ones stand behind them */
	uint32_t made;	/* of both, those that there are */
	uint32_t up, dialing;
	int epoll;
	char *in, *out;
	size_t out_size;

	enum drive_phase phase;
	bool over;
	enum drive_end end;
	uint64_t began, window, closed; /* ns: the stage, its measured time, and the end of that */
	uint64_t deadline, next_check, next_tick, last_up, answered_at;
	uint64_t issued; /* requests that count against stage.requests */
	uint64_t open;	 /* requests under way */

	struct pace pace;
	struct wire *ready, *ready_last; /* open loop */
	uint32_t ready_count;
	uint32_t churn_next;
	uint64_t churned;

	/* What is reported. */
	struct tally tally[VERB_COUNT];
	struct faults faults;
	struct timeline timeline;
	uint64_t unsent;		 /* open loop: due in the measured time, and not sent in it */
	uint64_t unsent_for;		 /* ns: the oldest of them waited so long */
	uint64_t opened, refused, ended; /* connections: dialed; not taken; closed by the server */
	uint64_t bytes_in, bytes_out;
	uint64_t own_cpu; /* ns, in the measured time */
	struct {
		struct process_sample before, idle, start, end;
	} process[SETTINGS_PIDS];
	uint64_t shown_at, shown_requests;
};

/* Connects all.  largest: bytes that one request may store.  NULL, or what is wrong; the string is static. */
const char *drive_open(struct drive *d, const struct settings *s, uint64_t largest);
void drive_close(struct drive *d);

/* Runs one stage to its end. */
void drive_run(struct drive *d, const struct stage *stage);

/* A signal came: nothing more is asked, and what is under way is answered first.  A second one: that is not waited for.  From a signal handler. */
void drive_interrupt(int signal);

/* The signal that ended it, or 0. */
int drive_interrupted(void);

/* Was there a second one? */
bool drive_hurried(void);

/* ns, monotonic. */
uint64_t drive_now(void);

/* The length of the measured time, ns. */
uint64_t drive_measured(const struct drive *d);

#endif
