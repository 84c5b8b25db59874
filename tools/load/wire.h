/*
 * One connection to the server, and what is under way on it:
 *
 *	ring:	 head                          head + count
 *		  │ answers come for these ...  │
 *		  └── written ──►│└ not written yet ┘
 *
 * Nothing that was written is kept: what the kernel did not take is made again from its request.
 */
#ifndef LOAD_WIRE_H
#define LOAD_WIRE_H

#include "proto.h"
#include "target.h"

enum wire_state { WIRE_DOWN, WIRE_DIALING, WIRE_UP };

struct wire {
	int fd;
	uint32_t number;
	enum wire_state state;
	bool idle;     /* asks once, then is silent */
	bool blocked;  /* waits until it can write */
	bool leaving;  /* is to be closed once nothing is under way */
	bool finished; /* there is nothing more for it */
	bool ready;    /* it is in the list of those that can take a request */
	struct wire *next_ready;
	uint64_t since;	   /* ns: the last answer, or the beginning of waiting for one */
	uint64_t retry_at; /* ns: when to dial again */

	struct request *ring;
	uint32_t *slots; /* width of them for each place of the ring; NULL if width is 1 */
	uint32_t depth, width, head, count;
	uint32_t written; /* of count, those that are on their way */
	uint64_t skip;	  /* bytes of the next one that are, too */
	uint32_t opaque;  /* the last one */
	struct ear ear;
};

/* 0, or -1: no memory. */
int wire_init(struct wire *w, uint32_t number, uint32_t depth, uint32_t width, const struct keys *k);
void wire_fini(struct wire *w);

/* Begins to dial; epoll tells how it ends.  0, or -1: errno says why. */
int wire_dial(struct wire *w, const struct target *t, const struct in_addr *from, int epoll);

/* The dialing has ended.  0: it is up; or an errno. */
int wire_dialed(struct wire *w, int epoll);

void wire_close(struct wire *w);

/* The next place of the ring, all-zero; there must be room.  wire_push() makes it a request that is to be written. */
struct request *wire_next(struct wire *w);
void wire_push(struct wire *w, struct request *r);

/* The one whose answer comes next, or NULL. */
struct request *wire_oldest(struct wire *w);
uint32_t *wire_slots(struct wire *w, const struct request *r);

/* The oldest one is answered.  It keeps its place until all of it was written: a server may refuse what it has not read yet. */
void wire_pop(struct wire *w);

/* Writes what is to be written, as far as the kernel takes it.  buf must have room for any one request.  Returns the bytes, or -1. */
int64_t wire_write(struct wire *w, const struct proto *proto, const struct keys *k, int epoll, char *buf, size_t size);

#endif
