/* Text that grows: see strbuf.h. */
#include "base/strbuf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROOM_FIRST 512

/* Room for len bytes more.  false: there is none, and never will be. */
static bool
make_room(struct strbuf *b, size_t len)
{
	size_t room = b->room == 0 ? ROOM_FIRST : b->room;
	char *text;

	if (b->broken || len > b->most - b->len) {
		b->broken = true;
		return false;
	}
	if (b->room - b->len >= len)
		return true;
	while (room - b->len < len)
		room *= 2;
	text = realloc(b->text, room);
	if (text == NULL) {
		b->broken = true;
		return false;
	}
	b->text = text;
	b->room = room;
	return true;
}

void
strbuf_add(struct strbuf *b, const char *p, size_t len)
{
	if (len == 0 || !make_room(b, len))
		return;
	memcpy(b->text + b->len, p, len);
	b->len += len;
}

void
strbuf_puts(struct strbuf *b, const char *s)
{
	strbuf_add(b, s, strlen(s));
}

void
strbuf_printf(struct strbuf *b, const char *fmt, ...)
{
	char line[512];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(line, sizeof line, fmt, ap);
	va_end(ap);
	if (n < 0) {
		b->broken = true;
		return;
	}
	if ((size_t)n < sizeof line) {
		strbuf_add(b, line, (size_t)n);
		return;
	}
	/* With room for the \0 that vsnprintf() writes, which is not ours. */
	if (!make_room(b, (size_t)n + 1))
		return;
	va_start(ap, fmt);
	vsnprintf(b->text + b->len, (size_t)n + 1, fmt, ap);
	va_end(ap);
	b->len += (size_t)n;
}

void
strbuf_fini(struct strbuf *b)
{
	free(b->text);
	b->text = NULL;
	b->len = b->room = 0;
	b->broken = false;
}
