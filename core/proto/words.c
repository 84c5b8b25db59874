/* The words of a line of text: see words.h. */
#include "proto/words.h"

#include <endian.h>
#include <stdint.h>
#include <string.h>

#define EACH_BYTE(b) (UINT64_C(0x0101010101010101) * (b))

/* A bit in the first of eight bytes, in their order, that is below least, at most 0x7f, or DEL; what lies behind it is undefined.  0: none. */
static inline uint64_t
odd_of_eight(const char *p, unsigned least)
{
	uint64_t x;

	memcpy(&x, p, sizeof(x));
	x = le64toh(x);
	return ((x - EACH_BYTE(least)) | ((x ^ EACH_BYTE(0x7f)) - EACH_BYTE(0x01))) & ~x & EACH_BYTE(0x80);
}

static uint64_t
unprintable(const char *p)
{
	return odd_of_eight(p, ' ' + 1);
}

const char *
word_printable(const char *p, const char *end)
{
	const char *from = p;
	uint64_t found;

	for (; end - p >= 8; p += 8) {
		found = unprintable(p);
		if (found != 0)
			return p + __builtin_ctzll(found) / 8;
	}
	/* What is left, and as many before it as make eight. */
	if (p > from && p < end) {
		found = unprintable(end - 8);
		return found != 0 ? end - 8 + __builtin_ctzll(found) / 8 : end;
	}
	while (p < end && (unsigned char)*p > ' ' && *p != 0x7f)
		p++;
	return p;
}

/* No control character and no DEL, but there may be spaces. */
static bool
are_printable(const char *p, const char *end)
{
	uint64_t odd;

	if (end - p >= 8) {
		odd = odd_of_eight(end - 8, ' ');
		for (; end - p > 8; p += 8)
			odd |= odd_of_eight(p, ' ');
		return odd == 0;
	}
	for (; p < end; p++)
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			return false;
	return true;
}

/* In parts that end with a space and have no more bytes than a key: no word in them is too long. */
bool
words_are_keys(const char *p, const char *end)
{
	while (end - p > REND_KEY_MAX) {
		const char *space = memrchr(p, ' ', REND_KEY_MAX + 1);

		if (space == NULL || !are_printable(p, space))
			return false;
		p = space + 1;
	}
	return are_printable(p, end);
}

struct word
word_first(const char *p, const char *end)
{
	struct word w;

	while (p < end && *p == ' ')
		p++;
	w.p = p;
	p = word_printable(p, end);
	w.printable = p == end || *p == ' ';
	while (p < end && *p != ' ')
		p++;
	w.len = (uint32_t)(p - w.p);
	return w;
}

struct word
word_next(const struct word *w, const char *end)
{
	return word_first(w->p + w->len, end);
}

struct word
word_last(const char *p, const char *end)
{
	const char *begin;

	while (end > p && end[-1] == ' ')
		end--;
	for (begin = end; begin > p && begin[-1] != ' ';)
		begin--;
	return (struct word){ begin, (uint32_t)(end - begin), false };
}
