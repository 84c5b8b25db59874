/*
 * What a store hands to the process that replaces this one, so that it need not begin empty.
 *
 * In an upgrade (docs/upgrade.md):
 *
 *	this process				the next one
 *	quiet: no op is in the store's hands
 *	release(store)   files, locks ──────►
 *	give(store)      parcel ────────────►	take() instead of open(); refused: open(), and it begins empty
 *	close(store)				serves
 *
 *	it came to nothing, at any point:  keep(store), reopen(store), and this process serves on
 */
#ifndef REND_HANDOVER_H
#define REND_HANDOVER_H

#include <stddef.h>

#include "rend/api.h"

REND_BEGIN

#define REND_PARCEL_FDS	 16   /* descriptors in one parcel */
#define REND_PARCEL_NOTE 4096 /* bytes of its note */

/*
 * Descriptors, and what they are.  All-zero: nothing.  In give() it is the core's, empty, and the store fills it in; in take() it is filled.
 * Every process that may be on the other side was compiled with this rend's headers or later ones, so the note begins with a number that
 * says what it is, and take() believes nothing in it that it has not looked at.
 */
struct rend_parcel {
	const char *plugin;  /* take: the name and version of the plugin that gave it; give: NULL */
	const char *version; /* may be NULL */
	int fds[REND_PARCEL_FDS];
	unsigned fd_count;
	size_t note_len;
	char note[REND_PARCEL_NOTE] __attribute__((aligned(16)));
};

REND_END

#endif
