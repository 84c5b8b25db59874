/*
 * The end of a store.  What is asked of the disk may take for ever, so threads of its own close the bins, and whoever ends the store waits for it only
 * until a deadline.
 *
 *	closer_stop() ── true: all is closed ──► the store may be freed, or opened again
 *	     └────────── false ──► once more, later; or closer_give_up(): it stays as it is, with all that its threads may use yet
 */
#ifndef MNEMONIC_CLOSER_H
#define MNEMONIC_CLOSER_H

#include <stdbool.h>
#include <stdint.h>

struct mnemonic;

/* Ends all threads, closes all bins.  No op is in its hands.  false: not by `deadline`, ns; it may be called again. */
bool closer_stop(struct mnemonic *m, uint64_t deadline);

/* The disk does not answer, and the node is closed all the same.  Bins without a log that are not written show nothing after the next start, if that can be noted. */
void closer_give_up(struct mnemonic *m);

#endif
