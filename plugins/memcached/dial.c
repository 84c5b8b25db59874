/* An attempt to connect. */
#include "dial.h"

#include <errno.h>
#include <event2/event.h>
#include <poll.h>
#include <unistd.h>

static void on_event(evutil_socket_t fd, short what, void *arg);

/* Is connected or on its way: 0.  Else -1 and errno, and nothing is open. */
static int
try_route(struct dial *d)
{
	const struct route *to = &d->to->route[d->route];
	struct timeval tv = { .tv_sec = (time_t)(d->limit / 1000000000),
		.tv_usec = (suseconds_t)(d->limit % 1000000000 / 1000) };
	int e;

	d->fd = socket(to->addr.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (d->fd < 0)
		return -1;
	e = connect(d->fd, (const struct sockaddr *)&to->addr, to->len) == 0 ? 0 : errno;
	if (e == 0 || e == EINPROGRESS) {
		/* Also when it is there already: then the socket is writable, and there is one way to go on. */
		d->event = event_new(d->base, d->fd, EV_WRITE, on_event, d);
		if (d->event != NULL && event_add(d->event, &tv) == 0)
			return 0;
		e = ENOMEM;
	}
	if (d->event != NULL)
		event_free(d->event);
	d->event = NULL;
	close(d->fd);
	errno = e;
	return -1;
}

static void
try_from(struct dial *d, size_t route)
{
	int error = 0;

	for (d->route = route; d->route < d->to->count; d->route++) {
		if (try_route(d) == 0)
			return;
		error = errno;
	}
	d->done(d->arg, -1, error);
}

/*
 * What became of it: 0, or an errno.  Where we are late ourselves its time may be over, and it be there all the same: of the two,
 * libevent tells the first only.
 */
static int
outcome(int fd, short what)
{
	struct pollfd p = { .fd = fd, .events = POLLOUT };
	socklen_t len = sizeof(int);
	int e = 0;

	if ((what & EV_TIMEOUT) && poll(&p, 1, 0) <= 0)
		return ETIMEDOUT;
	return getsockopt(fd, SOL_SOCKET, SO_ERROR, &e, &len) == 0 ? e : errno;
}

static void
on_event(evutil_socket_t fd, short what, void *arg)
{
	struct dial *d = arg;
	int e = outcome(fd, what), mine = d->fd;

	if (e == 0) {
		event_free(d->event);
		d->event = NULL;
		d->done(d->arg, mine, 0);
		return;
	}
	dial_cancel(d);
	if (d->route + 1 < d->to->count)
		try_from(d, d->route + 1);
	else
		d->done(d->arg, -1, e);
}

void
dial_start(struct dial *d)
{
	try_from(d, 0);
}

void
dial_cancel(struct dial *d)
{
	if (d->event == NULL)
		return;
	event_free(d->event);
	d->event = NULL;
	close(d->fd);
}
