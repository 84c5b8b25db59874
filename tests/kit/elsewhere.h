/* One who answers an op from another thread. */
#ifndef KIT_ELSEWHERE_H
#define KIT_ELSEWHERE_H

#include "words.h"

struct elsewhere;

/* Starts the thread.  NULL: it cannot be had. */
struct elsewhere *elsewhere_new(void);

/* Ends it; everything it was given is answered. */
void elsewhere_free(struct elsewhere **ep);

/* It will words_answer() this, in its own time.  One at a time: not before the last one has come home. */
void elsewhere_give(struct elsewhere *e, struct rend_op *op, enum rend_status status, const struct words_item *found);

#endif
