/*
 * What a process has counted, and leaves to the one that takes over from it; and when a listener's delayed flush_all is due.
 *
 *	old: legacy_send_counts ──► new: legacy_read_counts ─► legacy_add_counts ─► its first worker's, its listeners', and its server's
 *
 * Each number goes with an id.  Who does not know one passes over it, and what does not come is 0; so a rend that counts something else can take over.
 */
#ifndef NET_LEGACY_COUNTS_H
#define NET_LEGACY_COUNTS_H

#include <stdint.h>

#include "base/error.h"
#include "base/histogram.h"
#include "net/counts.h"

struct inherited;
struct letter;
struct server;

/* What a letter is about. */
enum legacy_kind {
	LEGACY_SERVER,
	LEGACY_RESET,	 /* what had been counted by the last `stats reset` */
	LEGACY_LISTENER, /* one of them */
	LEGACY_FORM,	 /* its clients in one form */
	LEGACY_LATENCY,	 /* how long one kind of command took */
	LEGACY_KINDS	 /* and whatever a later one has */
};

/* Of one letter. */
struct legacy_counts {
	enum legacy_kind kind;
	unsigned number; /* of the listener; of what took so long */
	unsigned form;
	uint64_t accepted, rejected, accept_pauses, accept_paused_ns;
	uint64_t flush_due; /* monotonic ns; 0: none */
	struct counts counts;
	struct tally tally;
	struct histogram latency;
};

/* Nobody counts meanwhile, and nobody says flush_all.  0, or -1 with the reason.  Keeper's thread. */
int legacy_send_counts(struct server *s, int fd, uint64_t until, struct rend_error *err);

/* Fills *c from one letter.  0, or -1: it is not to be believed.  Any thread. */
int legacy_read_counts(struct letter *l, struct legacy_counts *c);

/* They are this server's, too.  The workers turn, and have no connections yet.  0, or -1: no memory.  Main thread. */
int legacy_add_counts(struct server *s, const struct inherited *in, const struct legacy_counts *c);

#endif
