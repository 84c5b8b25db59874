/* Files and names: see io.h. */
#include "io.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "back.h"
#include "rend/check.h"

#define TRIES 8 /* of a call that was interrupted */

void
io_free(struct io **io)
{
	if (*io == NULL)
		return;
	REND_CHECK(*io, IO_MAGIC);
	(*io)->ops->free(*io);
	*io = NULL;
}

const char *
io_name(const struct io *io)
{
	return io->ops->name;
}

uint32_t
io_boot(struct io *io)
{
	return io->ops->boot(io);
}

uint64_t
io_now(struct io *io)
{
	return io->ops->now(io);
}

enum io_status
io_open(struct io *io, const char *path, int flags, struct breaker *breaker, struct io_file **file)
{
	struct io_file *f = NULL;
	char *name = strdup(path);
	int error;

	*file = NULL;
	if (name == NULL)
		return IO_NO_MEMORY;
	error = io->ops->open(io, path, flags, &f);
	if (error < 0) {
		free(name);
		return io_status_of(-error);
	}
	f->magic = IO_FILE_MAGIC;
	f->io = io;
	f->breaker = breaker;
	f->path = name;
	f->read_only = flags & IO_READ_ONLY;
	*file = f;
	return IO_OK;
}

void
io_close(struct io_file **file)
{
	if (*file == NULL)
		return;
	REND_CHECK(*file, IO_FILE_MAGIC);
	free((*file)->path);
	(*file)->magic = 0;
	(*file)->io->ops->close(*file);
	*file = NULL;
}

const char *
io_file_path(const struct io_file *file)
{
	return file->path;
}

bool
io_file_direct(const struct io_file *file)
{
	return file->direct;
}

uint32_t
io_file_grain(const struct io_file *file)
{
	return file->grain;
}

static enum io_status
status(int result)
{
	return result < 0 ? io_status_of(-result) : IO_OK;
}

enum io_status
io_lock(struct io_file *file)
{
	int result = file->io->ops->lock(file);

	return result == -EAGAIN || result == -EACCES ? IO_LOCKED : status(result);
}

enum io_status
io_size(struct io_file *file, uint64_t *bytes)
{
	return status(file->io->ops->size(file, bytes));
}

enum io_status
io_resize(struct io_file *file, uint64_t bytes)
{
	return bytes > INT64_MAX ? IO_INVALID : status(file->io->ops->resize(file, bytes));
}

enum io_status
io_preallocate(struct io_file *file, uint64_t offset, uint64_t length)
{
	if (length == 0 || offset > INT64_MAX - length)
		return IO_INVALID;
	return status(file->io->ops->preallocate(file, offset, length));
}

static bool
is_aligned(const void *data, size_t length, uint64_t offset)
{
	return (((uintptr_t)data | length | offset) & (IO_ALIGN - 1)) == 0 && length > 0 && length <= IO_LENGTH_MAX &&
	       offset <= (uint64_t)INT64_MAX - length;
}

/* Until all of it is through, or it ends. */
static enum io_status
whole(struct io_file *file, void *data, size_t length, uint64_t offset, size_t *through, bool write)
{
	const struct io_ops *ops = file->io->ops;
	size_t at = 0;
	int tries = 0;
	enum io_status ended = IO_OK;

	if (through != NULL)
		*through = 0;
	if (!is_aligned(data, length, offset))
		return IO_INVALID;
	while (at < length && ended == IO_OK) {
		char *here = (char *)data + at;
		int64_t n = write ? ops->write(file, here, length - at, offset + at)
				  : ops->read(file, here, length - at, offset + at);

		if (n == -EINTR && ++tries < TRIES)
			continue;
		if (n < 0)
			ended = status((int)n);
		else
			at += (size_t)n;
		/* The end of the file; past the page cache, a piece of a block is the end too. */
		if (n == 0 || (n > 0 && at < length && file->direct && at % IO_ALIGN != 0))
			ended = IO_SHORT;
	}
	if (through != NULL)
		*through = at;
	return ended;
}

enum io_status
io_read(struct io_file *file, void *data, size_t length, uint64_t offset, size_t *got)
{
	return whole(file, data, length, offset, got, false);
}

enum io_status
io_write(struct io_file *file, const void *data, size_t length, uint64_t offset, size_t *put)
{
	return whole(file, (void *)(uintptr_t)data, length, offset, put, true);
}

enum io_status
io_sync(struct io_file *file)
{
	return status(file->io->ops->sync(file));
}

enum io_status
io_discard(struct io_file *file, uint64_t offset, uint64_t length)
{
	if (length == 0 || (offset | length) & (IO_ALIGN - 1) || offset > INT64_MAX - length)
		return IO_INVALID;
	return status(file->io->ops->discard(file, offset, length));
}

enum io_status
io_rename(struct io *io, const char *from, const char *to)
{
	return status(io->ops->rename(io, from, to));
}

enum io_status
io_unlink(struct io *io, const char *path)
{
	return status(io->ops->unlink(io, path));
}

enum io_status
io_make_dir(struct io *io, const char *path)
{
	return status(io->ops->make_dir(io, path));
}

enum io_status
io_own_dir(struct io *io, const char *path)
{
	return status(io->ops->own_dir(io, path));
}

enum io_status
io_sync_dir(struct io *io, const char *path)
{
	return status(io->ops->sync_dir(io, path));
}

enum io_status
io_list(struct io *io, const char *path, io_name_f *each, void *arg)
{
	return status(io->ops->list(io, path, each, arg));
}
