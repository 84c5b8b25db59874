/* What the verbs have in common. */
#ifndef INMEM_VERB_H
#define INMEM_VERB_H

#include "rend/plugin.h"
#include "store.h"

/* Is the item's version the one that was asked for, if one was? */
static inline bool
verb_version_fits(const struct rend_op *op, const struct record *r)
{
	return (op->ask.mode & REND_IF_CAS) == 0 || r->version == op->ask.cas;
}

/* What a storing verb answers with: r has a version, whether it was put or had expired already. */
static inline void
verb_stored(struct rend_op *op, const struct record *r, size_t len)
{
	op->item.cas = r->version;
	op->item.have = op->ask.want & (REND_WANT_CAS | REND_WANT_SIZE);
	if (op->ask.want & REND_WANT_SIZE)
		op->item.size = len;
}

#endif
