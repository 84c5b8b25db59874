/*
 * Passes a backend's answers on some time late, as a longer way to it would: what is asked goes through at once, and however much is under
 * way at a time, each piece of an answer is late by the same.
 *
 *	client ─────────────────────────────────► backend
 *	client ◄── [ due 3 | due 2 | due 1 ] ◄── backend
 *
 * usage: late PATH-TO-LISTEN-AT PATH-OF-THE-BACKEND MICROSECONDS
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define PIECE (64 * 1024)

/* What came at one time, until it is due. */
struct piece {
	struct piece *next;
	uint64_t due; /* monotonic ns */
	size_t len;
	char bytes[];
};

/* A client, and the connection to the backend that it has for itself.  Has a thread. */
struct way {
	int client, backend;
	struct piece *first, **last;
};

static const char *backend_path;
static uint64_t delay_ns;

static uint64_t
now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000ULL + (uint64_t)ts.tv_nsec;
}

static int
address(const char *path, struct sockaddr_un *sa)
{
	*sa = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if (strlen(path) >= sizeof sa->sun_path) {
		errno = ENAMETOOLONG;
		return -1;
	}
	strcpy(sa->sun_path, path);
	return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
}

/* false: the other end is gone. */
static int
send_all(int fd, const char *p, size_t len)
{
	while (len > 0) {
		ssize_t n = send(fd, p, len, MSG_NOSIGNAL);

		if (n <= 0)
			return 0;
		p += n;
		len -= (size_t)n;
	}
	return 1;
}

static int
pass_on(const struct way *w)
{
	char bytes[PIECE];
	ssize_t n = recv(w->client, bytes, sizeof bytes, 0);

	return n > 0 && send_all(w->backend, bytes, (size_t)n);
}

static int
keep(struct way *w)
{
	struct piece *piece = malloc(sizeof *piece + PIECE);
	ssize_t n;

	if (piece == NULL)
		return 0;
	n = recv(w->backend, piece->bytes, PIECE, 0);
	if (n <= 0) {
		free(piece);
		return 0;
	}
	piece->len = (size_t)n;
	piece->due = now_ns() + delay_ns;
	piece->next = NULL;
	*w->last = piece;
	w->last = &piece->next;
	return 1;
}

static int
give_what_is_due(struct way *w)
{
	while (w->first != NULL && w->first->due <= now_ns()) {
		struct piece *piece = w->first;
		int given = send_all(w->client, piece->bytes, piece->len);

		w->first = piece->next;
		if (w->first == NULL)
			w->last = &w->first;
		free(piece);
		if (!given)
			return 0;
	}
	return 1;
}

/* Until the next piece is due, or something comes. */
static int
wait_for_more(const struct way *w, struct pollfd fds[2])
{
	struct timespec left = { 0 };
	uint64_t now = now_ns();

	if (w->first != NULL && w->first->due > now) {
		left.tv_sec = (time_t)((w->first->due - now) / 1000000000ULL);
		left.tv_nsec = (long)((w->first->due - now) % 1000000000ULL);
	}
	return ppoll(fds, 2, w->first == NULL ? NULL : &left, NULL);
}

static void *
serve(void *arg)
{
	struct way *w = arg;
	struct pollfd fds[2] = { { .fd = w->client, .events = POLLIN }, { .fd = w->backend, .events = POLLIN } };

	w->last = &w->first;
	while (wait_for_more(w, fds) >= 0 && give_what_is_due(w)) {
		if (fds[0].revents != 0 && !pass_on(w))
			break;
		if (fds[1].revents != 0 && !keep(w))
			break;
	}
	while (w->first != NULL) {
		struct piece *next = w->first->next;

		free(w->first);
		w->first = next;
	}
	close(w->client);
	close(w->backend);
	free(w);
	return NULL;
}

static int
begin(int client)
{
	struct way *w = calloc(1, sizeof *w);
	struct sockaddr_un sa;
	pthread_t thread;

	if (w == NULL)
		return -1;
	w->client = client;
	w->backend = address(backend_path, &sa);
	if (w->backend >= 0 && connect(w->backend, (struct sockaddr *)&sa, sizeof sa) == 0 &&
	    pthread_create(&thread, NULL, serve, w) == 0) {
		pthread_detach(thread);
		return 0;
	}
	if (w->backend >= 0)
		close(w->backend);
	free(w);
	return -1;
}

int
main(int argc, char **argv)
{
	struct sockaddr_un sa;
	int listener;

	if (argc != 4 || (delay_ns = strtoull(argv[3], NULL, 10) * 1000) == 0) {
		fprintf(stderr, "usage: late PATH-TO-LISTEN-AT PATH-OF-THE-BACKEND MICROSECONDS\n");
		return 64;
	}
	backend_path = argv[2];
	listener = address(argv[1], &sa);
	if (listener < 0 || bind(listener, (struct sockaddr *)&sa, sizeof sa) != 0 || listen(listener, 128) != 0) {
		perror(argv[1]);
		return 71;
	}
	for (;;) {
		int client = accept(listener, NULL, NULL);

		if (client >= 0 && begin(client) != 0)
			close(client);
	}
}
