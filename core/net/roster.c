/* Things with seats: see roster.h. */
#include "net/roster.h"

#include <stdlib.h>

#define ROOM_LEAST 64

static void *
free_seat(uint32_t next)
{
	return (void *)((uintptr_t)next * 2 + 1);
}

static int
is_free(const void *seat)
{
	return (uintptr_t)seat & 1;
}

static int
grow(struct roster *r)
{
	uint32_t room = r->room == 0 ? ROOM_LEAST : r->room * 2;
	void **seats = reallocarray(r->seats, room, sizeof *seats);

	if (seats == NULL)
		return -1;
	r->seats = seats;
	r->room = room;
	return 0;
}

int
roster_add(struct roster *r, void *obj, uint32_t *seat)
{
	if (r->free != 0) {
		*seat = r->free - 1;
		r->free = (uint32_t)((uintptr_t)r->seats[*seat] / 2);
	} else {
		if (r->used == r->room && grow(r) != 0)
			return -1;
		*seat = r->used++;
	}
	r->seats[*seat] = obj;
	return 0;
}

void
roster_remove(struct roster *r, uint32_t seat)
{
	r->seats[seat] = free_seat(r->free);
	r->free = seat + 1;
}

void *
roster_next(const struct roster *r, uint64_t *from)
{
	while (*from < r->used) {
		void *obj = r->seats[(*from)++];

		if (!is_free(obj))
			return obj;
	}
	return NULL;
}

void
roster_fini(struct roster *r)
{
	free(r->seats);
	*r = (struct roster){ 0 };
}
