/* Memory that is freed all at once: a struct, and everything it points to. */
#ifndef CONF_ARENA_H
#define CONF_ARENA_H

#include <stddef.h>

/*
 * A struct of size bytes, all zero, aligned for anything, that more can hang on.  NULL: no memory.
 *
 *	[ chunk | the struct ] ──► [ chunk | a string ] ──► [ chunk | ... ]
 *	          ▲ what the caller has
 */
void *arena_new(size_t size);

/* More memory, all zero, that lives as long as the struct.  NULL: no memory. */
void *arena_more(void *arena, size_t size);

/* A copy of len bytes with a NUL behind them, or NULL. */
char *arena_copy(void *arena, const char *text, size_t len);

/* Text that is put together, or NULL. */
char *arena_print(void *arena, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Frees all; NULL is fine.  For those who know it by the struct: `conf`. */
void arena_free(void *arena);

#endif
