/*
 * Lines of stats on their way from the worker that wrote them to the one whose client asked: a bounded number of bytes.
 *
 *	lines:	name \0 value \0 name \0 value \0 ...
 *	text:	whole lines as they go out
 */
#ifndef NET_PAGE_H
#define NET_PAGE_H

#include <stdbool.h>
#include <stddef.h>

#define PAGE_BYTES (16 * 1024)

struct page {
	size_t used;
	bool is_text;
	char bytes[PAGE_BYTES];
};

/* Is there room for so many bytes, name, value and a byte behind each counted? */
static inline bool
page_has_room(const struct page *p, size_t bytes)
{
	return PAGE_BYTES - p->used >= bytes;
}

/* One more line.  One that does not fit is left out. */
void page_line(struct page *p, const char *name, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* More text.  What does not fit is left out. */
void page_text(struct page *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* The line at *at; *at is behind it then.  false: there is none. */
bool page_read(const struct page *p, size_t *at, const char **name, const char **value);

#endif
