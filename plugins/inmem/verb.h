/* What the verbs have in common. */
#ifndef INMEM_VERB_H
#define INMEM_VERB_H

#include "rend/plugin.h"
#include "table.h"

static inline void
verb_enter(struct visit *v, struct table *t, const struct rend_op *op)
{
	table_enter(v, t, op->key, op->keylen, op->hash);
}

/* Is the item's version the one that was asked for, if one was? */
static inline bool
verb_version_fits(const struct rend_op *op, const struct item *it)
{
	return (op->ask.mode & REND_IF_CAS) == 0 || it->cas == op->ask.cas;
}

/* A paid item for the op's key; see table_item(). */
static inline struct item *
verb_item(struct table *t, const struct rend_op *op, size_t len)
{
	return table_item(t, op->key, op->keylen, op->hash, len);
}

/* Gives it a version, and puts it in. */
static inline void
verb_put(struct visit *v, const struct rend_op *op, struct item *it)
{
	it->cas = table_version(v->table, op->ask.cas_new);
	table_put(v, it);
}

/* What a storing verb answers with.  The item may have expired already, but is there until table_leave(). */
static inline void
verb_stored(struct rend_op *op, const struct item *it)
{
	op->item.cas = it->cas;
	op->item.have = op->ask.want & (REND_WANT_CAS | REND_WANT_SIZE);
	if (op->ask.want & REND_WANT_SIZE)
		op->item.size = it->buf.size;
}

#endif
