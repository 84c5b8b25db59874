/* Items whose values are short texts, so that they can be written down and compared. */
#ifndef KIT_TEXT_H
#define KIT_TEXT_H

#include <stdbool.h>
#include <stdint.h>

#include "rend/op.h"

struct text_item {
	char text[32];
	uint32_t flags;
	int64_t exptime;
	uint64_t cas, number;
};

/* Drops what *v held and makes it a text, in one piece of memory that is counted. */
void text_give(struct rend_value *v, const char *text);

/* The pieces of memory that somebody still has.  Any thread. */
unsigned text_left(void);

/* Of flags, exptime, cas and number, all; of the value, what fits. */
struct text_item text_of(const struct rend_item *item);
bool text_same(const struct text_item *a, const struct text_item *b);

/* What is in it, for people, into TEXT_SAID bytes.  Returns to. */
#define TEXT_SAID 192
const char *text_say(const struct text_item *item, char *to);

/* Does what a handler does that found this: fills in what belongs to the op's verb, and rend_done(). */
void text_answer(struct rend_op *op, enum rend_status status, const struct text_item *found);

#endif
