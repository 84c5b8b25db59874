/*
 * Large values in the hands of others: answers that point at them, and memory for what is on its way to be stored.
 *
 * Who is slow to read an answer holds its value, whatever becomes of the key.  So values that are pinned are bounded (pages.pinned_most), and where
 * those that are pinned for more than a second or two are too many (pages.pinned_max), all others are bounded as they are: who reads slowly
 * takes from those who read fast only what they hold for a moment.  What would be more is copied, as far as pinned_max again, with room that is
 * made by evicting; then it is refused, until those who read slowly are done, or the core has closed their connections.
 */
#ifndef INMEM_PIN_H
#define INMEM_PIN_H

#include "large.h"
#include "rend/value.h"

/* Longer ones are not copied. */
#define PIN_COPY_MAX (1024 * 1024)

/* The value, which is empty, becomes the large one as it lies, with a pin.  For who is its owner or holds the lock of its home.  0, or -1: no
 * memory. */
int pin_give(struct pages *p, struct large *l, struct rend_value *value);

/* Are, with this value, which pin_give() made just now, more bytes pinned than may be? */
bool pin_is_over(const struct pages *p, const struct rend_value *value);

/* Bytes that a copy of the value takes from the budget; 0: it may not be copied, or too many are. */
size_t pin_copy_cost(const struct pages *p, const struct rend_value *value);

/* Makes a copy of it, for which so many bytes were taken from the budget; they are given back with it, or at once: -1, no memory. */
int pin_copy(struct pages *p, struct rend_value *value, size_t cost);

/* Memory for len bytes that are on their way: the value, which is empty, becomes the large one, whose owner's part goes over to it.  0, or -1:
 * no memory, the large one is dropped. */
int pin_lend(struct pages *p, struct large *l, struct rend_value *value);

/*
 * Pages that were given to another process are not changed any more: of who lets go of a value it is only noted.  pins_give() lists all that is
 * held, as offsets in the mapping, in memory that the caller frees: 0, or -1: no memory.  pins_keep(): they are ours again, and it is made up for;
 * pins_leave(): they never will be.  Not while an op is under way.
 */
struct pins_held {
	uint64_t offset;
	bool lent;
};
int pins_give(struct pages *p, struct pins_held **held, uint64_t *count);
void pins_keep(struct pages *p);
void pins_leave(struct pages *p);

/* The large one of a value that came in memory that was lent for it, with an owner's part for the caller; NULL: it came in other memory. */
struct large *pin_returned(struct pages *p, const struct rend_value *value);

#endif
