/* Lines on their way from worker to worker: see page.h. */
#include "net/page.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Appends what fits whole, and its \0.  Returns its length, or -1. */
static int
append(struct page *p, const char *fmt, va_list ap)
{
	size_t room = PAGE_BYTES - p->used;
	int n = vsnprintf(p->bytes + p->used, room, fmt, ap);

	return n < 0 || (size_t)n >= room ? -1 : n;
}

void
page_line(struct page *p, const char *name, const char *fmt, ...)
{
	size_t before = p->used, namelen = strlen(name) + 1;
	va_list ap;
	int n;

	if (!page_has_room(p, namelen + 1))
		return;
	memcpy(p->bytes + p->used, name, namelen);
	p->used += namelen;
	va_start(ap, fmt);
	n = append(p, fmt, ap);
	va_end(ap);
	p->used = n < 0 ? before : p->used + (size_t)n + 1;
}

void
page_text(struct page *p, const char *fmt, ...)
{
	va_list ap;
	int n;

	p->is_text = true;
	va_start(ap, fmt);
	n = append(p, fmt, ap);
	va_end(ap);
	if (n > 0)
		p->used += (size_t)n;
}

bool
page_read(const struct page *p, size_t *at, const char **name, const char **value)
{
	if (*at >= p->used)
		return false;
	*name = p->bytes + *at;
	*at += strlen(*name) + 1;
	*value = p->bytes + *at;
	*at += strlen(*value) + 1;
	return true;
}
