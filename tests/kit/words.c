/* Items with texts: see words.h. */
#include "words.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static unsigned buffers; /* atomic */

static void
words_release(struct rend_buf *buf)
{
	free(buf);
	__atomic_sub_fetch(&buffers, 1, __ATOMIC_RELAXED);
}

void
words_give(struct rend_value *v, const char *text)
{
	size_t len = strlen(text);
	struct rend_buf *buf;

	rend_value_drop(v);
	if (len == 0)
		return;
	buf = malloc(sizeof *buf + len);
	if (buf == NULL)
		abort();
	memcpy(buf + 1, text, len);
	__atomic_add_fetch(&buffers, 1, __ATOMIC_RELAXED);
	rend_buf_init(buf, buf + 1, len, words_release);
	rend_value_add(v, buf, buf->data, len);
}

struct words_item
words_of(const struct rend_item *item)
{
	struct words_item t = {
		.flags = item->flags, .exptime = item->exptime, .cas = item->cas, .number = item->number
	};

	rend_value_copy_out(&item->value, 0, t.text, sizeof t.text - 1);
	return t;
}

bool
words_same(const struct words_item *a, const struct words_item *b)
{
	return strcmp(a->text, b->text) == 0 && a->flags == b->flags && a->exptime == b->exptime && a->cas == b->cas &&
	       a->number == b->number;
}

unsigned
words_left(void)
{
	return __atomic_load_n(&buffers, __ATOMIC_RELAXED);
}

const char *
words_say(const struct words_item *item, char *to)
{
	snprintf(to, TEXT_SAID, "\"%s\" flags %u exptime %lld cas %llu number %llu", item->text, item->flags,
	    (long long)item->exptime, (unsigned long long)item->cas, (unsigned long long)item->number);
	return to;
}

void
words_answer(struct rend_op *op, enum rend_status status, const struct words_item *found)
{
	if (status == REND_OK && op->verb == REND_GET) {
		words_give(&op->item.value, found->text);
		op->item.flags = found->flags;
		op->item.exptime = found->exptime;
		op->item.have = op->ask.want;
		op->item.signs = found->signs;
		op->item.link = found->link;
	}
	if (status == REND_OK && (op->verb == REND_GET || rend_verb_stores(op->verb)))
		op->item.cas = found->cas;
	if (status == REND_OK && (op->verb == REND_INCR || op->verb == REND_DECR)) {
		op->item.cas = found->cas;
		op->item.number = found->number;
	}
	rend_done(op, status);
}
