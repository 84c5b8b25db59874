/* Free lists of equal-sized objects. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/pool.h"
#include "rend/check.h"

#if defined(__SANITIZE_ADDRESS__)
#define POOL_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define POOL_ASAN 1
#endif
#endif

#ifdef POOL_ASAN
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(p, n)	  ((void)(p), (void)(n))
#define ASAN_UNPOISON_MEMORY_REGION(p, n) ((void)(p), (void)(n))
#endif

#define POOL_GARBAGE 0xdb

/* What a free object begins with. */
struct pool_free {
	struct pool_free *next;
};

static void
pool_spoil(const struct pool *p, struct pool_free *f)
{
#ifdef REND_DEBUG
	memset(f + 1, POOL_GARBAGE, p->size - sizeof(*f));
#endif
	ASAN_POISON_MEMORY_REGION(f, p->size);
}

/* The object is ours again; under REND_DEBUG, nobody may have written to it since it was freed. */
static void
pool_unspoil(const struct pool *p, struct pool_free *f)
{
	ASAN_UNPOISON_MEMORY_REGION(f, p->size);
#ifdef REND_DEBUG
	for (const unsigned char *c = (unsigned char *)(f + 1), *end = (unsigned char *)f + p->size; c < end; c++)
		REND_ASSERT(*c == POOL_GARBAGE);
#endif
}

void
pool_init(struct pool *p, size_t size, size_t keep)
{
	REND_ASSERT(size > 0 && size < PTRDIFF_MAX);
	if (size < sizeof(struct pool_free))
		size = sizeof(struct pool_free);
	*p = (struct pool){ .size = size, .keep = keep };
}

void
pool_fini(struct pool *p)
{
	struct pool_free *f;

	REND_ASSERT(p->out == 0);
	while ((f = p->free) != NULL) {
		pool_unspoil(p, f);
		p->free = f->next;
		free(f);
	}
	*p = (struct pool){ 0 };
}

void *
pool_get(struct pool *p)
{
	struct pool_free *f = p->free;

	if (f == NULL) {
		f = malloc(p->size);
		if (f == NULL)
			return NULL;
		p->out++;
		return f;
	}
	pool_unspoil(p, f);
	p->free = f->next;
	p->spare--;
	p->out++;
	return f;
}

void
pool_put(struct pool *p, void *obj)
{
	struct pool_free *f = obj;

	REND_ASSERT(f != NULL && p->out > 0 && f != p->free);
	p->out--;
	if (p->spare == p->keep) {
		free(f);
		return;
	}
	f->next = p->free;
	p->free = f;
	p->spare++;
	pool_spoil(p, f);
}
