/*
 * Bytes through a dialog, as a connection feeds them and answers them; and the same bytes once more in other pieces, which must make no
 * difference:
 *
 *	"get a\r\nset k" ──► whole ─────────► commands, answers ──► a hash ─┐
 *	                └──► byte by byte ──► commands, answers ──► a hash ─┴─ the same, or the program ends
 */
#ifndef FUZZ_WALK_H
#define FUZZ_WALK_H

#include <stddef.h>
#include <stdint.h>

#include "proto/proto.h"

/* Checks one answer, whole as it goes to the client. */
typedef void walk_check_f(const char *p, size_t len, const struct asked *asked);

/* One input, whole, byte by byte, and in two. */
void walk_all_ways(enum dialog_only only, walk_check_f *check, const uint8_t *p, size_t len);

/* The same behind what a dialog was told before: of *before all but its limits counts. */
void walk_on(const struct dialog *before, walk_check_f *check, const uint8_t *p, size_t len);

/* Ends the program. */
#define WALK_MUST(cond)                                                                           \
	do {                                                                                      \
		if (!(cond)) {                                                                    \
			fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #cond); \
			abort();                                                                  \
		}                                                                                 \
	} while (0)

#endif
