/*
 * Clears a struct of more than a cache line where it counts.  To clear so much at once, compilers take an instruction that is slow to begin;
 * in parts, they take plain stores.
 */
#ifndef BASE_BLANK_H
#define BASE_BLANK_H

#include <stddef.h>
#include <string.h>

#define BLANK_PART 64
#define BLANK_MAX  (3 * BLANK_PART)

/* len is a constant, at most BLANK_MAX. */
static inline void
blank_bytes(void *p, size_t len)
{
	char *at = p;

	memset(at, 0, len < BLANK_PART ? len : BLANK_PART);
	if (len > BLANK_PART)
		memset(at + BLANK_PART, 0, len < 2 * BLANK_PART ? len - BLANK_PART : BLANK_PART);
	if (len > 2 * BLANK_PART)
		memset(at + 2 * BLANK_PART, 0, len - 2 * BLANK_PART);
}

#define BLANK(object)                                                                   \
	do {                                                                            \
		_Static_assert(sizeof(object) <= BLANK_MAX, "too large to be blanked"); \
		blank_bytes(&(object), sizeof(object));                                 \
	} while (0)

#endif
