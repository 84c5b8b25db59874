/*
 * One of the databases that a store is of, and what has become of it.
 *
 *	     ┌─────────── closed, and opened again with all that was answered ◄───────────┐
 *	     ▼                                                                            │
 *	   OPEN ─────────────────────────── a write fails ───────────────────────────► SHUT
 *	     ▲                                                                            │
 *	     └─ closed, removed or put aside, made anew ◄─ EMPTY ◄─ its floor is raised, ◄┘
 *	                                                            and on the disk
 *
 * What was answered is in files or in the log, where there is one; so a bin that was shut has it when it is opened again.  The writes that failed were
 * answered as ones of which nobody knows, and may be there or not: it is the same for everybody from then on, since nobody reads from a bin that is shut,
 * and nothing is written behind them before it is known.
 *
 * That ends in EMPTY where there is no log, where the log has not all that was written (it cannot be synced, or less is found in it), where
 * something else was found than what was written, and where it takes too long.  What such a bin had is not shown any more, now or later: some of it
 * may be lost, and something older must not take its place.
 */
#ifndef MNEMONIC_BIN_H
#define MNEMONIC_BIN_H

#include <pthread.h>

#include "plan.h"
#include "rocks.h"
#include "versions.h"

enum bin_state {
	BIN_OPEN,
	BIN_EMPTY, /* has nothing, and takes nothing */
	BIN_SHUT, /* may be opened with all that it had, or be empty: that is not known yet, so nobody is told that something is gone */
};

struct bin {
	unsigned nth;
	char *dir;
	const struct plan *plan;
	struct versions *versions;
	struct rocks_common *common;
	pthread_rwlock_t use; /* of db: who asks it holds it for reading */
	struct rocks *db;     /* NULL: closed */
	int state;	      /* enum bin_state, atomic */
	int closed;	      /* 1: it was not opened, or bin_close() has done what it can; atomic */
	int changed;	      /* 1: something was written to it in this life of the store; atomic */
	bool damaged;	      /* how it failed: its files are put aside, not removed */
	uint64_t opened;      /* ns: when it was open again; 0: it never failed */
	uint64_t written;     /* while it is shut and closed: the last that was written to it, as RocksDB counts */
	uint64_t logged;      /* and the bytes of its logs */
	uint64_t mend_until;  /* ns: so long it is tried to have it with all that it had; 0: not any more */
	uint64_t mend_at;     /* the keeper's: ns */
	uint64_t pause;	      /* ns until the next try */
};

/* Before anything else. */
void bin_init(struct bin *b, unsigned nth, char *dir, const struct plan *plan, struct versions *versions,
    struct rocks_common *common);
void bin_fini(struct bin *b);

/* It is closed, and is to be opened by another life of its store: what it failed of in the last one is past. */
void bin_reset(struct bin *b);

/*
 * Opens it, or makes it.  What is damaged is put aside as DIR.damaged, and the bin begins empty: true in *damaged, and why says what RocksDB found.
 * 0, or -1: why says why not.
 */
int bin_open(struct bin *b, bool *damaged, char why[WHY_MAX]);

/* At an end.  Nobody uses it.  false: what it had is not shown after the next start, since some of it would be older than what was answered. */
bool bin_close(struct bin *b);

/* Something is about to be written to it.  The bin's writer. */
void bin_change(struct bin *b);

/* Should the process end now, would its files have something older than what was answered, if it has no log?  Any thread. */
bool bin_is_behind(const struct bin *b);

/* Any thread. */
enum bin_state bin_state(const struct bin *b);

/* To use db: true if it is open, and stays so until bin_leave().  Does not wait.  Any thread. */
bool bin_enter(struct bin *b);
void bin_leave(struct bin *b);

/* A write has failed, in this way.  Its writer, alone; bin_mend() is to be called soon. */
void bin_fail(struct bin *b, enum rocks_status status, const char *why);

/* Tries to have it open again.  true: it is, and has all that was answered.  May wait for the disk, without a bound.  The keeper. */
bool bin_mend(struct bin *b);

/* Is it not older than what the bin shows? */
static inline bool
bin_shows(const struct bin *b, uint64_t version)
{
	return version >= versions_floor(b->versions, b->nth);
}

#endif
