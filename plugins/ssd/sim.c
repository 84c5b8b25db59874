/* A disk in memory, behind io.h: files and names.  See sim.h. */
#include <stdlib.h>
#include <string.h>

#include "rend/check.h"
#include "sim_state.h"

#define START_NS 1000000000ULL /* where its clock begins: 0 is no time */

/* A call that waits. */
static int64_t
call(struct io_file *file, int kind, void *data, size_t length, uint64_t offset)
{
	struct operation op = {
		.kind = kind,
		.inode = ((struct sim_file *)file)->inode,
		.data = data,
		.length = length,
		.offset = offset,
	};
	struct sim *s;
	int64_t n;

	sim_look(file->io);
	s = sim_enter(file->io);
	n = sim_carry_out(s, op, UINT64_MAX);
	sim_leave(s);
	return n == HANGS ? -ETIMEDOUT : n;
}

static int64_t
sim_read(struct io_file *file, void *data, size_t length, uint64_t offset)
{
	return call(file, IO_READ, data, length, offset);
}

static int64_t
sim_write(struct io_file *file, const void *data, size_t length, uint64_t offset)
{
	if (file->read_only)
		return -EBADF;
	return call(file, IO_WRITE, (void *)(uintptr_t)data, length, offset);
}

static int
sim_sync(struct io_file *file)
{
	return (int)call(file, IO_SYNC, NULL, 0, 0);
}

static int
sim_discard(struct io_file *file, uint64_t offset, uint64_t length)
{
	return (int)call(file, IO_DISCARD, NULL, length, offset);
}

/* An operation that no request can be: what it does follows, under the lock that is held if it is 0. */
static int
begin(struct io *io, struct sim **s)
{
	struct operation op = { .kind = -1 };
	uint64_t flip;
	bool lost;
	int error;

	sim_look(io);
	*s = sim_enter(io);
	error = sim_come(*s, &op, &flip, &lost);
	if (error == 0)
		return 0;
	sim_leave(*s);
	return error == HANGS ? -ETIMEDOUT : error;
}

static int
finish(struct sim *s, int error)
{
	sim_leave(s);
	return error;
}

static int
sim_resize(struct io_file *file, uint64_t bytes)
{
	struct sim *s;
	int error = begin(file->io, &s);

	return error < 0 ? error : finish(s, sim_disk_resize(&s->disk, ((struct sim_file *)file)->inode, bytes));
}

static int
sim_preallocate(struct io_file *file, uint64_t offset, uint64_t length)
{
	struct sim *s;
	int error = begin(file->io, &s);

	if (error < 0)
		return error;
	return finish(s, sim_disk_preallocate(&s->disk, ((struct sim_file *)file)->inode, offset, length));
}

static int
sim_rename(struct io *io, const char *from, const char *to)
{
	struct sim *s;
	int error = begin(io, &s);

	return error < 0 ? error : finish(s, sim_disk_rename(&s->disk, from, to));
}

static int
sim_unlink(struct io *io, const char *path)
{
	struct sim *s;
	int error = begin(io, &s);

	return error < 0 ? error : finish(s, sim_disk_unlink(&s->disk, path));
}

static int
sim_make_dir(struct io *io, const char *path)
{
	struct sim *s;
	struct sim_inode *made;
	int error = begin(io, &s);

	return error < 0 ? error : finish(s, sim_disk_create(&s->disk, path, true, &made));
}

static int
sim_sync_dir(struct io *io, const char *path)
{
	struct sim *s;
	int error = begin(io, &s);

	return error < 0 ? error : finish(s, sim_disk_sync_dir(&s->disk, path));
}

/* ---- what is no operation ---- */

static uint32_t
sim_boot(struct io *io)
{
	struct sim *s = sim_enter(io);
	uint32_t boot = s->boot;

	sim_leave(s);
	return boot;
}

/* Nobody else is there. */
static int
sim_own_dir(struct io *io, const char *path)
{
	return 0;
}

static uint64_t
sim_now(struct io *io)
{
	struct sim *s = sim_enter(io);
	uint64_t now = *s->clock;

	sim_leave(s);
	return now;
}

struct names {
	char **names;
	size_t count, room;
	bool failed;
};

static bool
keep_name(void *arg, const char *name)
{
	struct names *n = arg;

	if (n->count == n->room) {
		size_t room = n->room == 0 ? 16 : 2 * n->room;
		char **names = realloc(n->names, room * sizeof(*names));

		n->failed = names == NULL;
		if (n->failed)
			return false;
		n->names = names;
		n->room = room;
	}
	n->names[n->count] = strdup(name);
	n->failed = n->names[n->count] == NULL;
	n->count += !n->failed;
	return !n->failed;
}

/* each() may change names: it gets those that there were. */
static int
sim_list(struct io *io, const char *path, io_name_f *each, void *arg)
{
	struct names n = { 0 };
	struct sim *s = sim_enter(io);
	int error = s->stopped || s->gone ? -ENODEV : sim_disk_list(&s->disk, path, keep_name, &n);
	bool more = true;

	sim_leave(s);
	if (n.failed)
		error = -ENOMEM;
	for (size_t i = 0; i < n.count; i++) {
		more = more && error == 0 && each(arg, n.names[i]);
		free(n.names[i]);
	}
	free(n.names);
	return error;
}

static int
find_or_create(struct io *io, const char *path, int flags, struct sim_inode **inode)
{
	struct sim *s = sim_enter(io);
	int error = 0;

	*inode = sim_disk_find(&s->disk, path);
	if (s->stopped || s->gone)
		error = -ENODEV;
	else if (*inode != NULL && (*inode)->is_dir)
		error = -EISDIR;
	else if (*inode != NULL && flags & IO_EXCLUSIVE)
		error = -EEXIST;
	else if (*inode == NULL && !(flags & IO_CREATE))
		error = -ENOENT;
	sim_leave(s);
	if (error != 0 || *inode != NULL)
		return error;
	error = begin(io, &s);
	return error < 0 ? error : finish(s, sim_disk_create(&s->disk, path, false, inode));
}

static int
sim_open(struct io *io, const char *path, int flags, struct io_file **file)
{
	struct sim_file *f = calloc(1, sizeof(*f));
	struct sim *s;
	int error;

	if (f == NULL)
		return -ENOMEM;
	error = find_or_create(io, path, flags, &f->inode);
	if (error != 0) {
		free(f);
		return error;
	}
	f->f.direct = flags & IO_DIRECT;
	s = sim_enter(io);
	f->f.grain = s->grain;
	sim_leave(s);
	*file = &f->f;
	return 0;
}

static void
sim_close(struct io_file *file)
{
	struct sim_file *f = (struct sim_file *)file;
	struct sim *s = sim_enter(file->io);

	if (f->inode->locked_by == f)
		f->inode->locked_by = NULL;
	sim_leave(s);
	free(f);
}

static int
sim_lock(struct io_file *file)
{
	struct sim_file *f = (struct sim_file *)file;
	struct sim *s = sim_enter(file->io);
	bool free = f->inode->locked_by == NULL || f->inode->locked_by == f;

	if (free)
		f->inode->locked_by = f;
	sim_leave(s);
	return free ? 0 : -EAGAIN;
}

static int
sim_size(struct io_file *file, uint64_t *bytes)
{
	struct sim *s = sim_enter(file->io);
	int error = s->stopped || s->gone ? -ENODEV : 0;

	*bytes = error == 0 ? ((struct sim_file *)file)->inode->now.size : 0;
	sim_leave(s);
	return error;
}

/* ---- the whole ---- */

static void
sim_free(struct io *io)
{
	struct sim *s = (struct sim *)io;

	REND_ASSERT(s->queues == NULL);
	sim_disk_fini(&s->disk);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

static const struct io_ops sim_ops = {
	.name = "sim",
	.free = sim_free,
	.now = sim_now,
	.boot = sim_boot,
	.open = sim_open,
	.close = sim_close,
	.lock = sim_lock,
	.size = sim_size,
	.resize = sim_resize,
	.preallocate = sim_preallocate,
	.read = sim_read,
	.write = sim_write,
	.sync = sim_sync,
	.discard = sim_discard,
	.rename = sim_rename,
	.unlink = sim_unlink,
	.make_dir = sim_make_dir,
	.own_dir = sim_own_dir,
	.sync_dir = sim_sync_dir,
	.list = sim_list,
	.queue_new = sim_queue_new,
	.queue_free = sim_queue_free,
	.queue_leave = sim_queue_free, /* no disk is there that could still write to what it has */
	.start = sim_start,
	.flush = sim_flush,
	.reap = sim_reap,
	.wait = sim_wait,
	.cancel = sim_cancel,
};

struct io *
sim_new(uint64_t seed, uint64_t space)
{
	struct sim *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return NULL;
	s->io = (struct io){ .magic = IO_MAGIC, .ops = &sim_ops };
	pthread_mutex_init(&s->lock, NULL);
	s->random.state = seed;
	s->now = START_NS;
	s->clock = &s->now;
	s->boot = 1;
	s->grain = IO_GRAIN_LEAST;
	sim_disk_init(&s->disk, space);
	return &s->io;
}
