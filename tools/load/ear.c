/* Hears answers: see ear.h. */
#include "ear.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void
ear_reset(struct ear *e)
{
	e->stage = EAR_LINE;
	e->line_len = 0;
	e->left = 0;
	e->failed = false;
}

enum hear
ear_broken(struct ear *e, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(e->why, sizeof e->why, fmt, ap);
	va_end(ap);
	return HEAR_BROKEN;
}

char *
ear_quote(char *to, size_t size, const char *p, size_t len)
{
	size_t used = 0;

	for (; len > 0 && used + 5 < size; p++, len--)
		if (*p >= ' ' && *p <= '~')
			to[used++] = *p;
		else
			used += (size_t)snprintf(to + used, size - used, "\\x%02x", (unsigned char)*p);
	to[used] = '\0';
	return to;
}

enum hear
ear_refuse(struct ear *e, const char *what, const char *line, size_t len)
{
	char quoted[120];

	return ear_broken(e, "%s: \"%s\"", what, ear_quote(quoted, sizeof quoted, line, len));
}

bool
ear_number(const char *p, size_t len, uint64_t max, uint64_t *n)
{
	*n = 0;
	if (len == 0)
		return false;
	for (; len > 0; p++, len--) {
		unsigned digit = (unsigned)(*p - '0');

		if (digit > 9 || *n > (UINT64_MAX - digit) / 10)
			return false;
		*n = *n * 10 + digit;
	}
	return *n <= max;
}

const char *
ear_line(struct ear *e, const char **p, const char *end, size_t *len, bool *broken)
{
	const char *nl = memchr(*p, '\n', (size_t)(end - *p)), *line = *p;
	size_t n = (size_t)((nl == NULL ? end : nl + 1) - *p);

	if (e->line_len + n > sizeof e->line) {
		*broken = true;
		ear_broken(e, "a line longer than %d bytes", EAR_LINE_MAX);
		return NULL;
	}
	*p += n;
	if (nl == NULL || e->line_len > 0) {
		memcpy(e->line + e->line_len, line, n);
		e->line_len += (uint32_t)n;
		n = e->line_len;
		line = e->line;
	}
	if (nl == NULL)
		return NULL;
	e->line_len = 0;
	if (n < 2 || line[n - 2] != '\r') {
		*broken = true;
		ear_broken(e, "a line that does not end in CRLF");
		return NULL;
	}
	*len = n - 2;
	return line;
}

const char *
ear_bytes(struct ear *e, const char **p, const char *end, size_t n)
{
	size_t part = (size_t)(end - *p);
	const char *at = *p;

	if (e->line_len == 0 && part >= n) {
		*p += n;
		return at;
	}
	if (part > n - e->line_len)
		part = n - e->line_len;
	memcpy(e->line + e->line_len, at, part);
	e->line_len += (uint32_t)part;
	*p += part;
	if (e->line_len < n)
		return NULL;
	e->line_len = 0;
	return e->line;
}

void
ear_value(struct ear *e, const struct request *r, const uint32_t *slots, uint32_t slot, uint64_t len, uint32_t flags)
{
	uint32_t key = r->width > 1 ? slots[slot] : r->key;

	e->slot = slot;
	e->left = len;
	e->stage = EAR_VALUE;
	e->answer.flags = flags;
	inspect_begin(&e->inspect, e->keys, r, key, len);
}

bool
ear_take(struct ear *e, const char **p, const char *end)
{
	size_t part = (size_t)(end - *p) < e->left ? (size_t)(end - *p) : (size_t)e->left;

	inspect_take(&e->inspect, *p, part);
	*p += part;
	e->left -= part;
	return e->left == 0;
}

void
ear_heard(struct ear *e, const struct request *r, uint32_t *slots)
{
	if (inspect_end(&e->inspect) == FAULT_NONE && r->check != CHECK_NOTHING)
		inspect_flags(&e->inspect, e->answer.flags);
	if (r->width > 1)
		slots[e->slot] |= SLOT_ANSWERED;
}

uint32_t
ear_slot(const struct ear *e, const struct request *r, const uint32_t *slots, const char *name, size_t len)
{
	uint32_t key;

	if (r->width == 1)
		return r->heard == 0 && keys_is(e->keys, r->key, name, len) ? 0 : 1;
	key = keys_find(e->keys, name, len);
	/* Answers mostly come in the order of the keys, without those that are missing. */
	for (uint32_t i = 0; i < r->width && key != UINT32_MAX; i++)
		if (slots[i] == key)
			return i;
	return r->width;
}

/* Beginnings of lines; the first that fits counts. */
static const struct {
	const char *begins;
	enum outcome outcome;
} errors[] = {
	{ "SERVER_ERROR object too large for cache", OUTCOME_TOO_LARGE },
	{ "CLIENT_ERROR cannot increment or decrement non-numeric value", OUTCOME_NOT_A_NUMBER },
	{ "SERVER_ERROR", OUTCOME_ERROR },
	{ "CLIENT_ERROR", OUTCOME_ERROR },
	{ "ERROR", OUTCOME_ERROR },
};

enum hear
ear_error(struct ear *e, const struct request *r, const char *line, size_t len)
{
	ear_quote(e->answer.text, sizeof e->answer.text, line, len);
	for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) {
		size_t n = strlen(errors[i].begins);

		if (len < n || memcmp(line, errors[i].begins, n) != 0)
			continue;
		e->answer.outcome = errors[i].outcome;
		return HEAR_DONE;
	}
	return ear_broken(e, "no answer to %s: \"%s\"", verb_name(r->verb), e->answer.text);
}
