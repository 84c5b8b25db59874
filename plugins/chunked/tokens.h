/* Tokens: 16 bytes that nobody had before, for each value that is written.  One worker's. */
#ifndef CHUNKED_TOKENS_H
#define CHUNKED_TOKENS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "layout.h"

/* Drawn from the kernel many at a time.  All-zero: none are there yet. */
struct tokens {
	size_t left;
	uint8_t bytes[64 * LAYOUT_TOKEN];
};

/* false: the kernel gives none, and nothing may be written. */
bool token_next(struct tokens *t, uint8_t to[LAYOUT_TOKEN]);

#endif
