/*
 * Bytes through a dialog, as a connection feeds them, and what comes out as lines that a test can compare:
 *
 *	"get a b\r\nset k 7 0 1\r\nx\r\n" ──► "get a value\nget b value last\nset k flags=7 body=[x]\n"
 *
 * Every look at the bytes is at a copy that ends where the bytes end, so that a sanitizer sees who reads on.
 */
#ifndef FEED_H
#define FEED_H

#include <stddef.h>

#include "proto/proto.h"

struct feed {
	struct dialog dialog;
	char *in; /* what the dialog has not dealt with */
	size_t len;
	struct command storing; /* has_body: its body is not complete */
	char key[REND_KEY_MAX]; /* of storing */
	char *said;		/* the lines, NUL-terminated */
	size_t said_len, said_room;
	bool closed;
};

void feed_init(struct feed *f, const struct proto_limits *limits);
void feed_fini(struct feed *f);

/* So many bytes have come. */
void feed_bytes(struct feed *f, const void *p, size_t len);

/* Each of these gives the same lines for one piece of input, or the test fails: all at once, byte by byte, in two at
 * every place. */
void feed_all_ways(const struct proto_limits *limits, const void *p, size_t len, const char *said);

/* All ways, and behind it comes a request that must be understood: the parser is in step again. */
void feed_in_step(const struct proto_limits *limits, const char *in, const char *said);

/* All at once and byte by byte: for what is too long to be cut everywhere. */
void feed_two_ways(const struct proto_limits *limits, const void *p, size_t len, const char *said);

#endif
