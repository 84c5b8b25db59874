/* Decimal numbers in values: what incr and decr read and write, as memcached does. */
#ifndef MNEMONIC_DIGITS_H
#define MNEMONIC_DIGITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DIGITS_MAX 20 /* of 2^64 - 1 */

/* Spaces, a sign, digits, and behind them nothing, a space or a NUL and anything.  false: no number of 64 bits.  Of negative ones those are
 * taken that wrap to less than 2^63. */
bool digits_read(const char *p, size_t len, uint64_t *number);

/* How many there are. */
size_t digits_write(char to[DIGITS_MAX], uint64_t number);

#endif
