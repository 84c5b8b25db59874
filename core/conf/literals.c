/* What libconfig would not tell: see literals.h.  Tokens are cut as its own scanner cuts them. */
#include "conf/literals.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static char
peek(const struct literals *l, size_t ahead)
{
	return (size_t)(l->end - l->at) > ahead ? l->at[ahead] : '\0';
}

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool
is_hex(char c)
{
	return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static bool
is_name_start(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '*';
}

static bool
is_name(char c)
{
	return is_name_start(c) || is_digit(c) || c == '-' || c == '_';
}

static void
skip(struct literals *l, size_t n)
{
	for (; n > 0 && l->at < l->end; n--, l->at++)
		if (*l->at == '\n') {
			l->breaks++;
			l->in_line = false;
		}
}

static void
skip_line(struct literals *l)
{
	while (l->at < l->end && *l->at != '\n')
		l->at++;
}

/* What begins here is what was found. */
static void
found(struct literals *l, const char *from)
{
	l->line = l->breaks + 1;
	l->text = from;
	l->len = l->at - from;
}

/* false: it does not end. */
static bool
skip_comment(struct literals *l)
{
	bool ends;

	found(l, l->at);
	skip(l, 2);
	while (l->at < l->end && !(peek(l, 0) == '*' && peek(l, 1) == '/'))
		skip(l, 1);
	ends = l->at < l->end;
	skip(l, 2);
	return ends;
}

static bool
skip_string(struct literals *l)
{
	bool ends;

	found(l, l->at);
	skip(l, 1);
	while (l->at < l->end && *l->at != '"')
		skip(l, *l->at == '\\' ? 2 : 1);
	ends = l->at < l->end;
	skip(l, 1);
	return ends;
}

static bool
skip_exponent(struct literals *l)
{
	size_t n = 1;

	if (peek(l, 0) != 'e' && peek(l, 0) != 'E')
		return false;
	if (peek(l, n) == '-' || peek(l, n) == '+')
		n++;
	if (!is_digit(peek(l, n)))
		return false;
	while (is_digit(peek(l, n)))
		n++;
	skip(l, n);
	return true;
}

/* Does the integer at text fit into the bits that libconfig gives it? */
static bool
fits(const char *text, size_t len, bool hex, bool wide)
{
	char copy[32];
	size_t lead = 0;

	/* Leading zeros do not count; a sign does. */
	if (hex)
		lead = 2;
	else if (*text == '-' || *text == '+')
		lead = 1;
	while (lead + 1 < len && text[lead] == '0')
		lead++;
	if (len - lead > 20)
		return false;
	copy[0] = !hex && *text == '-' ? '-' : '+';
	memcpy(copy + 1, text + lead, len - lead);
	copy[1 + len - lead] = '\0';
	errno = 0;
	if (hex) {
		unsigned long long v = strtoull(copy, NULL, 16);

		/* Above the largest positive number libconfig makes it negative. */
		return errno == 0 && v <= (wide ? (unsigned long long)INT64_MAX : (unsigned long long)INT32_MAX);
	} else {
		long long v = strtoll(copy, NULL, 10);

		return errno == 0 && (wide || (v >= INT32_MIN && v <= INT32_MAX));
	}
}

/* Passes one number.  true: it does not fit, and is what was found. */
static bool
number(struct literals *l)
{
	const char *start = l->at;
	bool sign = *start == '-' || *start == '+', hex, wide;
	size_t len;

	skip(l, sign);
	hex = !sign && peek(l, 0) == '0' && (peek(l, 1) == 'x' || peek(l, 1) == 'X') && is_hex(peek(l, 2));
	if (hex)
		skip(l, 2);
	while (hex ? is_hex(peek(l, 0)) : is_digit(peek(l, 0)))
		skip(l, 1);
	if (!hex && peek(l, 0) == '.') {
		skip(l, 1);
		while (is_digit(peek(l, 0)))
			skip(l, 1);
		skip_exponent(l);
		return false;
	}
	if (!hex && sign && skip_exponent(l))
		return false;
	len = l->at - start;
	wide = peek(l, 0) == 'L';
	if (wide)
		skip(l, peek(l, 1) == 'L' ? 2 : 1);
	if (fits(start, len, hex, wide))
		return false;
	found(l, start);
	return true;
}

/* At an @: is it an include, and of what?  Passes the @ in any case. */
static bool
include(struct literals *l)
{
	static const char word[] = "@include";
	size_t n = sizeof word - 1;
	const char *from;

	if (l->in_line || (size_t)(l->end - l->at) < n || memcmp(l->at, word, n) != 0 ||
	    (peek(l, n) != ' ' && peek(l, n) != '\t')) {
		skip(l, 1);
		return false;
	}
	skip(l, n);
	while (peek(l, 0) == ' ' || peek(l, 0) == '\t')
		skip(l, 1);
	if (peek(l, 0) != '"')
		return false;
	from = l->at + 1;
	skip_string(l);
	l->text = from;
	l->len = l->at > from && l->at[-1] == '"' ? (size_t)(l->at - 1 - from) : (size_t)(l->at - from);
	return true;
}

enum literal
literals_next(struct literals *l)
{
	while (l->at < l->end) {
		char c = *l->at;

		if (c == ' ' || c == '\t' || c == '\n' || c == '\r') {
			skip(l, 1);
			continue;
		}
		if (c == '@') {
			if (include(l))
				return LITERAL_INCLUDE;
			l->in_line = true;
			continue;
		}
		l->in_line = true;
		if (c == '#' || (c == '/' && peek(l, 1) == '/'))
			skip_line(l);
		else if (c == '"' || (c == '/' && peek(l, 1) == '*')) {
			if (!(c == '"' ? skip_string(l) : skip_comment(l)))
				return LITERAL_OPEN;
		} else if (is_name_start(c))
			while (is_name(peek(l, 0)))
				skip(l, 1);
		else if (is_digit(c) || ((c == '-' || c == '+') && is_digit(peek(l, 1)))) {
			if (number(l))
				return LITERAL_TOO_BIG;
		} else if (c == '.') {
			do
				skip(l, 1);
			while (is_digit(peek(l, 0)));
		} else
			skip(l, 1);
	}
	return LITERAL_END;
}
