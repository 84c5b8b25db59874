/*
 * Things with seats: each keeps its number while it is there, so that one who looks at all of them a few at a time can go on
 * where it was, whoever has come and gone meanwhile.
 *
 *	[ a | free | c | d | free | ... room ]
 */
#ifndef NET_ROSTER_H
#define NET_ROSTER_H

#include <stdint.h>

struct roster {
	void **seats; /* an object, or an odd number: twice the next free seat, and one */
	uint32_t room, used;
	uint32_t free; /* 1 + the first free seat below used; 0: none */
};

/* Gives obj (not NULL) a seat.  0, or -1: no memory. */
int roster_add(struct roster *r, void *obj, uint32_t *seat);

/* The seat is free. */
void roster_remove(struct roster *r, uint32_t seat);

/* The first one from seat *from on; *from is the seat behind it then.  NULL: there is none. */
void *roster_next(const struct roster *r, uint64_t *from);

void roster_fini(struct roster *r);

#endif
