/* Writes a line: bytes, numbers and base64, one behind the other.  There is room enough. */
#ifndef MEMCACHED_PEN_H
#define MEMCACHED_PEN_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define NUMBER_MAX_BYTES 20 /* 2^64 - 1 */

struct pen {
	char *p;
};

static inline void
pen_bytes(struct pen *pen, const char *s, size_t len)
{
	memcpy(pen->p, s, len);
	pen->p += len;
}

#define PEN_LITERAL(pen, s) pen_bytes(pen, s, sizeof(s) - 1)

static inline void
pen_word(struct pen *pen, const char *s)
{
	pen_bytes(pen, s, strlen(s));
}

/* Digits are found from the end; the longest number is copied with each, which takes two instructions. */
static inline void
pen_number(struct pen *pen, uint64_t n)
{
	char text[2 * NUMBER_MAX_BYTES], *p = text + NUMBER_MAX_BYTES;

	do
		*--p = (char)('0' + n % 10);
	while ((n /= 10) != 0);
	memcpy(pen->p, p, NUMBER_MAX_BYTES);
	pen->p += text + NUMBER_MAX_BYTES - p;
}

static inline void
pen_signed(struct pen *pen, int64_t n)
{
	if (n < 0)
		*pen->p++ = '-';
	pen_number(pen, n < 0 ? 0 - (uint64_t)n : (uint64_t)n);
}

static inline size_t
base64_len(size_t len)
{
	return (len + 2) / 3 * 4;
}

static inline void
pen_base64(struct pen *pen, const char *s, size_t len)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

	for (size_t i = 0; i < len; i += 3) {
		uint32_t three = (uint32_t)(unsigned char)s[i] << 16;

		if (i + 1 < len)
			three |= (uint32_t)(unsigned char)s[i + 1] << 8;
		if (i + 2 < len)
			three |= (unsigned char)s[i + 2];
		*pen->p++ = digits[three >> 18];
		*pen->p++ = digits[three >> 12 & 63];
		*pen->p++ = i + 1 < len ? digits[three >> 6 & 63] : '=';
		*pen->p++ = i + 2 < len ? digits[three & 63] : '=';
	}
}

#endif
