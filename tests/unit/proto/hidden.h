/*
 * The item of an op that timed out is still its handler's, who may be filling it on another thread: under
 * AddressSanitizer, looking at a hidden one is an error.
 */
#ifndef HIDDEN_H
#define HIDDEN_H

#include "rend/op.h"

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#endif

static inline void
item_hide(struct rend_op *op)
{
#ifdef __SANITIZE_ADDRESS__
	__asan_poison_memory_region(&op->item, sizeof(op->item));
#endif
}

static inline void
item_show(struct rend_op *op)
{
#ifdef __SANITIZE_ADDRESS__
	__asan_unpoison_memory_region(&op->item, sizeof(op->item));
#endif
}

#endif
