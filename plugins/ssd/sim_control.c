/* What a test does to a simulated disk: see sim.h. */
#include <stdlib.h>

#include "sim_state.h"

/* What requests that are under way left on the disk, of which `to` is a copy.  false: no memory. */
static bool
tear_requests(const struct sim *s, struct sim *to)
{
	for (const struct sim_queue *q = s->queues; q != NULL; q = q->next)
		for (unsigned i = 0; i < q->count; i++) {
			const struct io_request *r = q->entries[i].r;
			struct operation op;
			int error;

			if (r->kind != IO_WRITE)
				continue;
			if (sim_prepare(r, &op) != 0)
				return false;
			op.inode = sim_disk_same(&to->disk, op.inode);
			error = sim_disk_tear(&to->disk, op.inode, op.data, op.length, op.offset, &to->random);
			free(op.data);
			if (error == -ENOMEM)
				return false;
		}
	return true;
}

struct io *
sim_after(struct io *io, enum sim_crash how, uint64_t seed)
{
	struct io *after = sim_new(seed, 0);
	struct sim *to = (struct sim *)after, *s;
	bool copied;

	if (after == NULL)
		return NULL;
	s = sim_enter(io);
	to->now = *s->clock;
	to->boot = s->boot + (how != SIM_KILL);
	to->grain = s->grain;
	copied = sim_disk_copy(&to->disk, &s->disk);
	if (copied && how != SIM_POWER_CUT_NONE && how != SIM_POWER_CUT_ALL)
		copied = tear_requests(s, to);
	sim_leave(s);
	if (!copied) {
		io_free(&after);
		return NULL;
	}
	switch (how) {
	case SIM_POWER_CUT:
		sim_disk_cut(&to->disk, &to->random, 512, (unsigned)(sim_random(&to->random) % 257));
		break;
	case SIM_POWER_CUT_4K:
		sim_disk_cut(&to->disk, &to->random, SIM_PAGE, (unsigned)(sim_random(&to->random) % 257));
		break;
	case SIM_POWER_CUT_NONE:
		sim_disk_cut(&to->disk, &to->random, SIM_PAGE, 0);
		break;
	case SIM_POWER_CUT_ALL:
		sim_disk_cut(&to->disk, &to->random, SIM_PAGE, 256);
		break;
	case SIM_KILL:
	case SIM_CRASHES:
		break;
	}
	return after;
}

void
sim_stop_at(struct io *io, uint64_t n)
{
	struct sim *s = sim_enter(io);

	s->stop_at = n;
	sim_leave(s);
}

void
sim_stop(struct io *io)
{
	struct sim *s = sim_enter(io);

	s->stopped = true;
	sim_leave(s);
}

bool
sim_stopped(struct io *io)
{
	struct sim *s = sim_enter(io);
	bool stopped = s->stopped;

	sim_leave(s);
	return stopped;
}

void
sim_watch(struct io *io, sim_watch_f *fn, void *arg)
{
	struct sim *s = sim_enter(io);

	s->watch = fn;
	s->watch_arg = arg;
	sim_leave(s);
}

void
sim_advance(struct io *io, uint64_t ns)
{
	struct sim *s = sim_enter(io);

	*s->clock += ns;
	sim_leave(s);
}

void
sim_beside(struct io *io, struct io *with)
{
	struct sim *of = sim_enter(with);
	uint64_t *clock = of->clock;
	struct sim *s;

	sim_leave(of);
	s = sim_enter(io);
	s->clock = clock;
	sim_leave(s);
}

void
sim_grain(struct io *io, uint32_t bytes)
{
	struct sim *s = sim_enter(io);

	s->grain = bytes;
	sim_leave(s);
}

uint64_t
sim_operations(struct io *io)
{
	struct sim *s = sim_enter(io);
	uint64_t n = s->operations;

	sim_leave(s);
	return n;
}

static enum io_status
add_fault(struct io *io, struct sim_plan plan)
{
	struct sim *s = sim_enter(io);
	bool added = sim_faults_add(&s->faults, plan);

	sim_leave(s);
	return added ? IO_OK : IO_NO_MEMORY;
}

enum io_status
sim_fault(struct io *io, uint64_t n, enum sim_fault fault, uint64_t amount)
{
	return add_fault(io, (struct sim_plan){ .n = n, .kind = -1, .fault = fault, .amount = amount });
}

enum io_status
sim_fault_next(struct io *io, enum io_kind kind, uint64_t n, enum sim_fault fault, uint64_t amount)
{
	return add_fault(io, (struct sim_plan){ .n = n, .kind = (int)kind, .fault = fault, .amount = amount });
}

void
sim_clear_faults(struct io *io)
{
	struct sim *s = sim_enter(io);

	s->faults.count = 0;
	sim_leave(s);
}

uint64_t
sim_faults(struct io *io)
{
	struct sim *s = sim_enter(io);
	uint64_t n = s->took_effect;

	sim_leave(s);
	return n;
}

void
sim_back(struct io *io)
{
	struct sim *s = sim_enter(io);

	s->gone = false;
	sim_leave(s);
}

void
sim_order(struct io *io, enum sim_order order)
{
	struct sim *s = sim_enter(io);

	s->order = order;
	sim_leave(s);
}

enum io_status
sim_flip(struct io *io, const char *path, uint64_t bit)
{
	struct sim *s = sim_enter(io);
	struct sim_inode *f = sim_disk_find(&s->disk, path);
	int error = f == NULL ? -ENOENT : sim_disk_flip(f, bit);

	sim_leave(s);
	return io_status_of(-error);
}

enum io_status
sim_bad(struct io *io, const char *path, uint64_t offset, uint64_t length)
{
	struct sim *s = sim_enter(io);
	struct sim_inode *f = sim_disk_find(&s->disk, path);
	int error = f == NULL ? -ENOENT : 0;

	if (f != NULL) {
		f->bad_from = offset;
		f->bad_to = offset + length;
	}
	sim_leave(s);
	return io_status_of(-error);
}

enum io_status
sim_zero(struct io *io, const char *path, uint64_t offset, uint64_t length)
{
	struct sim *s = sim_enter(io);
	struct sim_inode *f = sim_disk_find(&s->disk, path);
	int error = f == NULL ? -ENOENT : 0;

	if (f != NULL) {
		sim_data_discard(&f->now, offset, length);
		sim_data_discard(&f->durable, offset, length);
	}
	sim_leave(s);
	return io_status_of(-error);
}

enum io_status
sim_truncate(struct io *io, const char *path, uint64_t bytes)
{
	struct sim *s = sim_enter(io);
	struct sim_inode *f = sim_disk_find(&s->disk, path);
	int error = f == NULL ? -ENOENT : sim_disk_truncate(f, bytes);

	sim_leave(s);
	return io_status_of(-error);
}
