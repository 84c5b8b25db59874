/* May this op still store?  What keeps a late promotion from overwriting a newer write. */
#ifndef REND_GUARD_H
#define REND_GUARD_H

#include "rend/op.h"

REND_BEGIN

/*
 * A policy that reads one tier and stores into another begins by looking at the key's guard word; every mutation of that key changes
 * the word.  A handler that stores must ask here, under the lock that makes its insert visible, whether the word is still as it was,
 * and answer NOT_STORED if not.  A change of exptime (touch, gat), an empty item (REND_VIVIFY) and a mark (REND_INVALIDATE) honour it in
 * the same way.  A handler that does so, and knows REND_ONLY_EARLIER, says REND_CAN_GUARD in its descriptor; a policy whose table has
 * a guard refuses to load over one that does not.
 *
 * true for an op without a guard.  Any thread that has the op.
 */
REND_API bool rend_guard_holds(const struct rend_op *op);

REND_END

#endif
