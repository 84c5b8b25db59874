/* Memory that is handed out as it was read: see page.h. */
#include "page.h"

#include <stdlib.h>

static void
page_release(struct rend_buf *buf)
{
	struct page *p = (struct page *)(void *)buf;

	buffers_give(p->buffers, p->shelf, &p->data, p->got);
	free(p);
}

struct page *
page_new(struct buffers *buffers, unsigned shelf, size_t size)
{
	struct page *p = calloc(1, sizeof *p);

	if (p == NULL)
		return NULL;
	p->buffers = buffers;
	p->shelf = shelf;
	p->data = buffers_take(buffers, shelf, size, &p->got);
	if (p->data == NULL) {
		free(p);
		return NULL;
	}
	rend_buf_init(&p->buf, p->data, size, page_release);
	return p;
}

void
page_drop(struct page **p)
{
	struct rend_buf *buf = *p != NULL ? &(*p)->buf : NULL;

	*p = NULL;
	rend_buf_drop(&buf);
}
