/* What a simulated file holds, now and after a power cut: see sim_disk.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "sim_disk.h"

#define TEAR 512

uint64_t
sim_random(struct sim_random *r)
{
	uint64_t z = r->state += 0x9e3779b97f4a7c15ULL;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return z ^ (z >> 31);
}

/* ---- what was not synced ---- */

static int
note(struct sim_disk *d, struct sim_inode *f, enum sim_change_kind kind, uint64_t offset, uint64_t length,
    const void *data)
{
	size_t bytes = data != NULL ? length : 0;
	struct sim_change *c = calloc(1, sizeof(*c) + bytes);

	if (c == NULL)
		return -ENOMEM;
	c->kind = kind;
	c->mark = ++d->marks;
	c->offset = offset;
	c->length = length;
	if (data != NULL)
		memcpy(c->data, data, bytes);
	if (f->last != NULL)
		f->last->next = c;
	else
		f->first = c;
	f->last = c;
	return 0;
}

static bool
is_kept(struct sim_random *random, unsigned keep)
{
	return keep >= 256 || (keep > 0 && sim_random(random) % 256 < keep);
}

/* Makes a change, or the blocks of it that chance keeps, to what is durable. */
static void
make_durable(struct sim_data *to, const struct sim_change *c, struct sim_random *random, size_t block, unsigned keep)
{
	switch (c->kind) {
	case SIM_WRITTEN:
		for (uint64_t at = 0; at < c->length; at += block) {
			uint64_t n = block < c->length - at ? block : c->length - at;

			if (is_kept(random, keep))
				sim_data_write(to, c->data + at, n, c->offset + at);
		}
		break;
	case SIM_EXTENDED:
		if (c->offset > to->size && is_kept(random, keep))
			to->size = c->offset;
		break;
	case SIM_RESIZED:
		if (is_kept(random, keep))
			sim_data_resize(to, c->offset);
		break;
	case SIM_DISCARDED:
		for (uint64_t at = 0; at < c->length; at += SIM_PAGE)
			if (is_kept(random, keep))
				sim_data_discard(to, c->offset + at, SIM_PAGE);
		break;
	case SIM_FILLED:
		if (is_kept(random, keep))
			sim_data_fill(to, c->offset, c->length);
		break;
	}
}

static void
forget_first(struct sim_inode *f)
{
	struct sim_change *c = f->first;

	f->first = c->next;
	if (f->first == NULL)
		f->last = NULL;
	free(c);
}

int
sim_disk_sync(struct sim_inode *f, uint64_t mark)
{
	while (f->first != NULL && f->first->mark <= mark) {
		make_durable(&f->durable, f->first, NULL, SIM_PAGE, 256);
		forget_first(f);
	}
	return 0;
}

void
sim_inode_cut(struct sim_inode *f, struct sim_random *random, size_t block, unsigned keep)
{
	while (f->first != NULL) {
		make_durable(&f->durable, f->first, random, block, keep);
		forget_first(f);
	}
	/* What was kept beyond the end is nowhere. */
	sim_data_discard(&f->durable, f->durable.size, (uint64_t)f->durable.count * SIM_PAGE);
}

void
sim_disk_sync_failed(struct sim_inode *f, struct sim_random *random)
{
	sim_inode_cut(f, random, TEAR, 128);
}

void
sim_inode_free(struct sim_inode *f)
{
	while (f->first != NULL)
		forget_first(f);
	sim_data_fini(&f->now);
	sim_data_fini(&f->durable);
	free(f);
}

struct sim_inode *
sim_inode_copy(const struct sim_inode *f)
{
	struct sim_inode *copy = calloc(1, sizeof(*copy));
	struct sim_disk marks = { 0 };

	if (copy == NULL)
		return NULL;
	copy->number = f->number;
	copy->is_dir = f->is_dir;
	copy->bad_from = f->bad_from;
	copy->bad_to = f->bad_to;
	if (!sim_data_copy(&copy->now, &f->now) || !sim_data_copy(&copy->durable, &f->durable))
		goto out;
	for (const struct sim_change *c = f->first; c != NULL; c = c->next) {
		if (note(&marks, copy, c->kind, c->offset, c->length, c->kind == SIM_WRITTEN ? c->data : NULL) != 0)
			goto out;
		copy->last->mark = c->mark;
	}
	return copy;
out:
	sim_inode_free(copy);
	return NULL;
}

/* ---- reading and changing ---- */

int64_t
sim_disk_read(const struct sim_inode *f, void *data, size_t length, uint64_t offset)
{
	if (f->bad_from < f->bad_to && offset < f->bad_to && offset + length > f->bad_from)
		return -EIO;
	return (int64_t)sim_data_read(&f->now, data, length, offset);
}

static bool
has_space(const struct sim_disk *d, const struct sim_inode *f, uint64_t offset, uint64_t length)
{
	uint64_t pages = sim_data_holes(&f->now, offset, length);

	if (d->space == 0)
		return true;
	for (const struct sim_inode *i = d->inodes; i != NULL; i = i->next)
		pages += sim_data_used(&i->now);
	return pages * SIM_PAGE <= d->space;
}

static int
extend(struct sim_disk *d, struct sim_inode *f, uint64_t end)
{
	if (end <= f->now.size)
		return 0;
	f->now.size = end;
	return note(d, f, SIM_EXTENDED, end, 0, NULL);
}

int64_t
sim_disk_write(struct sim_disk *d, struct sim_inode *f, const void *data, size_t length, uint64_t offset)
{
	int error;

	if (!has_space(d, f, offset, length))
		return -ENOSPC;
	error = sim_data_write(&f->now, data, length, offset);
	if (error == 0)
		error = extend(d, f, offset + length);
	if (error == 0)
		error = note(d, f, SIM_WRITTEN, offset, length, data);
	if (offset <= f->bad_from && offset + length >= f->bad_from)
		f->bad_from = offset + length;
	else if (offset <= f->bad_to && offset + length >= f->bad_to)
		f->bad_to = offset;
	return error < 0 ? error : (int64_t)length;
}

int
sim_disk_tear(struct sim_disk *d, struct sim_inode *f, const void *data, size_t length, uint64_t offset,
    struct sim_random *random)
{
	for (size_t at = 0; at < length; at += TEAR) {
		int64_t n = 0;

		if (is_kept(random, 128))
			n = sim_disk_write(
			    d, f, (const char *)data + at, TEAR < length - at ? TEAR : length - at, offset + at);
		if (n < 0)
			return (int)n;
	}
	return 0;
}

int
sim_disk_resize(struct sim_disk *d, struct sim_inode *f, uint64_t bytes)
{
	sim_data_resize(&f->now, bytes);
	return note(d, f, SIM_RESIZED, bytes, 0, NULL);
}

int
sim_disk_preallocate(struct sim_disk *d, struct sim_inode *f, uint64_t offset, uint64_t length)
{
	int error;

	if (!has_space(d, f, offset, length))
		return -ENOSPC;
	error = sim_data_fill(&f->now, offset, length);
	if (error == 0)
		error = note(d, f, SIM_FILLED, offset, length, NULL);
	return error == 0 ? extend(d, f, offset + length) : error;
}

int
sim_disk_discard(struct sim_disk *d, struct sim_inode *f, uint64_t offset, uint64_t length)
{
	sim_data_discard(&f->now, offset, length);
	return note(d, f, SIM_DISCARDED, offset, length, NULL);
}

static void
flip(struct sim_data *d, uint64_t bit)
{
	uint64_t byte = bit / 8;

	if (byte < d->size && byte / SIM_PAGE < d->count && d->pages[byte / SIM_PAGE] != NULL)
		d->pages[byte / SIM_PAGE][byte % SIM_PAGE] ^= (uint8_t)(1U << bit % 8);
}

int
sim_disk_flip(struct sim_inode *f, uint64_t bit)
{
	if (bit / 8 >= f->now.size)
		return -EINVAL;
	if (sim_data_fill(&f->now, bit / 8, 1) != 0 || sim_data_fill(&f->durable, bit / 8, 1) != 0)
		return -ENOMEM;
	flip(&f->now, bit);
	flip(&f->durable, bit);
	return 0;
}

int
sim_disk_truncate(struct sim_inode *f, uint64_t bytes)
{
	if (bytes > f->now.size)
		return -EINVAL;
	sim_data_resize(&f->now, bytes);
	if (bytes < f->durable.size)
		sim_data_resize(&f->durable, bytes);
	return 0;
}
