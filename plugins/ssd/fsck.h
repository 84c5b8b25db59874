/*
 * Is a store that nobody uses as it should be?  Reads all of it, every record with its sums, and changes nothing.
 *
 *	folders, supers ─► files ─► index.snap ─► each segment: head, trailer, rows, records ─► does each entry of the index lead to one?
 */
#ifndef SSD_FSCK_H
#define SSD_FSCK_H

#include "format.h"
#include "io.h"

/* What was found. */
struct fsck_found {
	uint64_t wrong; /* things that should not be, after whatever crash of the process */
	struct super super;
	struct geometry g;
	uint32_t sealed, unsealed, free; /* segments */
	uint64_t values,
	    value_bytes; /* records of values, older ones and those that have expired too; bytes of their keys and values */
	uint64_t pieces;	 /* of values that are too large for one record */
	uint64_t tombs, touches; /* records of these types */
	uint64_t discarded;	 /* records that do not count any more */
	uint64_t objects;	 /* entries of the index; only of a store that was left clean */
	bool has_index;
};

/* One sentence about one thing: is it wrong, or only worth knowing? */
typedef void fsck_say_f(void *arg, bool wrong, const char *sentence);

enum fsck_ended {
	FSCK_LOOKED, /* *found has what it saw */
	FSCK_NO_STORE,
	FSCK_IN_USE,
	FSCK_APART, /* it was said which folder is missing, or is too many */
	FSCK_NO_MEMORY
};

/* Looks at the store in that folder.  It keeps others from starting on it meanwhile. */
enum fsck_ended fsck(struct io *io, const char *dir, fsck_say_f *say, void *arg, struct fsck_found *found);

/* At one in several folders, which may come in any order: all of them have to be there. */
enum fsck_ended fsck_paths(
    struct io *io, const char *const *dirs, unsigned count, fsck_say_f *say, void *arg, struct fsck_found *found);

/* Whose is that folder?  The newer super in it; false: it has none. */
bool fsck_is_of(struct io *io, const char *dir, struct super *super);

#endif
