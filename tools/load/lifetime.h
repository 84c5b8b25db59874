/*
 * How long the value of one key may live: the touches, and until when, at the latest, a version that was written with some TTL expires.
 *
 * A touch sets the exptime of what is there.  With `atomic` a touch that was acknowledged, and began after the version is known to have been
 * there, settles it: of all that set the exptime only that one and those that were not over before it began can count.  With `fresh` it may
 * have found another version, so the longest of all counts.  A touch without an answer may take effect at any time: from then on nothing
 * is known.
 */
#ifndef LOAD_LIFETIME_H
#define LOAD_LIFETIME_H

#include <stdbool.h>
#include <stdint.h>

#define LIFETIME_NEVER	 UINT64_MAX
#define LIFETIME_TOUCHES 64

enum lifetime_end { LIFETIME_TOUCHED, LIFETIME_MISSED, LIFETIME_UNANSWERED };

struct touch {
	uint64_t begin, end;
	uint32_t ttl;
};

/* All-zero is the beginning. */
struct lifetime {
	struct touch touches[LIFETIME_TOUCHES];
	uint32_t count;
	uint32_t flying;  /* touches under way */
	bool open;	  /* one was not answered */
	uint64_t longest; /* until when those that were forgotten could make a value live */
};

void lifetime_touch(struct lifetime *l);
void lifetime_touched(
    struct lifetime *l, enum lifetime_end how, uint64_t begin, uint64_t end, uint32_t ttl, bool atomic);

/* When a version has expired at the latest, ns, for a read that begins at `read`: its write began at `begin` with this TTL (seconds), and
 * it was there at `first`.  LIFETIME_NEVER: perhaps never. */
uint64_t lifetime_limit(
    const struct lifetime *l, uint64_t begin, uint64_t first, uint32_t ttl, uint64_t read, bool atomic);

#endif
