/*
 * The least that a server on sockets does, for measurements to be set beside: one thread, a level-triggered epoll loop, one recv() for a
 * connection that has something to read, one send() at the end of a turn for a connection that is owed something.  There are two:
 *
 *   floor_echo   finds the ends of requests and answers each with a canned value
 *   floor_mux    passes requests on over one connection to a memcached, and the answers back
 *
 * A floor is no server: it believes its clients, and ends when memory does.
 */
#ifndef BENCH_FLOOR_H
#define BENCH_FLOOR_H

#include <stdbool.h>
#include <stddef.h>

/* Bytes that grow at the end and are used from the front. */
struct bytes {
	char *p;
	size_t len;
	size_t room;
};

void bytes_add(struct bytes *, const void *, size_t len);
void bytes_drop(struct bytes *, size_t len);

struct peer;

/* Is shown what came and is not used yet; says how much of it is used now. */
typedef size_t peer_take(struct peer *, const char *p, size_t len);

/* The other end of a connection. */
struct peer {
	int fd;
	bool gone;     /* closed; freed at the end of the turn, if nothing is owed */
	bool listed;   /* in the list of those that have something to be done at the end of the turn */
	bool blocked;  /* took less than it was sent: waits to be writable */
	unsigned owed; /* answers under way */
	peer_take *take;
	struct bytes in;
	struct bytes out;
	struct peer *next;
};

/* The peer has something in .out: it is written at the end of the turn. */
void peer_owes(struct peer *);

/* How long the request at p is; 0: not all of it is there.  Text: set, and what is one line.  Binary: whatever is framed. */
size_t request_length(const char *p, size_t len);

/* A number without sign in the digits before end. */
size_t number_before(const char *begin, const char *end);

/* Listens on 127.0.0.1 and says where on standard error, as rend does.  port 0: the kernel chooses. */
void floor_listen(int port, peer_take *);

/* Connects to a unix socket. */
struct peer *floor_connect(const char *path, peer_take *);

/* Serves until it is killed. */
void floor_serve(void) __attribute__((noreturn));

#endif
