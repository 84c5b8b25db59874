/* Memory goes back to the system: pages that are warm become cold. */
#ifndef INMEM_COOLING_H
#define INMEM_COOLING_H

#include "pages.h"

/*
 * If more has memory behind it than is paid for, with all that is claimed or without: cools some of it, so little that the lock, which is held, is not
 * held for long.  true: there is more to be cooled.
 */
bool cooling_step(struct pages *p, bool claimed);

/* Cools until what has memory behind it is what is paid for.  The lock is free, and so it is between its steps; what was placed is not to be written
 * to meanwhile. */
void cooling_all(struct pages *p);

#endif
