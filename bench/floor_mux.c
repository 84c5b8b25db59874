/*
 * Passes text requests of all clients on over one connection to a memcached, and its answers back in the same order: what a proxy's sockets
 * cost when it decides nothing.
 *
 *   client ──┐             ┌── who is owed the next answer, and the one after it, ...
 *   client ──┼──► waiting ─┘
 *   client ──┘  ──────────────────────► memcached       one write per turn
 *
 * usage: floor_mux PORT PATH-OF-A-UNIX-SOCKET
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "floor.h"

static struct peer *backend;

/* Whose answers come next: a ring. */
static struct {
	struct peer **who;
	size_t first;
	size_t count;
	size_t room;
} waiting;

static void
waiting_add(struct peer *client)
{
	size_t room = waiting.room == 0 ? 1024 : waiting.room * 2;
	struct peer **who;

	if (waiting.count == waiting.room) {
		who = calloc(room, sizeof *who);
		if (who == NULL)
			abort();
		for (size_t i = 0; i < waiting.count; i++)
			who[i] = waiting.who[(waiting.first + i) % waiting.room];
		free(waiting.who);
		waiting.who = who;
		waiting.first = 0;
		waiting.room = room;
	}
	waiting.who[(waiting.first + waiting.count++) % waiting.room] = client;
	client->owed++;
}

static struct peer *
waiting_take(void)
{
	struct peer *client = waiting.who[waiting.first];

	waiting.first = (waiting.first + 1) % waiting.room;
	waiting.count--;
	client->owed--;
	return client;
}

static size_t
take_requests(struct peer *client, const char *p, size_t len)
{
	size_t used = 0, n;

	while ((n = request_length(p + used, len - used)) > 0) {
		waiting_add(client);
		used += n;
	}
	if (used > 0) {
		bytes_add(&backend->out, p, used);
		peer_owes(backend);
	}
	return used;
}

/*
 * How long the answer at p is; 0: not all of it is there.  Values, each with a line of its own before it, and one line more.  A long answer
 * that comes in pieces is looked at from its beginning each time; those that are measured are short.
 */
static size_t
answer_length(const char *p, size_t len)
{
	size_t at = 0;
	const char *newline;

	while (at < len) {
		newline = memchr(p + at, '\n', len - at);
		if (newline == NULL)
			return 0;
		if (p[at] != 'V' || p[at + 1] != 'A') /* VALUE, not VERSION */
			return (size_t)(newline + 1 - p);
		at = (size_t)(newline + 1 - p) + number_before(p, newline - 1) + 2;
	}
	return 0;
}

static size_t
take_answers(struct peer *from, const char *p, size_t len)
{
	size_t used = 0, n;
	struct peer *client;

	while (waiting.count > 0 && (n = answer_length(p + used, len - used)) > 0) {
		client = waiting_take();
		if (!client->gone)
			bytes_add(&client->out, p + used, n);
		peer_owes(client);
		used += n;
	}
	return used;
}

int
main(int argc, char **argv)
{
	if (argc != 3) {
		fprintf(stderr, "usage: floor_mux PORT PATH-OF-A-UNIX-SOCKET\n");
		return 64;
	}
	floor_listen(atoi(argv[1]), take_requests);
	backend = floor_connect(argv[2], take_answers);
	floor_serve();
}
