/*
 * Intrusive doubly linked lists.  The list is a ring through its head:
 *
 *	head ⇄ first ⇄ ... ⇄ last ⇄ head
 *
 * A struct list that is all-zero is an empty list too, and a struct link that is all-zero is in none.
 */
#ifndef BASE_LIST_H
#define BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct link {
	struct link *next, *prev;
};

struct list {
	struct link head;
};

#define LIST_OBJ(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

/* The body may remove `it`, and nothing else. */
#define LIST_EACH(it, list)                                                                                \
	for (struct link *it = list_first(list), *it##_next = it ? list_next(list, it) : NULL; it != NULL; \
	     it = it##_next, it##_next = it ? list_next(list, it) : NULL)

static inline bool
list_empty(const struct list *l)
{
	return l->head.next == NULL || l->head.next == &l->head;
}

static inline bool
link_listed(const struct link *k)
{
	return k->next != NULL;
}

static inline struct link *
list_first(struct list *l)
{
	return list_empty(l) ? NULL : l->head.next;
}

static inline struct link *
list_last(struct list *l)
{
	return list_empty(l) ? NULL : l->head.prev;
}

static inline struct link *
list_next(struct list *l, struct link *k)
{
	return k->next == &l->head ? NULL : k->next;
}

static inline struct link *
list_prev(struct list *l, struct link *k)
{
	return k->prev == &l->head ? NULL : k->prev;
}

/* Puts k behind `at`, which is in a list. */
static inline void
link_after(struct link *at, struct link *k)
{
	k->prev = at;
	k->next = at->next;
	at->next->prev = k;
	at->next = k;
}

static inline void
list_append(struct list *l, struct link *k)
{
	if (l->head.next == NULL)
		l->head.next = l->head.prev = &l->head;
	link_after(l->head.prev, k);
}

static inline void
list_prepend(struct list *l, struct link *k)
{
	if (l->head.next == NULL)
		l->head.next = l->head.prev = &l->head;
	link_after(&l->head, k);
}

/* Takes k out of its list; nothing if it is in none. */
static inline void
link_remove(struct link *k)
{
	if (k->next == NULL)
		return;
	k->prev->next = k->next;
	k->next->prev = k->prev;
	k->next = k->prev = NULL;
}

/* Takes the first one out, or NULL. */
static inline struct link *
list_take(struct list *l)
{
	struct link *k = list_first(l);

	if (k != NULL)
		link_remove(k);
	return k;
}

/* Moves all of *from behind what *to has; *from is empty afterwards. */
static inline void
list_move(struct list *to, struct list *from)
{
	struct link *k;

	if (list_empty(from))
		return;
	if (list_empty(to)) {
		to->head = from->head;
		to->head.next->prev = &to->head;
		to->head.prev->next = &to->head;
		from->head.next = from->head.prev = NULL;
		return;
	}
	while ((k = list_take(from)) != NULL)
		list_append(to, k);
}

#endif
