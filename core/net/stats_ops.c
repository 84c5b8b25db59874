/* `stats ops`: what is under way, worker by worker, the oldest of each node first. */
#include "net/stats_groups.h"

#include <inttypes.h>
#include <stdio.h>

#include "engine/pending.h"
#include "net/server.h"
#include "rend/op.h"

/* Ops of one node that are shown, and bytes of a key. */
#define OPS_SHOWN 32
#define KEY_SHOWN 64

#define OP_BYTES  (3 * KEY_SHOWN + 512)

struct sheet {
	struct page *page;
	int worker;
	unsigned shown;
};

/* Any byte that would not leave the line a line is %XX; what is cut off is "...". */
static void
print_key(const struct pending *op, char *to)
{
	size_t len = op->keylen > KEY_SHOWN ? KEY_SHOWN : op->keylen;

	for (size_t i = 0; i < len; i++) {
		unsigned char b = (unsigned char)op->key[i];

		if (b > ' ' && b <= '~' && b != '%')
			*to++ = (char)b;
		else
			to += sprintf(to, "%%%02X", b);
	}
	sprintf(to, "%s", len < op->keylen ? "..." : "");
}

static bool
write_op(const struct pending *op, void *arg)
{
	struct sheet *s = arg;
	char name[48], key[3 * KEY_SHOWN + 4];

	if (!page_has_room(s->page, OP_BYTES))
		return false;
	print_key(op, key);
	snprintf(name, sizeof name, "%d:%u", s->worker, ++s->shown);
	page_line(s->page, name, "age_ms=%" PRIu64 ".%03u of=%s verb=%s node=%.64s via=%.64s row=%.64s key=%s",
	    op->age / 1000000, (unsigned)(op->age / 1000 % 1000), op->is_child ? "policy" : "client", op->verb,
	    op->node, op->via == NULL ? "-" : op->via, op->row == NULL ? "-" : op->row, key);
	return true;
}

bool
stats_ops(struct loop *at, struct page *page, uint64_t *cursor)
{
	struct sheet s = { .page = page, .worker = at->worker.index };
	char name[32];

	snprintf(name, sizeof name, "%d:in_flight", s.worker);
	page_line(page, name, "%" PRIu64, pending_count(&at->worker));
	pending_each(&at->worker, OPS_SHOWN, write_op, &s);
	return false;
}
