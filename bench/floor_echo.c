/*
 * Answers every get with the same value and every set with success, text and binary: what sockets cost when nothing is kept.
 *
 * usage: floor_echo PORT BYTES-OF-A-VALUE
 */
#include <arpa/inet.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "floor.h"

#define BINARY_SET 0x01

static char *value; /* with its line end */
static size_t value_len;
static char length_line[40]; /* what stands behind the key in "VALUE key 0 100\r\n" */

static void
answer_text(struct peer *peer, const char *p, size_t len)
{
	const char *end = p + len - 2;
	const char *key = p + 4;
	const char *space;

	if (*p == 's') {
		bytes_add(&peer->out, "STORED\r\n", 8);
		return;
	}
	while (key < end) {
		space = memchr(key, ' ', (size_t)(end - key));
		if (space == NULL)
			space = end;
		bytes_add(&peer->out, "VALUE ", 6);
		bytes_add(&peer->out, key, (size_t)(space - key));
		bytes_add(&peer->out, length_line, strlen(length_line));
		bytes_add(&peer->out, value, value_len + 2);
		key = space + 1;
	}
	bytes_add(&peer->out, "END\r\n", 5);
}

/* Everything but a set is a get: header, four bytes of flags, the value. */
static void
answer_binary(struct peer *peer, const char *p)
{
	char header[28] = { (char)0x81, p[1] };
	uint32_t body = htonl((uint32_t)value_len + 4);

	memcpy(header + 12, p + 12, 4);
	if (p[1] == BINARY_SET) {
		bytes_add(&peer->out, header, 24);
		return;
	}
	header[4] = 4;
	memcpy(header + 8, &body, sizeof body);
	bytes_add(&peer->out, header, sizeof header);
	bytes_add(&peer->out, value, value_len);
}

static size_t
take(struct peer *peer, const char *p, size_t len)
{
	size_t used = 0, n;

	while ((n = request_length(p + used, len - used)) > 0) {
		if ((unsigned char)p[used] == 0x80)
			answer_binary(peer, p + used);
		else
			answer_text(peer, p + used, n);
		used += n;
	}
	if (used > 0)
		peer_owes(peer);
	return used;
}

int
main(int argc, char **argv)
{
	if (argc != 3) {
		fprintf(stderr, "usage: floor_echo PORT BYTES-OF-A-VALUE\n");
		return 64;
	}
	value_len = strtoul(argv[2], NULL, 10);
	value = malloc(value_len + 2);
	if (value == NULL)
		return 71;
	memset(value, 'v', value_len);
	memcpy(value + value_len, "\r\n", 2);
	snprintf(length_line, sizeof length_line, " 0 %zu\r\n", value_len);
	floor_listen(atoi(argv[1]), take);
	floor_serve();
}
