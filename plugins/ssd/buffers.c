/* Memory for what is read: see buffers.h. */
#include "buffers.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#include "io.h"
#include "rend/check.h"

#define CLASSES 9 /* 4 KiB, 8 KiB, ... 1 MiB */
#define SHELVES 16
#define ROUNDS	4

/* A buffer that is free says where the next one is. */
struct spare {
	struct spare *next;
};

struct shelf {
	pthread_mutex_t lock; /* is only tried */
	struct spare *spare[CLASSES];
} __attribute__((aligned(64)));

struct buffers {
	struct shelf shelves[SHELVES];
	size_t bound;
	_Atomic size_t held, kept; /* all that is from the system; of that, what is on shelves */
};

_Static_assert((size_t)IO_ALIGN << (CLASSES - 1) == BUFFERS_KEPT, "one class for each power of two");

struct buffers *
buffers_new(size_t bytes)
{
	struct buffers *b = aligned_alloc(64, sizeof(*b));

	if (b == NULL)
		return NULL;
	*b = (struct buffers){ .bound = bytes };
	for (unsigned i = 0; i < SHELVES; i++)
		pthread_mutex_init(&b->shelves[i].lock, NULL);
	return b;
}

/* Takes one of a class out of those that are kept, or NULL.  The lock is held. */
static struct spare *
unkeep(struct buffers *b, struct shelf *shelf, int class)
{
	struct spare *s = shelf->spare[class];

	if (s == NULL)
		return NULL;
	shelf->spare[class] = s->next;
	atomic_fetch_sub(&b->kept, (size_t)IO_ALIGN << class);
	return s;
}

/* Gives the system what lies on a shelf until there is room for so many bytes more.  The largest first: fewest calls.  The lock is held. */
static void
clear(struct buffers *b, struct shelf *shelf, size_t bytes)
{
	for (int class = CLASSES - 1; class >= 0 && atomic_load(&b->held) + bytes > b->bound;) {
		struct spare *s = unkeep(b, shelf, class);

		if (s == NULL) {
			class --;
			continue;
		}
		free(s);
		atomic_fetch_sub(&b->held, (size_t)IO_ALIGN << class);
	}
}

void
buffers_free(struct buffers **b)
{
	if (*b == NULL)
		return;
	REND_ASSERT(atomic_load(&(*b)->held) == atomic_load(&(*b)->kept));
	for (unsigned i = 0; i < SHELVES; i++) {
		clear(*b, &(*b)->shelves[i], SIZE_MAX / 2);
		pthread_mutex_destroy(&(*b)->shelves[i].lock);
	}
	free(*b);
	*b = NULL;
}

/* CLASSES: none of them. */
static int
class_of(size_t size)
{
	int class = 0;

	while (class < CLASSES && (size_t)IO_ALIGN << class < size)
		class ++;
	return class;
}

/* Is there room for so many bytes?  Then they are held. */
static bool
hold(struct buffers *b, size_t bytes)
{
	size_t held = atomic_load(&b->held);

	while (bytes <= b->bound && held <= b->bound - bytes)
		if (atomic_compare_exchange_weak(&b->held, &held, held + bytes))
			return true;
	return false;
}

static void *
from_system(struct buffers *b, size_t bytes)
{
	void *data;

	for (unsigned i = 0; !hold(b, bytes); i++) {
		struct shelf *shelf = &b->shelves[i % SHELVES];

		/* Others may be at a shelf: it is met again. */
		if (bytes > b->bound || i == ROUNDS * SHELVES)
			return NULL;
		if (pthread_mutex_trylock(&shelf->lock) != 0)
			continue;
		clear(b, shelf, bytes);
		pthread_mutex_unlock(&shelf->lock);
	}
	data = aligned_alloc(IO_ALIGN, bytes);
	if (data == NULL)
		atomic_fetch_sub(&b->held, bytes);
	return data;
}

void *
buffers_take(struct buffers *b, unsigned shelf, size_t size, size_t *got)
{
	struct shelf *mine = &b->shelves[shelf % SHELVES];
	int class = class_of(size);
	void *data = NULL;

	if (size > SIZE_MAX - IO_ALIGN)
		return NULL;
	*got = class < CLASSES ? (size_t)IO_ALIGN << class : (size + IO_ALIGN - 1) / IO_ALIGN * IO_ALIGN;
	if (class < CLASSES && pthread_mutex_trylock(&mine->lock) == 0) {
		data = unkeep(b, mine, class);
		pthread_mutex_unlock(&mine->lock);
	}
	return data != NULL ? data : from_system(b, *got);
}

void
buffers_give(struct buffers *b, unsigned shelf, void **data, size_t got)
{
	struct shelf *mine = &b->shelves[shelf % SHELVES];
	struct spare *s = *data;
	int class = class_of(got);

	*data = NULL;
	if (s == NULL)
		return;
	if (class < CLASSES && pthread_mutex_trylock(&mine->lock) == 0) {
		REND_ASSERT((size_t)IO_ALIGN << class == got);
		s->next = mine->spare[class];
		mine->spare[class] = s;
		atomic_fetch_add(&b->kept, got);
		pthread_mutex_unlock(&mine->lock);
		return;
	}
	free(s);
	atomic_fetch_sub(&b->held, got);
}

void
buffers_usage(struct buffers *b, size_t *out, size_t *kept)
{
	size_t held = atomic_load(&b->held);

	*kept = atomic_load(&b->kept);
	*out = held > *kept ? held - *kept : 0;
}
