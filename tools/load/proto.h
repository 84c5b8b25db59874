/* The protocols: requests to bytes, bytes to answers.  No I/O. */
#ifndef LOAD_PROTO_H
#define LOAD_PROTO_H

#include <string.h>

#include "ear.h"
#include "proto/number.h"
#include "request.h"

struct proto {
	const char *name;
	uint32_t verbs; /* a bit for each that it has */

	/* Writes the request, at most proto_room() bytes.  slots: its keys, if they are several.  Returns the end. */
	char *(*say)(const struct request *r, const uint32_t *slots, const struct keys *k, char *to);

	/* Goes on hearing the answer to *r. */
	enum hear (*hear)(struct ear *e, const struct request *r, uint32_t *slots, const char **p, const char *end);
};

extern const struct proto proto_text, proto_binary, proto_meta;

/* By its name, or NULL. */
const struct proto *proto_find(const char *name);

/* More than a request with so many keys and so large a value takes. */
static inline size_t
proto_room(uint32_t width, uint64_t size)
{
	return 128 + (size_t)width * (KEYS_NAME_MAX + 64) + size;
}

/* ---- for writing requests ---- */

static inline char *
put(char *to, const char *s)
{
	size_t n = strlen(s);

	memcpy(to, s, n);
	return to + n;
}

static inline char *
put_number(char *to, const char *before, uint64_t n)
{
	to = put(to, before);
	return to + number_print(to, n);
}

#endif
