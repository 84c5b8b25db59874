/* What both floors do: see floor.h. */
#include "floor.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define EVENTS_MAX  512
#define ACCEPTS_MAX 64

static int loop = -1;
static int listener = -1;
static peer_take *client_take;
static struct peer *to_do; /* at the end of the turn */

static void
give_up(const char *what)
{
	perror(what);
	exit(1);
}

/* ---- bytes ---- */

void
bytes_add(struct bytes *b, const void *p, size_t len)
{
	if (len > b->room - b->len) {
		b->room = (b->len + len) * 2;
		b->p = realloc(b->p, b->room);
		if (b->p == NULL)
			give_up("memory");
	}
	memcpy(b->p + b->len, p, len);
	b->len += len;
}

void
bytes_drop(struct bytes *b, size_t len)
{
	b->len -= len;
	if (b->len > 0)
		memmove(b->p, b->p + len, b->len);
}

/* ---- requests ---- */

size_t
number_before(const char *begin, const char *end)
{
	const char *p = end;
	size_t n = 0;

	while (p > begin && p[-1] >= '0' && p[-1] <= '9')
		p--;
	for (; p < end; p++)
		n = n * 10 + (size_t)(*p - '0');
	return n;
}

static size_t
text_length(const char *p, size_t len)
{
	const char *newline = memchr(p, '\n', len);
	size_t line;

	if (newline == NULL)
		return 0;
	line = (size_t)(newline + 1 - p);
	if (*p == 's')
		line += number_before(p, newline - 1) + 2;
	return line <= len ? line : 0;
}

static size_t
binary_length(const char *p, size_t len)
{
	uint32_t body;

	if (len < 24)
		return 0;
	memcpy(&body, p + 8, sizeof body);
	return 24 + (size_t)ntohl(body) <= len ? 24 + (size_t)ntohl(body) : 0;
}

size_t
request_length(const char *p, size_t len)
{
	if (len == 0)
		return 0;
	return (unsigned char)*p == 0x80 ? binary_length(p, len) : text_length(p, len);
}

/* ---- peers ---- */

static struct peer *
peer_new(int fd, peer_take *take)
{
	struct peer *peer = calloc(1, sizeof *peer);
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = peer };

	if (peer == NULL || epoll_ctl(loop, EPOLL_CTL_ADD, fd, &event) != 0)
		give_up("a connection");
	peer->fd = fd;
	peer->take = take;
	return peer;
}

void
peer_owes(struct peer *peer)
{
	if (peer->listed)
		return;
	peer->listed = true;
	peer->next = to_do;
	to_do = peer;
}

static void
peer_close(struct peer *peer)
{
	if (peer->gone)
		return;
	if (peer->take != client_take)
		give_up("the backend is gone");
	close(peer->fd);
	peer->gone = true;
	peer_owes(peer);
}

static void
wait_to_write(struct peer *peer, bool wait)
{
	struct epoll_event event = { .events = wait ? EPOLLIN | EPOLLOUT : EPOLLIN, .data.ptr = peer };

	if (peer->blocked == wait)
		return;
	peer->blocked = wait;
	epoll_ctl(loop, EPOLL_CTL_MOD, peer->fd, &event);
}

static void
peer_write(struct peer *peer)
{
	ssize_t n;

	if (peer->out.len == 0)
		return;
	n = send(peer->fd, peer->out.p, peer->out.len, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (n < 0 && errno != EAGAIN) {
		peer_close(peer);
		return;
	}
	if (n > 0)
		bytes_drop(&peer->out, (size_t)n);
	wait_to_write(peer, peer->out.len > 0);
}

static void
peer_read(struct peer *peer)
{
	static char buffer[256 * 1024];
	ssize_t n = recv(peer->fd, buffer, sizeof buffer, MSG_DONTWAIT);
	size_t used;

	if (n == 0 || (n < 0 && errno != EAGAIN)) {
		peer_close(peer);
		return;
	}
	if (n < 0)
		return;
	if (peer->in.len == 0) {
		used = peer->take(peer, buffer, (size_t)n);
		if (used < (size_t)n)
			bytes_add(&peer->in, buffer + used, (size_t)n - used);
		return;
	}
	bytes_add(&peer->in, buffer, (size_t)n);
	bytes_drop(&peer->in, peer->take(peer, peer->in.p, peer->in.len));
}

/* What each listed peer is owed goes out.  One that is closed stays as long as answers for it are under way. */
static void
end_turn(void)
{
	struct peer *peer;

	while ((peer = to_do) != NULL) {
		to_do = peer->next;
		peer->listed = false;
		if (!peer->gone)
			peer_write(peer);
		else if (peer->owed == 0) {
			free(peer->in.p);
			free(peer->out.p);
			free(peer);
		}
	}
}

/* ---- the loop ---- */

static void
no_delay(int fd)
{
	int one = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
}

void
floor_listen(int port, peer_take *take)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	struct epoll_event event = { .events = EPOLLIN };
	struct rlimit files;
	socklen_t len = sizeof at;

	signal(SIGPIPE, SIG_IGN);
	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	client_take = take;
	loop = epoll_create1(EPOLL_CLOEXEC);
	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (listener < 0 || bind(listener, (struct sockaddr *)&at, sizeof at) != 0 || listen(listener, 4096) != 0 ||
	    getsockname(listener, (struct sockaddr *)&at, &len) != 0 ||
	    epoll_ctl(loop, EPOLL_CTL_ADD, listener, &event) != 0)
		give_up("listening");
	fprintf(stderr, "listening on 127.0.0.1:%u\n", ntohs(at.sin_port));
}

struct peer *
floor_connect(const char *path, peer_take *take)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(to.sun_path, sizeof to.sun_path, "%s", path);
	if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof to) != 0)
		give_up(path);
	return peer_new(fd, take);
}

static void
accept_clients(void)
{
	int fd;

	for (int i = 0; i < ACCEPTS_MAX; i++) {
		fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd < 0)
			return;
		no_delay(fd);
		peer_new(fd, client_take);
	}
}

static void
serve_event(struct epoll_event *event)
{
	struct peer *peer = event->data.ptr;

	if (peer == NULL) {
		accept_clients();
		return;
	}
	if (event->events & EPOLLOUT)
		peer_owes(peer);
	if (event->events & (EPOLLIN | EPOLLHUP | EPOLLERR))
		peer_read(peer);
}

void
floor_serve(void)
{
	struct epoll_event events[EVENTS_MAX];
	int n;

	for (;;) {
		n = epoll_wait(loop, events, EVENTS_MAX, -1);
		for (int i = 0; i < n; i++)
			serve_event(&events[i]);
		end_turn();
	}
}
