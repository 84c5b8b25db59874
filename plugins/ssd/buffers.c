/* Memory for requests: see buffers.h. */
#include "buffers.h"

#include <pthread.h>
#include <stdlib.h>

#include "io.h"
#include "rend/check.h"

#define CLASSES 9 /* 4 KiB, 8 KiB, ... 1 MiB */

/* A buffer that is free says where the next one is. */
struct spare {
	struct spare *next;
};

struct buffers {
	pthread_mutex_t lock; /* guards the rest */
	size_t bound, out, kept;
	struct spare *spare[CLASSES];
};

_Static_assert((size_t)IO_ALIGN << (CLASSES - 1) == BUFFERS_LARGEST, "one class for each power of two");

struct buffers *
buffers_new(size_t bytes)
{
	struct buffers *b = calloc(1, sizeof(*b));

	if (b == NULL)
		return NULL;
	pthread_mutex_init(&b->lock, NULL);
	b->bound = bytes;
	return b;
}

/* Takes one of a class out of those that are kept, or NULL.  The lock is held. */
static struct spare *
unkeep(struct buffers *b, int class)
{
	struct spare *s = b->spare[class];

	if (s == NULL)
		return NULL;
	b->spare[class] = s->next;
	b->kept -= (size_t)IO_ALIGN << class;
	return s;
}

void
buffers_free(struct buffers **b)
{
	if (*b == NULL)
		return;
	REND_ASSERT((*b)->out == 0);
	for (int class = 0; class < CLASSES; class ++) {
		struct spare *s;

		while ((s = unkeep(*b, class)) != NULL)
			free(s);
	}
	pthread_mutex_destroy(&(*b)->lock);
	free(*b);
	*b = NULL;
}

static int
class_of(size_t size)
{
	int class = 0;

	while ((size_t)IO_ALIGN << class < size)
		class ++;
	return class;
}

/* Frees what is kept of other sizes until there is room for one more of that many bytes.  The lock is held. */
static bool
make_room(struct buffers *b, size_t bytes)
{
	/* The largest first: fewest calls. */
	for (int class = CLASSES - 1; class >= 0 && b->out + b->kept + bytes > b->bound;) {
		struct spare *s = unkeep(b, class);

		if (s == NULL)
			class --;
		free(s);
	}
	return b->out + b->kept + bytes <= b->bound;
}

void *
buffers_take(struct buffers *b, size_t size, size_t *got)
{
	int class;
	size_t bytes;
	void *data;

	if (size > BUFFERS_LARGEST)
		return NULL;
	class = class_of(size);
	bytes = (size_t)IO_ALIGN << class;
	pthread_mutex_lock(&b->lock);
	data = unkeep(b, class);
	if (data == NULL && make_room(b, bytes))
		data = aligned_alloc(IO_ALIGN, bytes);
	if (data != NULL)
		b->out += bytes;
	pthread_mutex_unlock(&b->lock);
	if (data != NULL)
		*got = bytes;
	return data;
}

void
buffers_give(struct buffers *b, void **data, size_t got)
{
	int class = class_of(got);
	struct spare *s = *data;

	if (s == NULL)
		return;
	REND_ASSERT((size_t)IO_ALIGN << class == got);
	pthread_mutex_lock(&b->lock);
	s->next = b->spare[class];
	b->spare[class] = s;
	b->out -= got;
	b->kept += got;
	pthread_mutex_unlock(&b->lock);
	*data = NULL;
}

void
buffers_usage(struct buffers *b, size_t *out, size_t *kept)
{
	pthread_mutex_lock(&b->lock);
	*out = b->out;
	*kept = b->kept;
	pthread_mutex_unlock(&b->lock);
}
