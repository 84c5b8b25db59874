/* Numbers with units, as a person writes them: 2ms, 1.5s, 10KiB, 100k. */
#ifndef LOAD_QUANTITY_H
#define LOAD_QUANTITY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum quantity {
	QUANTITY_COUNT, /* k, M, G: thousands; 1e6 is good, too */
	QUANTITY_BYTES, /* B, KiB, MiB, GiB; without: bytes */
	QUANTITY_TIME,	/* ns, us, ms, s, m, h; to ns.  Without: seconds */
	QUANTITY_SHARE, /* %; to 0..1.  Without: as it is */
	QUANTITY_KINDS
};

/* All len bytes are one such number, not negative.  false: *to is as before. */
bool quantity_parse(const char *s, size_t len, enum quantity kind, double *to);

/* The same, as a whole number of at most max. */
bool quantity_whole(const char *s, size_t len, enum quantity kind, uint64_t max, uint64_t *to);

/* What a person writes for it: "2ms, 1.5s". */
const char *quantity_examples(enum quantity kind);

/* Writes ns as 3 digits and a unit ("1.23ms").  Returns buf. */
#define QUANTITY_SHORT 16
char *quantity_time(char buf[QUANTITY_SHORT], uint64_t ns);

/* The same for bytes ("64.0MiB"). */
char *quantity_bytes(char buf[QUANTITY_SHORT], uint64_t bytes);

#endif
