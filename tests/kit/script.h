/*
 * A path through a table, and what must be seen on it: worked out here from the promises of core/rend/flow.h alone, so
 * that the engine and this do not make the same mistake.
 */
#ifndef KIT_SCRIPT_H
#define KIT_SCRIPT_H

#include <stdbool.h>
#include <stddef.h>

#include "rend/flow.h"
#include "words.h"

#define SCRIPT_STOPS 64

enum manner { AT_ONCE, LATER, ELSEWHERE, NEVER };

/* A row on the path. */
struct stop {
	const struct rend_step *step;
	unsigned row;
	enum rend_outcome outcome;
	enum rend_status exactly; /* an exception's; OK: any status of that outcome that is no exception */
	/* for one run */
	enum rend_status status; /* as the walk takes it */
	enum rend_status said;	 /* by the tier: an item that is a lease is OK */
	enum manner manner;
	bool late;
	struct rend_ask ask;	 /* that the tier must see */
	struct words_item item;	 /* the same */
	struct words_item found; /* that the tier answers with, if yes */
};

struct script {
	unsigned slot; /* of the policy's tables */
	struct stop stops[SCRIPT_STOPS];
	unsigned len;
	uint8_t last_edge;
	/* for one run */
	unsigned verb;
	struct rend_ask ask;	/* the client's */
	struct words_item sent; /* the same */
	uint64_t token, link;	/* of the lease that the walk has */
	enum rend_status answer;
	struct words_item answered; /* what the op must have in the end */
};

/* Calls each(script, arg) for every path of a table. */
void script_each(const struct rend_step *steps, unsigned slot, void (*each)(struct script *s, void *arg), void *arg);

/* Stands for any version with the upper bit, which no tier gives. */
#define SCRIPT_OWN_VERSION (1ULL << 63)

/* Stands for any time REND_LEASE_TIME from now. */
#define SCRIPT_LEASE_TIME INT64_MAX

#define SCRIPT_ROUNDS	  24 /* in these, each stop gets each status in each manner */

/* Fills in what one run needs. */
void script_plan(struct script *s, unsigned round);

/* Has a walk with this guard already looked at the word when this stop is asked? */
bool script_guarded(const struct script *s, enum rend_guarding guard, unsigned at);

/* The status that the last stop before this one which asked somebody ended with; OK if none has. */
enum rend_status script_last(const struct script *s, unsigned at, bool *asked);

/* "get l1=MISS l2=OK ..." into a buffer of size bytes. */
void script_name(const struct script *s, char *to, size_t size);

/* What is asked, for people, into 256 bytes.  Returns to. */
const char *script_ask_say(const struct rend_ask *a, char *to);

#endif
