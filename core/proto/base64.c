/* Base64: see base64.h. */
#include "proto/base64.h"

#include <stdbool.h>
#include <stdint.h>

static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

#define NONE 0xff

/* A letter's six bits; NONE: it is no letter. */
static uint32_t
bits_of(char c)
{
	if (c >= 'A' && c <= 'Z')
		return (uint32_t)(c - 'A');
	if (c >= 'a' && c <= 'z')
		return (uint32_t)(c - 'a' + 26);
	if (c >= '0' && c <= '9')
		return (uint32_t)(c - '0' + 52);
	return c == '+' ? 62 : c == '/' ? 63 : NONE;
}

/* So many of four characters, which are letters, as the upper bits of three bytes. */
static bool
gather(const char *p, size_t count, uint32_t *sum)
{
	*sum = 0;
	for (size_t i = 0; i < count; i++) {
		uint32_t bits = bits_of(p[i]);

		if (bits == NONE)
			return false;
		*sum |= bits << (18 - 6 * i);
	}
	return true;
}

size_t
base64_decode(const char *p, size_t len, char *to)
{
	size_t pad, at = 0;

	if (len == 0 || len % 4 != 0)
		return 0;
	pad = p[len - 1] != '=' ? 0 : p[len - 2] != '=' ? 1 : 2;
	for (size_t i = 0; i < len; i += 4) {
		size_t missing = i + 4 == len ? pad : 0;
		uint32_t sum;

		if (!gather(p + i, 4 - missing, &sum))
			return 0;
		for (size_t k = 0; k < 3 - missing; k++)
			to[at++] = (char)(sum >> (16 - 8 * k));
	}
	return at;
}

size_t
base64_encode(const char *p, size_t len, char *to)
{
	size_t at = 0;

	for (size_t i = 0; i < len; i += 3) {
		size_t have = len - i < 3 ? len - i : 3;
		uint32_t sum = 0;

		for (size_t k = 0; k < have; k++)
			sum |= (uint32_t)(unsigned char)p[i + k] << (16 - 8 * k);
		for (size_t k = 0; k < 4; k++)
			to[at++] = k <= have ? letters[sum >> (18 - 6 * k) & 63] : '=';
	}
	return at;
}
