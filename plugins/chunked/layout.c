/* Names and bytes: see layout.h. */
#include "layout.h"

#include <string.h>

#define SHORT_PREFIX 212

static void
put(uint8_t *to, uint32_t n)
{
	for (int i = 0; i < 4; i++)
		to[i] = (uint8_t)(n >> (24 - 8 * i));
}

static uint32_t
take(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

void
meta_encode(const struct meta *m, uint8_t to[LAYOUT_META])
{
	const uint32_t numbers[] = { m->length, m->flags, m->pieces, m->data, m->written, m->exptime };

	for (size_t i = 0; i < 6; i++)
		put(to + 4 * i, numbers[i]);
	memcpy(to + 24, m->token, LAYOUT_TOKEN);
}

bool
meta_decode(struct meta *m, const void *p, size_t len)
{
	const uint8_t *at = p;

	if (len != LAYOUT_META)
		return false;
	m->length = take(at);
	m->flags = take(at + 4);
	m->pieces = take(at + 8);
	m->data = take(at + 12);
	m->written = take(at + 16);
	m->exptime = take(at + 20);
	memcpy(m->token, at + 24, LAYOUT_TOKEN);
	return m->length == 0 ? m->pieces == 0 : m->data != 0 && m->pieces == piece_count(m->length, m->data);
}

/* FNV-1a, from two beginnings: names have to be the same in every process and at any time. */
static uint64_t
fnv(uint64_t h, const char *p, size_t len)
{
	for (size_t i = 0; i < len; i++)
		h = (h ^ (uint8_t)p[i]) * 0x100000001b3ULL;
	return h;
}

static char *
hex(char *to, uint64_t n)
{
	for (int shift = 60; shift >= 0; shift -= 4)
		*to++ = "0123456789abcdef"[n >> shift & 15];
	return to;
}

void
name_of(struct name *n, const char *key, size_t keylen)
{
	char *to = n->bytes + SHORT_PREFIX;

	n->shortened = keylen > LAYOUT_PLAIN;
	if (!n->shortened) {
		memcpy(n->bytes, key, keylen);
		n->len = keylen;
		return;
	}
	memcpy(n->bytes, key, SHORT_PREFIX);
	*to++ = '-';
	to = hex(to, fnv(0xcbf29ce484222325ULL, key, keylen));
	to = hex(to, fnv(0x6c62272e07bb0142ULL, key, keylen));
	n->len = (size_t)(to - n->bytes);
}

size_t
name_meta(const struct name *n, char to[LAYOUT_KEY_MAX])
{
	memcpy(to, n->bytes, n->len);
	memcpy(to + n->len, "-meta", 5);
	return n->len + 5;
}

size_t
name_piece(const struct name *n, uint32_t piece, char to[LAYOUT_KEY_MAX])
{
	char back[10];
	size_t digits = 0, len = n->len;

	do
		back[digits++] = (char)('0' + piece % 10);
	while ((piece /= 10) != 0);
	if (len + 1 + digits > LAYOUT_KEY_MAX)
		return 0;
	memcpy(to, n->bytes, len);
	to[len++] = '-';
	while (digits > 0)
		to[len++] = back[--digits];
	return len;
}

uint32_t
piece_data(uint32_t item, size_t namelen)
{
	size_t taken = LAYOUT_OVERHEAD + namelen + LAYOUT_TOKEN;

	return item > taken ? (uint32_t)(item - taken) : 0;
}

uint32_t
piece_count(uint32_t length, uint32_t data)
{
	return (uint32_t)(((uint64_t)length + data - 1) / data);
}
