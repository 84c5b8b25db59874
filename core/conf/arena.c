/* Memory that is freed all at once: see arena.h. */
#include "conf/arena.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rend/check.h"

struct chunk {
	unsigned magic;
#define CHUNK_MAGIC 0xa4e4a000U
	struct chunk *next;
	max_align_t body[];
};

static struct chunk *
chunk_new(size_t size)
{
	struct chunk *c = size > SIZE_MAX - sizeof *c ? NULL : calloc(1, sizeof *c + size);

	if (c != NULL)
		c->magic = CHUNK_MAGIC;
	return c;
}

static struct chunk *
chunk_of(void *arena)
{
	struct chunk *c = (struct chunk *)(void *)((char *)arena - offsetof(struct chunk, body));

	REND_CHECK(c, CHUNK_MAGIC);
	return c;
}

void *
arena_new(size_t size)
{
	struct chunk *c = chunk_new(size);

	return c == NULL ? NULL : c->body;
}

void *
arena_more(void *arena, size_t size)
{
	struct chunk *first = chunk_of(arena), *c = chunk_new(size);

	if (c == NULL)
		return NULL;
	c->next = first->next;
	first->next = c;
	return c->body;
}

char *
arena_copy(void *arena, const char *text, size_t len)
{
	char *copy = arena_more(arena, len + 1);

	if (copy != NULL && len > 0)
		memcpy(copy, text, len);
	return copy;
}

char *
arena_print(void *arena, const char *fmt, ...)
{
	va_list ap, again;
	char *text;
	int len;

	va_start(ap, fmt);
	va_copy(again, ap);
	len = vsnprintf(NULL, 0, fmt, ap);
	text = len < 0 ? NULL : arena_more(arena, (size_t)len + 1);
	if (text != NULL)
		vsnprintf(text, (size_t)len + 1, fmt, again);
	va_end(again);
	va_end(ap);
	return text;
}

void
arena_free(void *arena)
{
	struct chunk *c, *next;

	if (arena == NULL)
		return;
	for (c = chunk_of(arena); c != NULL; c = next) {
		next = c->next;
		c->magic = 0;
		free(c);
	}
}
