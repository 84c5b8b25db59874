/* What is answered most: see hit.h. */
#include "hit.h"

#include <string.h>

/* Digits of what can be read without looking for an overflow. */
#define DIGITS_32 10
#define DIGITS_64 19

/* No line that is read here is longer. */
#define LINE_MAX_BYTES (sizeof("VA  f c O\r\n") - 1 + 2 * DIGITS_32 + DIGITS_64 + 1 + TOKEN_LEN)

/* Returns what is behind the digits, at most so many; NULL: there are none. */
static inline const char *
number(const char *p, size_t most, uint64_t *n)
{
	const char *from = p, *end = p + most;
	uint64_t sum = 0;
	unsigned digit;

	for (; p < end && (digit = (unsigned)(*p - '0')) <= 9; p++)
		sum = sum * 10 + digit;
	*n = sum;
	return p == from ? NULL : p;
}

/* Returns what is behind the line, or NULL.  There is room for the longest, or the last byte is a line end: nothing beyond is looked at. */
static inline const char *
line(struct hit *hit, const char *p, const char *end, const struct token *token)
{
	uint64_t len, flags;

	if (p[0] != 'V' || p[1] != 'A' || p[2] != ' ')
		return NULL;
	p = number(p + 3, DIGITS_32, &len);
	if (p == NULL || p[0] != ' ' || p[1] != 'f')
		return NULL;
	p = number(p + 2, DIGITS_32, &flags);
	if (p == NULL || flags > UINT32_MAX || *p++ != ' ')
		return NULL;
	hit->len = len;
	hit->flags = (uint32_t)flags;
	hit->cas = 0;
	hit->has_cas = *p == 'c';
	if (hit->has_cas) {
		p = number(p + 1, DIGITS_64, &hit->cas);
		if (p == NULL || *p++ != ' ')
			return NULL;
	}
	if (end - p < 1 + TOKEN_LEN + 2 || *p != 'O' || memcmp(p + 1, token->digits, TOKEN_LEN) != 0)
		return NULL;
	p += 1 + TOKEN_LEN;
	return p[0] == '\r' && p[1] == '\n' ? p + 2 : NULL;
}

const char *
hit_read(struct hit *hit, const char *p, size_t len, const struct token *token)
{
	const char *end = p + len, *value;

	if (len < LINE_MAX_BYTES && (len == 0 || end[-1] != '\n'))
		return NULL;
	value = line(hit, p, end, token);
	if (value == NULL || (size_t)(end - value) < hit->len + 2)
		return NULL;
	return value[hit->len] == '\r' && value[hit->len + 1] == '\n' ? value : NULL;
}
