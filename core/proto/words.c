/* The words of a line of text: see words.h. */
#include "proto/words.h"

#include <stdint.h>
#include <string.h>

#include "rend/op.h"

#define EACH_BYTE(b) (UINT64_C(0x0101010101010101) * (b))

/* Is any of eight bytes a space, a control character or DEL? */
static bool
any_unprintable(const char *p)
{
	uint64_t x, del;

	memcpy(&x, p, sizeof(x));
	del = x ^ EACH_BYTE(0x7f);
	return (((x - EACH_BYTE(0x21)) & ~x) | ((del - EACH_BYTE(0x01)) & ~del)) & EACH_BYTE(0x80);
}

static bool
is_control(char c)
{
	return (unsigned char)c < ' ' || c == 0x7f;
}

struct word
word_first(const char *p, const char *end)
{
	struct word w;

	while (p < end && *p == ' ')
		p++;
	w.p = p;
	while (end - p >= 8 && !any_unprintable(p))
		p += 8;
	while (p < end && *p != ' ')
		p++;
	w.len = (size_t)(p - w.p);
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
	return (struct word){ begin, (size_t)(end - begin) };
}

bool
word_is(const struct word *w, const char *s, size_t len)
{
	return w->len == len && memcmp(w->p, s, len) == 0;
}

bool
word_is_key(const struct word *w)
{
	const char *p = w->p, *end = p + w->len;

	if (w->len == 0 || w->len > REND_KEY_MAX)
		return false;
	while (end - p >= 8 && !any_unprintable(p))
		p += 8;
	for (; p < end; p++)
		if (is_control(*p))
			return false;
	return true;
}
