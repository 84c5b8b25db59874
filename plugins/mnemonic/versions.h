/*
 * The versions of all changes, one counter for the whole store, and how each bin forgets: what has a version below its floor is not there.
 *
 *	versions_take()		a version for a change, and the floor that it sees: both of one moment
 *	versions_raise()	from now on nothing older is seen; costs the same whatever there is
 *
 * A change that was made of what was found under an older floor has a version below the new one: it is gone with what it was made of.
 *
 * STATE, entries of 16 bytes, each a number and its check, written in place, so that this works on a full disk, too:
 *
 *	[ format ][ no version was as high as this ][ floor of bin 0 ][ floor of bin 1 ] ...
 */
#ifndef MNEMONIC_VERSIONS_H
#define MNEMONIC_VERSIONS_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "folder.h"

struct versions {
	pthread_mutex_t
	    lock; /* of next and of changes to floors; nobody waits for the disk under it but who takes the last version in hand */
	pthread_mutex_t file; /* of writing */
	uint64_t next, high;
	uint64_t floors[BINS_MOST]; /* atomic */
	unsigned bins;
	bool lasts; /* it is synced */
	int fd;
};

/* Reads it, or makes it if the store is new.  lasts: for the next start, too.  *odd: floors that could not be read; those bins show nothing.  0, or -1 after rend_error(). */
int versions_open(struct versions *v, const struct folder *f, unsigned bins, bool new, bool lasts, unsigned *odd,
    struct rend_error *err);
void versions_close(struct versions *v);

/* Any thread but a worker: once in 16 million times it waits for the disk.  false: that failed, and there are no versions left. */
struct stamp {
	uint64_t version, floor;
};
bool versions_take(struct versions *v, unsigned bin, struct stamp *s);

/* Any thread. */
uint64_t versions_floor(const struct versions *v, unsigned bin);

/* Of one bin, of those, or of all.  One write of STATE.  0, or -1: it is so, but not for the next start.  Waits for the disk: no worker. */
int versions_raise(struct versions *v, unsigned bin);
int versions_raise_those(struct versions *v, const bool those[]);
int versions_raise_all(struct versions *v);

/* A STATE in another folder that says what this one would after a crash now.  0, or -1 after rend_error().  No worker. */
int versions_copy(const struct versions *v, const struct folder *to, struct rend_error *err);

#endif
