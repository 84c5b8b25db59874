/*
 * What a store gives, in a letter.
 */
#ifndef NET_PARCEL_LETTER_H
#define NET_PARCEL_LETTER_H

#include <stdint.h>

#include "base/error.h"
#include "engine/parcels.h"

struct letter;

/* Sends what this node gave, by then (monotonic ns), over fd.  0, or -1 with the reason.  Any thread. */
int parcel_letter_send(int fd, const struct rend_node *n, const char *role, const struct rend_parcel *p, uint64_t until,
    struct rend_error *err);

/* Adds one that came.  0, or -1: it is not to be believed, or there is no memory; nothing is left open. */
int parcel_letter_read(struct letter *l, struct parcels *ps);

#endif
