/* Items whose values are short texts, so that they can be written down and compared. */
#ifndef KIT_WORDS_H
#define KIT_WORDS_H

#include <stdbool.h>
#include <stdint.h>

#include "rend/op.h"

struct words_item {
	char text[32];
	uint32_t flags;
	int64_t exptime;
	uint64_t cas, number;
	uint32_t signs; /* of an answer */
	uint64_t link;	/* the same */
};

/* Drops what *v held and makes it a text, in one piece of memory that is counted. */
void words_give(struct rend_value *v, const char *text);

/* The pieces of memory that somebody still has.  Any thread. */
unsigned words_left(void);

/* Of flags, exptime, cas and number, all; of the value, what fits. */
struct words_item words_of(const struct rend_item *item);
bool words_same(const struct words_item *a, const struct words_item *b);

/* What is in it, for people, into TEXT_SAID bytes.  Returns to. */
#define TEXT_SAID 192
const char *words_say(const struct words_item *item, char *to);

/* Does what a handler does that found this: fills in what belongs to the op's verb, and rend_done(). */
void words_answer(struct rend_op *op, enum rend_status status, const struct words_item *found);

#endif
