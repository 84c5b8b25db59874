/* Bytes with holes, of a simulated file: see sim_data.h. */
#include "sim_data.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void
sim_data_fini(struct sim_data *d)
{
	for (size_t i = 0; i < d->count; i++)
		free(d->pages[i]);
	free(d->pages);
	*d = (struct sim_data){ 0 };
}

size_t
sim_data_used(const struct sim_data *d)
{
	size_t used = 0;

	for (size_t i = 0; i < d->count; i++)
		used += d->pages[i] != NULL;
	return used;
}

/* Room in the table for that many pages. */
static bool
widen(struct sim_data *d, size_t count)
{
	uint8_t **pages;

	if (count <= d->count)
		return true;
	pages = realloc(d->pages, count * sizeof(*pages));
	if (pages == NULL)
		return false;
	memset(pages + d->count, 0, (count - d->count) * sizeof(*pages));
	d->pages = pages;
	d->count = count;
	return true;
}

int
sim_data_fill(struct sim_data *d, uint64_t offset, uint64_t length)
{
	size_t first = offset / SIM_PAGE, end = (offset + length + SIM_PAGE - 1) / SIM_PAGE;

	if (!widen(d, end))
		return -ENOMEM;
	for (size_t i = first; i < end; i++) {
		if (d->pages[i] == NULL)
			d->pages[i] = calloc(1, SIM_PAGE);
		if (d->pages[i] == NULL)
			return -ENOMEM;
	}
	return 0;
}

size_t
sim_data_holes(const struct sim_data *d, uint64_t offset, uint64_t length)
{
	size_t holes = 0;

	for (size_t i = offset / SIM_PAGE; i < (offset + length + SIM_PAGE - 1) / SIM_PAGE; i++)
		holes += i >= d->count || d->pages[i] == NULL;
	return holes;
}

int
sim_data_write(struct sim_data *d, const void *data, size_t length, uint64_t offset)
{
	const uint8_t *from = data;
	int error = sim_data_fill(d, offset, length);

	if (error < 0)
		return error;
	for (size_t at = 0; at < length;) {
		size_t in = (offset + at) % SIM_PAGE, n = SIM_PAGE - in;

		n = n < length - at ? n : length - at;
		memcpy(d->pages[(offset + at) / SIM_PAGE] + in, from + at, n);
		at += n;
	}
	return 0;
}

size_t
sim_data_read(const struct sim_data *d, void *data, size_t length, uint64_t offset)
{
	uint8_t *to = data;

	if (offset >= d->size)
		return 0;
	if (length > d->size - offset)
		length = d->size - offset;
	for (size_t at = 0; at < length;) {
		size_t page = (offset + at) / SIM_PAGE, in = (offset + at) % SIM_PAGE, n = SIM_PAGE - in;

		n = n < length - at ? n : length - at;
		if (page < d->count && d->pages[page] != NULL)
			memcpy(to + at, d->pages[page] + in, n);
		else
			memset(to + at, 0, n);
		at += n;
	}
	return length;
}

void
sim_data_discard(struct sim_data *d, uint64_t offset, uint64_t length)
{
	uint64_t end = offset + length;

	for (size_t i = offset / SIM_PAGE; i < d->count && (uint64_t)i * SIM_PAGE < end; i++) {
		uint64_t page = (uint64_t)i * SIM_PAGE;

		if (d->pages[i] == NULL)
			continue;
		if (page >= offset && page + SIM_PAGE <= end) {
			free(d->pages[i]);
			d->pages[i] = NULL;
		} else {
			uint64_t from = page > offset ? page : offset,
				 to = page + SIM_PAGE < end ? page + SIM_PAGE : end;

			memset(d->pages[i] + (from - page), 0, to - from);
		}
	}
}

void
sim_data_resize(struct sim_data *d, uint64_t bytes)
{
	if (bytes < d->size)
		sim_data_discard(d, bytes, d->size - bytes);
	d->size = bytes;
}

bool
sim_data_copy(struct sim_data *to, const struct sim_data *from)
{
	to->size = from->size;
	if (!widen(to, from->count))
		return false;
	for (size_t i = 0; i < from->count; i++) {
		if (from->pages[i] == NULL)
			continue;
		to->pages[i] = malloc(SIM_PAGE);
		if (to->pages[i] == NULL)
			return false;
		memcpy(to->pages[i], from->pages[i], SIM_PAGE);
	}
	return true;
}
