/* Who is at it, and who waits: see line.h. */
#include "line.h"

#include <string.h>

#include "task.h"

static struct task **
slot(struct line *l, const struct task *t)
{
	return &l->slots[t->op->hash % LINE_SLOTS];
}

static bool
same_key(const struct task *a, const struct task *b)
{
	return a->op->keylen == b->op->keylen && memcmp(a->op->key, b->op->key, a->op->keylen) == 0;
}

bool
line_enter(struct line *l, struct task *t, void (*go)(struct task *t))
{
	struct task *at = *slot(l, t);

	while (at != NULL && !same_key(at, t))
		at = at->beside;
	t->resume = go;
	t->next = NULL;
	if (at == NULL) {
		t->in_line = true;
		t->beside = *slot(l, t);
		*slot(l, t) = t;
		return true;
	}
	/* The first one points at the last one, and that one at the first: a ring through next. */
	if (at->behind == NULL) {
		t->next = t;
	} else {
		t->next = at->behind->next;
		at->behind->next = t;
	}
	at->behind = t;
	return false;
}

void
line_leave(struct line *l, struct task *t)
{
	struct task **at = slot(l, t), *last = t->behind, *first;

	while (*at != t)
		at = &(*at)->beside;
	t->in_line = false;
	*at = t->beside;
	if (last == NULL)
		return;
	first = last->next;
	first->behind = first == last ? NULL : last;
	last->next = first->next;
	first->in_line = true;
	first->beside = *slot(l, t);
	*slot(l, t) = first;
	task_later(first, true, first->resume);
}
