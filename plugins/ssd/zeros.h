/*
 * Memory that a store has from its begin to its end, or while it is rebuilt: zeros, and all of it is there at once, so that nobody finds later that there is none.
 *
 * Who opens a store waits for it, and in an upgrade all clients do.  A page that is touched for the first time costs a trap into the kernel, which for
 * the segments in RAM alone was most of what an opening took: so what is large is asked for as a whole, in huge pages where there are some.  With
 * fewer pages fewer of their addresses are looked for later, too, when an index is asked, which is anywhere in its memory each time.
 */
#ifndef SSD_ZEROS_H
#define SSD_ZEROS_H

#include <stddef.h>

/* Aligned for what is written to a disk directly (IO_ALIGN).  NULL: there is not so much. */
void *zeros_new(size_t bytes);

/* The same number of bytes; memory may be NULL. */
void zeros_free(void *memory, size_t bytes);

#endif
