/* Lists of requests, by their links. */
#include <stddef.h>

#include "back.h"

void
requests_append(struct io_requests *list, struct io_request *r)
{
	r->next = NULL;
	r->prev = list->last;
	if (list->last != NULL)
		list->last->next = r;
	else
		list->first = r;
	list->last = r;
	list->count++;
}

void
requests_prepend(struct io_requests *list, struct io_request *r)
{
	r->prev = NULL;
	r->next = list->first;
	if (list->first != NULL)
		list->first->prev = r;
	else
		list->last = r;
	list->first = r;
	list->count++;
}

void
requests_remove(struct io_requests *list, struct io_request *r)
{
	if (r->prev != NULL)
		r->prev->next = r->next;
	else
		list->first = r->next;
	if (r->next != NULL)
		r->next->prev = r->prev;
	else
		list->last = r->prev;
	r->next = r->prev = NULL;
	list->count--;
}
