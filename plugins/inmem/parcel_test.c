/* What the core does when a store is handed over: see parcel_test.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "parcel_test.h"
#include "shelves_test.h"
#include "succession.h"

struct rend_error err;

/* Descriptors are copied on their way. */
static struct rend_parcel
send(const struct rend_parcel *from)
{
	struct rend_parcel to = *from;

	for (unsigned i = 0; i < to.fd_count; i++)
		assert_true((to.fds[i] = dup(from->fds[i])) >= 0);
	return to;
}

static void
throw_away(struct rend_parcel *parcel)
{
	for (unsigned i = 0; i < parcel->fd_count; i++)
		close(parcel->fds[i]);
}

struct store *
try_to_take(const struct rend_parcel *from, uint64_t limit)
{
	return try_to_take_with(from, limit, 2);
}

struct store *
try_to_take_with(const struct rend_parcel *from, uint64_t limit, unsigned workers)
{
	struct rend_parcel parcel = send(from);
	struct store *s = store_take(limit, true, workers, &parcel, &err);

	if (s == NULL)
		throw_away(&parcel);
	return s;
}

struct rend_parcel
give_parcel(void)
{
	struct rend_parcel parcel = { 0 };

	leave(shelves[0]);
	leave(shelves[1]);
	if (store_give(store, &parcel, &err) != 0)
		fail_msg("%s", err.text);
	return parcel;
}

void
wait_with(struct store *next)
{
	for (unsigned w = 0; w < 2; w++)
		shelf_free(&shelves[w]);
	store_free(&store);
	store = next;
	for (unsigned w = 0; w < 2; w++)
		assert_non_null(shelves[w] = shelf_new(store, w));
}

void
go_on_with(struct store *next)
{
	wait_with(next);
	store_served(store);
}

void
hand_over(void)
{
	struct rend_parcel parcel = give_parcel();
	struct store *next = try_to_take(&parcel, store->arena.limit);

	assert_non_null(next);
	go_on_with(next);
}
