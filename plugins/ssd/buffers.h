/*
 * Memory for what is read: aligned to IO_ALIGN, bounded in sum.  Up to BUFFERS_KEPT it comes in sizes of powers of two and is kept for the
 * next one; what is larger is taken from the system and goes back there.
 *
 *	take ─► shelf of this number ─ none, or somebody is at it ─► system, up to the bound
 *
 * Any thread takes and gives back, and waits for nobody: each thread has a shelf number of its own, so that it is seldom met there.
 */
#ifndef SSD_BUFFERS_H
#define SSD_BUFFERS_H

#include <stddef.h>

struct buffers;

#define BUFFERS_KEPT ((size_t)1 << 20)

/* At most `bytes` are handed out or kept.  NULL: no memory. */
struct buffers *buffers_new(size_t bytes);

/* Everything was given back.  *b is NULL afterwards. */
void buffers_free(struct buffers **b);

/* At least size bytes; *got, which is how much it is, a multiple of IO_ALIGN.  shelf: any number.  NULL: the bound is reached, or no memory.
 * What is in it is anything. */
void *buffers_take(struct buffers *b, unsigned shelf, size_t size, size_t *got);

/* shelf, got: as of buffers_take().  *data is NULL afterwards; NULL before is fine. */
void buffers_give(struct buffers *b, unsigned shelf, void **data, size_t got);

/* Bytes that are handed out, and those that are kept besides.  Any thread. */
void buffers_usage(struct buffers *b, size_t *out, size_t *kept);

#endif
