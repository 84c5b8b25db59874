/*
 * One of the databases that a store is of, and what has become of it.
 *
 *	OPEN ── a write fails ──► SHUT ── its floor is raised, and on the disk ──► EMPTY
 *	  ▲                                                                          │
 *	  └──────────────── closed, removed or put aside, made anew ◄────────────────┘
 *
 * What such a bin had is not shown any more, now or later: some of it may be lost, and something older must not take its place.
 */
#ifndef MNEMONIC_BIN_H
#define MNEMONIC_BIN_H

#include <pthread.h>

#include "rocks.h"
#include "versions.h"

enum bin_state {
	BIN_OPEN,
	BIN_EMPTY, /* has nothing, and takes nothing */
	BIN_SHUT,  /* the same, but that is not noted yet: nobody is told that something is gone */
};

struct bin {
	unsigned nth;
	char *dir;
	struct versions *versions;
	struct rocks_common *common;
	pthread_rwlock_t use; /* of db: who asks it holds it for reading */
	struct rocks *db;     /* NULL: closed */
	int state;	      /* enum bin_state, atomic */
	bool damaged;	      /* how it failed: its files are put aside, not removed */
	uint64_t mend_at;     /* the keeper's: ns */
	uint64_t pause;	      /* ns until the next try */
};

/* Before anything else. */
void bin_init(struct bin *b, unsigned nth, char *dir, struct versions *versions, struct rocks_common *common);
void bin_fini(struct bin *b);

/*
 * Opens it, or makes it.  What is damaged is put aside as DIR.damaged, and the bin begins empty: true in *damaged, and why says what RocksDB found.
 * 0, or -1: why says why not.
 */
int bin_open(struct bin *b, bool *damaged, char why[WHY_MAX]);

/* At an end.  Nobody uses it.  false: what it had is not shown after the next start, since some of it would be older than what was answered. */
bool bin_close(struct bin *b);

/* Any thread. */
enum bin_state bin_state(const struct bin *b);

/* To use db: true if it is open, and stays so until bin_leave().  Does not wait.  Any thread. */
bool bin_enter(struct bin *b);
void bin_leave(struct bin *b);

/* It has failed; damaged: it found something else than what was written.  Its writer, alone; bin_mend() is to be called soon. */
void bin_fail(struct bin *b, bool damaged, const char *why);

/* Tries to have it open again.  The keeper. */
void bin_mend(struct bin *b);

/* Is it not older than what the bin shows? */
static inline bool
bin_shows(const struct bin *b, uint64_t version)
{
	return version >= versions_floor(b->versions, b->nth);
}

#endif
