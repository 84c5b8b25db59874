/* Decimal numbers inside values, as memcached's incr and decr read and write them. */
#ifndef INMEM_NUMBER_H
#define INMEM_NUMBER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NUMBER_DIGITS_MAX 20 /* 2^64 - 1 */

/* memcached keeps larger values in chunks, and calls no chunked value a number. */
#define NUMBER_VALUE_MAX (512 * 1024)

/*
 * The number that len bytes at p begin with: white space, a sign, digits; behind them nothing, white space, or a NUL
 * and anything. false: it is none, or does not fit 64 bits, or is negative (though what wraps to a small one is taken,
 * as memcached does).
 */
bool number_parse(const char *p, size_t len, uint64_t *number);

/* Writes the digits and returns how many there are. */
size_t number_print(char digits[NUMBER_DIGITS_MAX], uint64_t number);

/* incr wraps at 2^64; decr stops at 0. */
uint64_t number_step(uint64_t number, uint64_t delta, bool up);

#endif
