/* The disks of this machine, behind io.h: files and names, and which engine carries out requests.  See disk.h. */
#include "disk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "disk_state.h"
#include "rend/check.h"
#include "rend/log.h"
#include "rend/worker.h"

#define THREADS	    8
#define THREADS_MAX 256

struct disk {
	struct io io;
	bool uring;
	struct threads *threads;
};

static int
result(int returned)
{
	return returned < 0 ? -errno : 0;
}

/* ---- files ---- */

/* Some file systems take O_DIRECT, and refuse what comes then. */
static bool
reads_directly(int fd)
{
	void *data = aligned_alloc(IO_ALIGN, IO_ALIGN);
	bool reads = data != NULL && (pread(fd, data, IO_ALIGN, 0) >= 0 || errno != EINVAL);

	free(data);
	return reads;
}

/*
 * In what steps it can be read past the page cache, as the kernel says (Linux 6.1, most file systems).  To try would say less: there are file systems that
 * do what they cannot do directly through the page cache, and a hole or the end of a file is read in any step.
 */
static uint32_t
direct_grain(int fd)
{
#ifdef STATX_DIOALIGN
	struct statx x;

	if (statx(fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &x) == 0 && (x.stx_mask & STATX_DIOALIGN) != 0) {
		uint32_t offset = x.stx_dio_offset_align, memory = x.stx_dio_mem_align,
			 grain = offset > memory ? offset
						 : memory; /* what is left of a short read begins anywhere in memory */

		if (offset > 0 && grain < IO_ALIGN)
			return grain > IO_GRAIN_LEAST ? grain : IO_GRAIN_LEAST;
	}
#endif
	return IO_ALIGN;
}

/* A file, or a disk.  Opening a pipe would wait for whoever is at its other end. */
static int
open_file(const char *path, int how)
{
	int fd = open(path, how | O_NONBLOCK, 0600), error;
	struct stat st;

	if (fd < 0)
		return -errno;
	/* On a ring it would not wait for the disk, either. */
	error = result(fstat(fd, &st) < 0 ? -1 : fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK));
	if (error == 0 && !S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode))
		error = -EPERM;
	if (error == 0)
		return fd;
	close(fd);
	return error;
}

static int
open_fd(const char *path, int flags, bool *direct)
{
	int how = O_CLOEXEC | O_NOFOLLOW | (flags & IO_READ_ONLY ? O_RDONLY : O_RDWR) |
		  (flags & IO_CREATE ? O_CREAT : 0) | (flags & IO_EXCLUSIVE ? O_EXCL : 0);
	int fd = -1;

	*direct = flags & IO_DIRECT;
	if (*direct) {
		fd = open_file(path, how | O_DIRECT);
		if (fd < 0 && fd != -EINVAL)
			return fd;
		if (fd >= 0 && reads_directly(fd))
			return fd;
		/* It may have made the file before it said no. */
		how &= ~O_EXCL;
		*direct = false;
		if (fd >= 0)
			close(fd);
	}
	fd = open_file(path, how);
	if (fd < 0)
		return fd;
	/* Records lie anywhere: what the kernel would read ahead is for nothing. */
	posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM);
	return fd;
}

static int
disk_open(struct io *io, const char *path, int flags, struct io_file **file)
{
	struct disk_file *f = calloc(1, sizeof(*f));

	if (f == NULL)
		return -ENOMEM;
	f->fd = open_fd(path, flags, &f->f.direct);
	if (f->fd < 0) {
		int error = f->fd;

		free(f);
		return error;
	}
	f->f.grain = f->f.direct ? direct_grain(f->fd) : IO_GRAIN_LEAST;
	*file = &f->f;
	return 0;
}

static void
disk_close(struct io_file *file)
{
	close(disk_fd(file));
	free(file);
}

static int
disk_lock(struct io_file *file)
{
	struct flock lock = { .l_type = file->read_only ? F_RDLCK : F_WRLCK, .l_whence = SEEK_SET };

	return result(fcntl(disk_fd(file), F_OFD_SETLK, &lock));
}

static int
disk_size(struct io_file *file, uint64_t *bytes)
{
	off_t end = lseek(disk_fd(file), 0, SEEK_END); /* of a block device, too */

	*bytes = end < 0 ? 0 : (uint64_t)end;
	return end < 0 ? -errno : 0;
}

static int
disk_resize(struct io_file *file, uint64_t bytes)
{
	return result(ftruncate(disk_fd(file), (off_t)bytes));
}

static int
disk_preallocate(struct io_file *file, uint64_t offset, uint64_t length)
{
	int error;

	do
		error = result(fallocate(disk_fd(file), 0, (off_t)offset, (off_t)length));
	while (error == -EINTR);
	return error;
}

static int64_t
disk_read(struct io_file *file, void *data, size_t length, uint64_t offset)
{
	ssize_t n = pread(disk_fd(file), data, length, (off_t)offset);

	return n < 0 ? -errno : n;
}

static int64_t
disk_write(struct io_file *file, const void *data, size_t length, uint64_t offset)
{
	ssize_t n = pwrite(disk_fd(file), data, length, (off_t)offset);

	return n < 0 ? -errno : n;
}

static int
disk_sync(struct io_file *file)
{
	return result(fdatasync(disk_fd(file)));
}

static int
disk_discard(struct io_file *file, uint64_t offset, uint64_t length)
{
	return result(
	    fallocate(disk_fd(file), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)offset, (off_t)length));
}

/* ---- names ---- */

static int
disk_rename(struct io *io, const char *from, const char *to)
{
	return result(rename(from, to));
}

static int
disk_unlink(struct io *io, const char *path)
{
	return result(unlink(path));
}

static int
disk_make_dir(struct io *io, const char *path)
{
	return result(mkdir(path, 0700));
}

/* A folder made under a loose umask has a group, which is fine if that is ours. */
static int
disk_own_dir(struct io *io, const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return -errno;
	if (!S_ISDIR(st.st_mode))
		return -ENOTDIR;
	if (st.st_uid != geteuid() && st.st_uid != 0)
		return -EPERM;
	if ((st.st_mode & S_IWOTH) || ((st.st_mode & S_IWGRP) && st.st_gid != getegid()))
		return -EPERM;
	return 0;
}

static int
disk_sync_dir(struct io *io, const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), error;

	if (fd < 0)
		return -errno;
	error = result(fsync(fd));
	close(fd);
	return error;
}

static int
disk_list(struct io *io, const char *path, io_name_f *each, void *arg)
{
	DIR *dir = opendir(path);
	struct dirent *entry;
	int error;

	if (dir == NULL)
		return -errno;
	for (errno = 0; (entry = readdir(dir)) != NULL; errno = 0)
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 && !each(arg, entry->d_name))
			break;
	error = entry == NULL ? -errno : 0;
	closedir(dir);
	return error;
}

/* ---- the whole ---- */

static uint64_t
disk_now(struct io *io)
{
	return rend_now();
}

/* A line of hexadecimal digits, of which these are enough. */
static uint32_t
disk_boot(struct io *io)
{
	char line[9] = "";
	int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return 0;
	n = read(fd, line, sizeof line - 1);
	close(fd);
	return n == sizeof line - 1 ? (uint32_t)strtoul(line, NULL, 16) : 0;
}

void
disk_wait(struct io_queue *q, uint64_t ns)
{
	struct pollfd p = { .fd = q->fd, .events = POLLIN };
	struct timespec ts = { .tv_sec = (time_t)(ns / 1000000000), .tv_nsec = (long)(ns % 1000000000) };

	ppoll(&p, 1, &ts, NULL);
}

/* What io_uring could do at the start it may be forbidden by now: then this queue has threads. */
static int
disk_queue_new(struct io *io, uint32_t depth, struct io_queue **queue)
{
	struct disk *d = (struct disk *)io;
	int error = d->uring ? uring_queue_new(depth, queue) : -ENOSYS;

	if (error == 0 || d->threads == NULL)
		return error;
	if (d->uring)
		rend_log(REND_LOG_WARN, "ssd: a ring of io_uring could not be made (%s): threads do its work",
		    strerror(-error));
	return threads_queue_new(d->threads, queue);
}

static void
disk_free(struct io *io)
{
	struct disk *d = (struct disk *)io;

	if (d->threads == NULL || threads_free(&d->threads))
		free(d);
}

/* Queues have ops of their own. */
#define DISK_OPS(its_name)                                                                                          \
	{                                                                                                           \
		.name = its_name, .free = disk_free, .now = disk_now, .boot = disk_boot, .open = disk_open,         \
		.close = disk_close, .lock = disk_lock, .size = disk_size, .resize = disk_resize,                   \
		.preallocate = disk_preallocate, .read = disk_read, .write = disk_write, .sync = disk_sync,         \
		.discard = disk_discard, .rename = disk_rename, .unlink = disk_unlink, .make_dir = disk_make_dir,   \
		.own_dir = disk_own_dir, .sync_dir = disk_sync_dir, .list = disk_list, .queue_new = disk_queue_new, \
	}
static const struct io_ops uring_ops = DISK_OPS("uring"), threads_ops = DISK_OPS("threads");

enum io_status
disk_new(enum disk_engine engine, unsigned threads, struct io **io)
{
	struct disk *d;
	int error = engine == DISK_THREADS ? -ENOSYS : uring_try();

	*io = NULL;
	if (engine == DISK_URING && error != 0)
		return io_status_of(-error);
	if (engine == DISK_AUTO && error != 0)
		rend_log(REND_LOG_INFO, "ssd: no io_uring here (%s): threads do its work", strerror(-error));
	d = calloc(1, sizeof(*d));
	if (d == NULL)
		return IO_NO_MEMORY;
	d->uring = error == 0;
	d->io = (struct io){ .magic = IO_MAGIC, .ops = d->uring ? &uring_ops : &threads_ops };
	threads = threads == 0 ? THREADS : threads > THREADS_MAX ? THREADS_MAX : threads;
	if (engine != DISK_URING)
		d->threads = threads_new(threads);
	if (engine != DISK_URING && d->threads == NULL) {
		free(d);
		return IO_NO_MEMORY;
	}
	*io = &d->io;
	return IO_OK;
}
