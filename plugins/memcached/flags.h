/* The flags of a meta answer, as in "VA 5 f3 c9 t100 O7". */
#ifndef MEMCACHED_FLAGS_H
#define MEMCACHED_FLAGS_H

#include "answer.h"
#include "word.h"

/*
 * Reads the rest of a line of flags into a->item; a->hit is set already.  NULL, or what is wrong with them: static.  wall: unix seconds now.
 */
const char *flags_read(struct answer *a, struct line *l, const struct question *asked, int64_t wall);

#endif
