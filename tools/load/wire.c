/* One connection: see wire.h. */
#include "wire.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

int
wire_init(struct wire *w, uint32_t number, uint32_t depth, uint32_t width, const struct keys *k)
{
	*w = (struct wire){ .fd = -1, .number = number, .depth = depth, .width = width };
	w->ear.keys = k;
	w->ring = calloc(depth, sizeof *w->ring);
	if (width > 1)
		w->slots = calloc((size_t)depth * width, sizeof *w->slots);
	if (w->ring != NULL && (width == 1 || w->slots != NULL))
		return 0;
	wire_fini(w);
	return -1;
}

void
wire_fini(struct wire *w)
{
	wire_close(w);
	free(w->ring);
	free(w->slots);
	w->ring = NULL;
	w->slots = NULL;
}

static int
watch(struct wire *w, int epoll, int how, uint32_t events)
{
	struct epoll_event e = { .events = events, .data.ptr = w };

	return epoll_ctl(epoll, how, w->fd, &e);
}

int
wire_dial(struct wire *w, const struct target *t, const struct in_addr *from, int epoll)
{
	w->fd = target_dial(t, from);
	if (w->fd < 0)
		return -1;
	if (watch(w, epoll, EPOLL_CTL_ADD, EPOLLIN | EPOLLOUT) != 0) {
		wire_close(w);
		return -1;
	}
	w->state = WIRE_DIALING;
	return 0;
}

int
wire_dialed(struct wire *w, int epoll)
{
	int error = 0;
	socklen_t len = sizeof error;

	if (getsockopt(w->fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0)
		error = errno;
	if (error != 0)
		return error;
	w->state = WIRE_UP;
	w->blocked = false;
	return watch(w, epoll, EPOLL_CTL_MOD, EPOLLIN) == 0 ? 0 : errno;
}

void
wire_close(struct wire *w)
{
	if (w->fd >= 0)
		close(w->fd);
	w->fd = -1;
	w->state = WIRE_DOWN;
	w->head = w->count = w->written = 0;
	w->skip = 0;
	w->leaving = false;
	w->blocked = false;
	ear_reset(&w->ear);
}

static uint32_t
place(const struct wire *w, uint32_t n)
{
	uint32_t at = w->head + n;

	return at < w->depth ? at : at - w->depth;
}

struct request *
wire_next(struct wire *w)
{
	struct request *r = &w->ring[place(w, w->count)];

	*r = (struct request){ .width = 1 };
	return r;
}

void
wire_push(struct wire *w, struct request *r)
{
	/* Each key of several has an opaque of its own. */
	w->opaque += r->width > 1 ? r->width + 1 : 1;
	r->opaque = w->opaque;
	w->count++;
}

struct request *
wire_oldest(struct wire *w)
{
	struct request *r = &w->ring[w->head];

	return w->count > 0 && !r->over ? r : NULL;
}

uint32_t *
wire_slots(struct wire *w, const struct request *r)
{
	return w->slots == NULL ? NULL : w->slots + (size_t)(r - w->ring) * w->width;
}

void
wire_pop(struct wire *w)
{
	if (w->written == 0) {
		w->ring[w->head].over = true;
		return;
	}
	w->head = place(w, 1);
	w->count--;
	w->written--;
}

static int
block(struct wire *w, int epoll, bool blocked)
{
	if (w->blocked == blocked)
		return 0;
	w->blocked = blocked;
	return watch(w, epoll, EPOLL_CTL_MOD, blocked ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

/* n bytes were taken, of which those of each request in lens. */
static void
account(struct wire *w, const size_t *lens, uint32_t requests, size_t n)
{
	for (uint32_t i = 0; i < requests; i++) {
		if (n < lens[i]) {
			w->skip += n;
			return;
		}
		n -= lens[i];
		w->written++;
		w->skip = 0;
	}
}

/* What was answered early is written now. */
static void
pop_over(struct wire *w)
{
	if (w->written > 0 && w->ring[w->head].over)
		wire_pop(w);
}

#define AT_ONCE 64

int64_t
wire_write(struct wire *w, const struct proto *proto, const struct keys *k, int epoll, char *buf, size_t size)
{
	int64_t all = 0;

	while (w->written < w->count) {
		size_t lens[AT_ONCE], skip = (size_t)w->skip, left;
		uint32_t n = 0;
		char *end = buf;
		ssize_t sent;

		for (; n < AT_ONCE && w->written + n < w->count; n++) {
			const struct request *r = &w->ring[place(w, w->written + n)];
			char *from = end;

			if (n > 0 && proto_room(r->width, request_size(r)) > (size_t)(buf + size - end))
				break;
			end = proto->say(r, wire_slots(w, r), k, end);
			lens[n] = (size_t)(end - from) - (n == 0 ? skip : 0);
		}
		left = (size_t)(end - buf) - skip;
		sent = send(w->fd, buf + skip, left, MSG_NOSIGNAL);
		if (sent < 0 && errno != EAGAIN && errno != EINTR)
			return -1;
		if (sent > 0) {
			all += sent;
			account(w, lens, n, (size_t)sent);
			pop_over(w);
		}
		if (sent < (ssize_t)left) {
			if (block(w, epoll, true) != 0)
				return -1;
			return all;
		}
	}
	if (block(w, epoll, false) != 0)
		return -1;
	return all;
}
