/* Counters: what incr and decr read and write in a value, as memcached does. */
#ifndef REND_COUNTER_H
#define REND_COUNTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rend/api.h"

REND_BEGIN

/* These look at what they are given and at nothing else: any thread. */

/* memcached keeps larger values in chunks, and calls no chunked value a number. */
#define REND_COUNTER_VALUE_MAX	(512 * 1024) /* bytes */

#define REND_COUNTER_DIGITS_MAX 20 /* 2^64 - 1 */

/*
 * The number that a value of len bytes at p begins with, as strtoull() finds it: white space, a sign, digits; behind them nothing, white
 * space, or a NUL and anything.  false, and *number is as before: it is none, or longer than REND_COUNTER_VALUE_MAX, or does not fit 64 bits,
 * or is negative (though what wraps to less than 2^63 is taken, as memcached does).
 */
REND_API bool rend_counter_read(const char *p, size_t len, uint64_t *number);

/* incr (up) wraps at 2^64, decr stops at 0. */
REND_API uint64_t rend_counter_step(uint64_t number, uint64_t delta, bool up);

/* Writes the digits, and no NUL.  Returns how many there are. */
REND_API size_t rend_counter_print(char digits[REND_COUNTER_DIGITS_MAX], uint64_t number);

REND_END

#endif
