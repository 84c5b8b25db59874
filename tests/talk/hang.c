/*
 * Preloaded into a server, is a disk that hangs: as long as the file is there which HANG names, no read of a file, no write to one and no sync of
 * one comes back.  If the file says so, only of files in a folder: that it names.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

/* Is the file there, and names no other folder? */
static int
hangs(const char *path, int fd)
{
	char folder[4096], link[64], is[4096];
	int f = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n, len;

	if (f < 0)
		return 0;
	n = read(f, folder, sizeof folder);
	close(f);
	if (n <= 0)
		return n == 0;
	snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	len = readlink(link, is, sizeof is);
	return len > n && memcmp(is, folder, (size_t)n) == 0 && is[n] == '/';
}

static void
hang(int fd)
{
	const char *path = getenv("HANG");

	while (path != NULL && hangs(path, fd))
		usleep(5000);
}

/* Each has a name of its own for 64 bits, which is the same here. */
#define HANGS(name, buffer, length)                                 \
	ssize_t name(int fd, buffer b, length n, off_t offset)      \
	{                                                           \
		static ssize_t (*next)(int, buffer, length, off_t); \
		ssize_t (*is)(int, buffer, length, off_t);          \
                                                                    \
		is = __atomic_load_n(&next, __ATOMIC_RELAXED);      \
		if (is == NULL)                                     \
			*(void **)&is = dlsym(RTLD_NEXT, #name);    \
		__atomic_store_n(&next, is, __ATOMIC_RELAXED);      \
		hang(fd);                                           \
		return is(fd, b, n, offset);                        \
	}

HANGS(pread, void *, size_t)
HANGS(pread64, void *, size_t)
HANGS(pwrite, const void *, size_t)
HANGS(pwrite64, const void *, size_t)
HANGS(preadv, const struct iovec *, int)
HANGS(preadv64, const struct iovec *, int)
HANGS(pwritev, const struct iovec *, int)
HANGS(pwritev64, const struct iovec *, int)

int
fdatasync(int fd)
{
	static int (*next)(int);
	int (*is)(int);

	is = __atomic_load_n(&next, __ATOMIC_RELAXED);
	if (is == NULL)
		*(void **)&is = dlsym(RTLD_NEXT, "fdatasync");
	__atomic_store_n(&next, is, __ATOMIC_RELAXED);
	hang(fd);
	return is(fd);
}
