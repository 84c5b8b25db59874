/* Text that grows as it is written, up to a bound.  What does not fit, or finds no memory, breaks it: half a text is none. */
#ifndef BASE_STRBUF_H
#define BASE_STRBUF_H

#include <stdbool.h>
#include <stddef.h>

/* All-zero but for most is empty. */
struct strbuf {
	char *text; /* NULL while it is empty; not NUL-terminated; owned */
	size_t len, room;
	size_t most; /* bytes it may hold */
	bool broken; /* something was left out; nothing more is taken */
};

void strbuf_add(struct strbuf *b, const char *p, size_t len);
void strbuf_puts(struct strbuf *b, const char *s);
void strbuf_printf(struct strbuf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Frees the text; it is empty then, and may be written again. */
void strbuf_fini(struct strbuf *b);

#endif
