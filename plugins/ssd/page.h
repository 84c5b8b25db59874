/* Memory that is read into, and then handed out as it is: a rend_buf over what buffers.h keeps. */
#ifndef SSD_PAGE_H
#define SSD_PAGE_H

#include "buffers.h"
#include "rend/value.h"

struct page {
	struct rend_buf buf; /* its last user gives the memory back */
	struct buffers *buffers;
	void *data;
	size_t got;
	unsigned shelf;
};

/* One reference, the caller's.  NULL: the bound is reached, or no memory. */
struct page *page_new(struct buffers *buffers, unsigned shelf, size_t size);

/* *p is NULL afterwards; NULL before is fine. */
void page_drop(struct page **p);

#endif
