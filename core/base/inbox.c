/* Calls for a thread: a stack without locks, and an eventfd. */
#include <sys/eventfd.h>

#include <errno.h>
#include <unistd.h>

#include "base/inbox.h"
#include "rend/check.h"

int
inbox_init(struct inbox *in)
{
	*in = (struct inbox){ .fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC) };
	return in->fd == -1 ? -1 : 0;
}

void
inbox_fini(struct inbox *in)
{
	REND_ASSERT(__atomic_load_n(&in->top, __ATOMIC_RELAXED) == NULL);
	close(in->fd);
	*in = (struct inbox){ .fd = -1 };
}

void
inbox_put(struct inbox *in, struct rend_call *call)
{
	struct rend_call *top = __atomic_load_n(&in->top, __ATOMIC_RELAXED);
	uint64_t one = 1;
	int fd = in->fd;

	/* The owner takes all or nothing, so an old top that comes back (ABA) is as good as a new one. */
	do
		call->next = top;
	while (!__atomic_compare_exchange_n(&in->top, &top, call, true, __ATOMIC_RELEASE, __ATOMIC_RELAXED));
	if (top != NULL)
		return;
	while (write(fd, &one, sizeof(one)) != sizeof(one))
		REND_ASSERT(errno == EINTR);
}

/* How many wakes the fd had to tell. */
static uint64_t
inbox_reset(struct inbox *in)
{
	uint64_t n;

	for (;;) {
		if (read(in->fd, &n, sizeof(n)) == sizeof(n))
			return n;
		if (errno != EINTR)
			return 0;
	}
}

struct rend_call *
inbox_take(struct inbox *in)
{
	struct rend_call *call, *next, *oldest = NULL;

	/*
	 * Each batch brings one write to the fd, perhaps after we took it.  When none is owed, an empty inbox costs no
	 * system call.
	 */
	if (in->owed == 0 && __atomic_load_n(&in->top, __ATOMIC_RELAXED) == NULL)
		return NULL;

	/* The fd first: the wake of a call that comes between the two lines must not be lost. */
	in->owed -= inbox_reset(in);
	call = __atomic_exchange_n(&in->top, NULL, __ATOMIC_ACQUIRE);
	if (call != NULL)
		in->owed++;

	for (; call != NULL; call = next) {
		next = call->next;
		call->next = oldest;
		oldest = call;
	}
	return oldest;
}
