/* Operations of a simulated disk, with what is to go wrong: see sim_state.h. */
#include "sim_state.h"

struct sim *
sim_enter(struct io *io)
{
	struct sim *s = (struct sim *)io;

	pthread_mutex_lock(&s->lock);
	return s;
}

void
sim_leave(struct sim *s)
{
	pthread_mutex_unlock(&s->lock);
}

static int
enospc_or(const struct operation *op, unsigned faults)
{
	return faults & 1U << SIM_ENOSPC && op->kind != IO_READ ? -ENOSPC : -EIO;
}

int
sim_come(struct sim *s, struct operation *op, uint64_t *flip, bool *lost)
{
	uint64_t amounts[SIM_FAULT_COUNT];
	unsigned faults;

	*flip = UINT64_MAX;
	*lost = false;
	if (s->stopped)
		return -ENODEV;
	s->operations++;
	if (s->stop_at != 0 && s->operations >= s->stop_at) {
		s->stopped = true;
		if (op->kind == IO_WRITE)
			sim_disk_tear(&s->disk, op->inode, op->data, op->length, op->offset, &s->random);
		return -ENODEV;
	}
	faults = sim_faults_at(&s->faults, s->operations, op->kind, amounts);
	s->took_effect += faults != 0;
	if (faults & 1U << SIM_GONE)
		s->gone = true;
	if (s->gone)
		return -ENODEV;
	if (faults & 1U << SIM_HANG)
		return HANGS;
	if (faults & (1U << SIM_EIO | 1U << SIM_ENOSPC)) {
		if (op->kind == IO_SYNC)
			sim_disk_sync_failed(op->inode, &s->random);
		return enospc_or(op, faults);
	}
	if (faults & 1U << SIM_SHORT && amounts[SIM_SHORT] < op->length)
		op->length = amounts[SIM_SHORT];
	if (faults & 1U << SIM_MISDIRECT)
		op->offset += amounts[SIM_MISDIRECT];
	if (faults & 1U << SIM_LOSE)
		*lost = true;
	if (faults & 1U << SIM_FLIP && op->length > 0)
		*flip = amounts[SIM_FLIP] % (op->length * 8);
	return 0;
}

static void
turn_bit(void *data, uint64_t bit)
{
	((uint8_t *)data)[bit / 8] ^= (uint8_t)(1U << bit % 8);
}

static int64_t
write_flipped(struct sim *s, const struct operation *op, uint64_t flip)
{
	int64_t n;

	if (op->length == 0)
		return 0;
	n = sim_disk_write(&s->disk, op->inode, op->data, op->length, op->offset);
	if (n > 0 && flip != UINT64_MAX) {
		uint64_t at = op->offset + flip / 8;
		uint8_t byte = 0;

		sim_disk_read(op->inode, &byte, 1, at);
		byte ^= (uint8_t)(1U << flip % 8);
		n = sim_disk_write(&s->disk, op->inode, &byte, 1, at) < 0 ? -ENOMEM : n;
	}
	return n;
}

int64_t
sim_carry_out(struct sim *s, struct operation op, uint64_t mark)
{
	uint64_t flip;
	bool lost;
	int64_t n = sim_come(s, &op, &flip, &lost);

	if (n != 0)
		return n;
	switch (op.kind) {
	case IO_READ:
		n = sim_disk_read(op.inode, op.data, op.length, op.offset);
		if (n > 0 && flip != UINT64_MAX && flip / 8 < (uint64_t)n)
			turn_bit(op.data, flip);
		return n;
	case IO_WRITE:
		return lost ? (int64_t)op.length : write_flipped(s, &op, flip);
	case IO_SYNC:
		return lost ? 0 : sim_disk_sync(op.inode, mark);
	case IO_DISCARD:
		return lost ? 0 : sim_disk_discard(&s->disk, op.inode, op.offset, op.length);
	}
	return 0;
}

void
sim_look(struct io *io)
{
	struct sim *s = sim_enter(io);
	sim_watch_f *fn = s->stopped ? NULL : s->watch;
	void *arg = s->watch_arg;
	uint64_t n = s->operations + 1;

	sim_leave(s);
	if (fn != NULL)
		fn(arg, io, n);
}
