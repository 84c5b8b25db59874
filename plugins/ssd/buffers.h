/*
 * Memory for requests: aligned to IO_ALIGN, in sizes of powers of two, kept for the next one, bounded in sum.
 * Any thread takes and gives back; one per worker keeps them apart.
 */
#ifndef SSD_BUFFERS_H
#define SSD_BUFFERS_H

#include <stddef.h>

struct buffers;

#define BUFFERS_LARGEST ((size_t)1 << 20)

/* At most `bytes` are handed out or kept.  NULL: no memory. */
struct buffers *buffers_new(size_t bytes);

/* Everything was given back.  *b is NULL afterwards. */
void buffers_free(struct buffers **b);

/* At least size bytes, at most BUFFERS_LARGEST; *got, which is how much it is, a multiple of IO_ALIGN.  NULL: the bound is reached, or no memory.
 * What is in it is anything. */
void *buffers_take(struct buffers *b, size_t size, size_t *got);

/* got: as buffers_take() said.  *data is NULL afterwards; NULL before is fine. */
void buffers_give(struct buffers *b, void **data, size_t got);

/* Bytes that are handed out, and those that are kept besides.  Any thread. */
void buffers_usage(struct buffers *b, size_t *out, size_t *kept);

#endif
