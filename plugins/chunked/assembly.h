/* A value that is put together from its pieces, in whatever order they come.  One worker's. */
#ifndef CHUNKED_ASSEMBLY_H
#define CHUNKED_ASSEMBLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "layout.h"
#include "rend/value.h"

/*
 * Blocks of about 64 KiB with the data of so many pieces each; a block is there when the first of its pieces came, so a meta that claims much
 * gets little.  All-zero: nothing is put together.
 */
struct assembly {
	struct rend_buf **blocks;
	uint32_t per; /* pieces in a block */
	uint32_t count;
};

/* false: no memory. */
bool assembly_begin(struct assembly *a, const struct meta *m);

/* The data of a piece, without its token; the value has it from byte `from` on.  false: no memory. */
bool assembly_add(
    struct assembly *a, const struct meta *m, uint32_t piece, const struct rend_value *value, size_t from);

/* All pieces are there: they become *to, which is empty.  false: no memory, and *to is empty.  The assembly is all-zero after it. */
bool assembly_take(struct assembly *a, const struct meta *m, struct rend_value *to);

/* Drops what is there. */
void assembly_drop(struct assembly *a);

#endif
