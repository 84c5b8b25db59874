/* Intrusive rings.  A head is a ring of its own; a member is in one ring at a time. */
#ifndef LOCKED_RING_H
#define LOCKED_RING_H

#include <stdbool.h>
#include <stddef.h>

struct ring {
	struct ring *next, *prev;
};

#define RING_OBJ(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

static inline void
ring_init(struct ring *head)
{
	head->next = head->prev = head;
}

static inline bool
ring_empty(const struct ring *head)
{
	return head->next == head;
}

static inline void
ring_append(struct ring *head, struct ring *r)
{
	r->next = head;
	r->prev = head->prev;
	head->prev->next = r;
	head->prev = r;
}

static inline void
ring_remove(struct ring *r)
{
	r->prev->next = r->next;
	r->next->prev = r->prev;
}

/* Takes the first one out, or NULL. */
static inline struct ring *
ring_take(struct ring *head)
{
	struct ring *r = head->next;

	if (r == head)
		return NULL;
	ring_remove(r);
	return r;
}

#endif
