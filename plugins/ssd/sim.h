/*
 * A disk in memory, behind io.h, that fails as it is told.
 *
 *	            writes ─► [ unsynced: 512-byte blocks, in order ] ─ sync ─► [ durable ]
 *	reads see both                                        power cut: each unsynced block is kept or not, by itself
 *
 * Deterministic: what a seed and the same calls led to once they lead to again.  All its functions: any thread, as with io.h.
 */
#ifndef SSD_SIM_H
#define SSD_SIM_H

#include "io.h"

/* An empty disk, of that many bytes for all files together (0: no bound).  NULL: no memory. */
struct io *sim_new(uint64_t seed, uint64_t space);

/* ---- the clock: it moves only here, and while somebody waits in io_wait() for what will not come ---- */
void sim_advance(struct io *io, uint64_t ns);

/* Another disk of the same machine: its clock is that of `with`, which ends after it.  One thread uses both. */
void sim_beside(struct io *io, struct io *with);

/* io_file_grain() of what is opened from now on, here and on what sim_after() makes of it.  IO_GRAIN_LEAST, if nothing is said. */
void sim_grain(struct io *io, uint32_t bytes);

/* ---- which operation ----
 * Every call of io.h that touches the disk (read, write, sync, discard, resize, preallocate, rename, unlink, make_dir, sync_dir, open with IO_CREATE
 * that creates) is an operation, and so is every request when it is carried out.  They are counted from 1. */
uint64_t sim_operations(struct io *io);

/* ---- crashes ---- */
enum sim_crash {
	SIM_KILL,	    /* the process ends: what was written is there */
	SIM_POWER_CUT,	    /* only what was synced is there for certain; of the rest, any part, blocks of 512 bytes */
	SIM_POWER_CUT_4K,   /* the same, blocks of 4096 bytes */
	SIM_POWER_CUT_NONE, /* only what was synced is there */
	SIM_POWER_CUT_ALL,  /* everything is there */
	SIM_CRASHES
};

/*
 * The disk as whoever opens it next would find it, if all ended here.  Of requests that are under way, any blocks of 512 bytes are there (NONE and
 * ALL: none of them).  A disk of its own, without faults; io goes on as it is.  From one point, several may be tried.  NULL: no memory.
 */
struct io *sim_after(struct io *io, enum sim_crash how, uint64_t seed);

/* From operation n on every call ends with GONE and changes nothing, and requests end by their deadlines alone; operation n itself, if it writes, is carried
 * out in part.  0: never.  Then sim_after(), and what was open is closed as usual. */
void sim_stop_at(struct io *io, uint64_t n);

/* From now on. */
void sim_stop(struct io *io);

/* Has it come to that? */
bool sim_stopped(struct io *io);

/* Calls fn before each operation n of a call that waits, and of a request: to try sim_after() in all states that there are on the way.  NULL: nobody. */
typedef void sim_watch_f(void *arg, struct io *io, uint64_t n);
void sim_watch(struct io *io, sim_watch_f *fn, void *arg);

/* ---- faults ---- */
enum sim_fault {
	SIM_EIO,
	SIM_ENOSPC, /* a read of which this is said ends with EIO */
	/* Reads, writes: only the first `amount` bytes are carried out.  io.h asks for the rest, an operation of its own; if that is nothing
	 * (amount 0), or a piece of a block of a direct file, the answer is SHORT. */
	SIM_SHORT,
	SIM_FLIP,      /* reads: bit `amount` of what was read is turned; writes: of what is written, for good */
	SIM_MISDIRECT, /* reads, writes: go `amount` bytes further than they should, and OK is the answer */
	SIM_LOSE,      /* all but reads: not carried out, and OK is the answer */
	SIM_HANG, /* is not answered until sim_release(); a call that waits ends with TIMEOUT, and is not carried out */
	SIM_GONE, /* this one and all that follow end with GONE, until sim_back() */
	SIM_FAULT_COUNT
};

/* Operation n (counted as above; 0: every one) has a fault; several may be set.  NO_MEMORY: too many. */
enum io_status sim_fault(struct io *io, uint64_t n, enum sim_fault fault, uint64_t amount);

/* The same for the n-th from now on of this kind (1: the next one). */
enum io_status sim_fault_next(struct io *io, enum io_kind kind, uint64_t n, enum sim_fault fault, uint64_t amount);

void sim_clear_faults(struct io *io);
void sim_release(struct io *io); /* what hangs is carried out */
void sim_back(struct io *io);	 /* the device is there again, with what it had */

/* How many faults took effect. */
uint64_t sim_faults(struct io *io);

/* ---- the order of completions ---- */
enum sim_order {
	SIM_IN_ORDER, /* as submitted; the default */
	SIM_SHUFFLED, /* any, by the seed */
	SIM_BY_HAND,  /* sim_complete() says which */
};
void sim_order(struct io *io, enum sim_order order);

/* SIM_BY_HAND: carries out the n-th (from 0) of what this queue has at the disk, oldest first; done() is called by the next io_poll().  false: there is
 * no n-th. */
bool sim_complete(struct io_queue *queue, unsigned n);

/* ---- what is on the disk, past everything above; whole files, from outside the process so to speak ---- */
/* Reads of any of these bytes end with EIO, also after sim_after(), until they are written from either end on.  One place in each file. */
enum io_status sim_bad(struct io *io, const char *path, uint64_t offset, uint64_t length);
enum io_status sim_zero(struct io *io, const char *path, uint64_t offset, uint64_t length);
enum io_status sim_flip(struct io *io, const char *path, uint64_t bit);
enum io_status sim_truncate(struct io *io, const char *path, uint64_t bytes);

#endif
