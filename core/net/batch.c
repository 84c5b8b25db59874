/* Commands that arrived together: see batch.h. */
#include "net/batch.h"

#include "engine/node.h"
#include "net/conn.h"

void
batch_begin(struct batch *b, struct conn *c)
{
	b->conn = c;
	b->count = 0;
	b->hinted = c->policy->hinted != NULL;
}

static void
ask(struct conn *c, const struct asked *asked, struct rend_op *op)
{
	if (!answers_add(c, asked, op))
		conn_close(c);
}

static void
announce(const struct batch *b)
{
	uint64_t hashes[BATCH_MAX];

	for (unsigned i = 0; i < b->count; i++)
		hashes[i] = b->all[i].op->hash;
	node_prefetch(b->conn->policy, &b->conn->loop->worker, hashes, b->count);
}

void
batch_ask(struct batch *b)
{
	struct conn *c = b->conn;

	if (b->count > 1)
		announce(b);
	for (unsigned i = 0; i < b->count; i++) {
		if (c->gone)
			rend_op_free(&b->all[i].op);
		else
			ask(c, &b->all[i].asked, b->all[i].op);
	}
	b->count = 0;
}

void
batch_answer(struct batch *b, const struct asked *asked, struct rend_op *op)
{
	batch_ask(b);
	ask(b->conn, asked, op);
}

void
batch_add(struct batch *b, const struct asked *asked, struct rend_op *op, bool more)
{
	if (b->count == 0 && !(b->hinted && more && conn_has_room_for(b->conn, BATCH_MAX))) {
		ask(b->conn, asked, op);
		return;
	}
	b->all[b->count++] = (struct batched){ op, *asked };
	if (b->count == BATCH_MAX)
		batch_ask(b);
}
