/* Decimal numbers inside values, as memcached's incr and decr read and write them. */
#ifndef CHUNKED_NUMBER_H
#define CHUNKED_NUMBER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NUMBER_DIGITS_MAX 20 /* 2^64 - 1 */
#define NUMBER_TEXT_MAX \
	64 /* a longer value is taken for no number; memcached would read a number with more behind it */

/*
 * The number that len bytes at p are: digits, and behind them nothing or spaces.  false: they are none, or it does not fit 64 bits.
 */
bool number_parse(const char *p, size_t len, uint64_t *number);

/* Writes the digits and returns how many there are. */
size_t number_print(char digits[NUMBER_DIGITS_MAX], uint64_t number);

/* incr wraps at 2^64; decr stops at 0. */
uint64_t number_step(uint64_t number, uint64_t delta, bool up);

/*
 * Makes the len bytes at text, with room for NUMBER_TEXT_MAX, that number.  As in memcached a value does not get shorter: one that would
 * has spaces behind its digits.  Returns its length.
 */
size_t number_change(char *text, size_t len, uint64_t number);

#endif
