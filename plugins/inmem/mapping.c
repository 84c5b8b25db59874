/* Memory that could be given to another process: see mapping.h. */
#include "mapping.h"

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

/* Its length is what it is: nobody who has the descriptor can make an access fail. */
#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)

#define MODE  "/proc/sys/vm/overcommit_memory"

/*
 * With vm.overcommit_memory = 2 a page of a file that is more than the system grants is a SIGBUS; memory of one's own is granted, or refused, as
 * a whole when it is mapped.
 */
static bool
is_strict(void)
{
	FILE *f = fopen(MODE, "re");
	int mode = 0;

	if (f == NULL)
		return false;
	if (fscanf(f, "%d", &mode) != 1)
		mode = 0;
	fclose(f);
	return mode == 2;
}

/* To make a file longer than the process may have them is not an error but a signal. */
static bool
may_be_so_long(size_t size)
{
	struct rlimit most;

	return getrlimit(RLIMIT_FSIZE, &most) == 0 && (most.rlim_cur == RLIM_INFINITY || size <= most.rlim_cur);
}

static int
file_new(size_t size)
{
	int fd;

	if (is_strict() || !may_be_so_long(size))
		return -1;
	fd = memfd_create("inmem", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0)
		return -1;
	if (ftruncate(fd, (off_t)size) == 0 && fcntl(fd, F_ADD_SEALS, SEALS) == 0)
		return fd;
	close(fd);
	return -1;
}

/* Nothing is set aside: what is used is counted by the store.  It begins where a huge page can: more is asked for, and what is outside given back. */
static int
map(struct mapping *m)
{
	int flags = MAP_NORESERVE | MAP_FIXED | (m->fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED);
	size_t whole = m->size + MAPPING_HUGE, before;
	char *at = mmap(NULL, whole, PROT_NONE, MAP_NORESERVE | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (at == MAP_FAILED)
		return -1;
	before = -(uintptr_t)at % MAPPING_HUGE;
	m->base = mmap(at + before, m->size, PROT_READ | PROT_WRITE, flags, m->fd, 0);
	if (before != 0)
		munmap(at, before);
	munmap(at + before + m->size, whole - before - m->size);
	/* If it failed, what was there may be gone, and another thread's by now: so it is left as it is. */
	return m->base == MAP_FAILED ? -1 : 0;
}

int
mapping_new(struct mapping *m, size_t size, bool file)
{
	*m = (struct mapping){ .size = size, .fd = file ? file_new(size) : -1 };
	if (map(m) == 0)
		return 0;
	if (m->fd < 0)
		return -1;
	close(m->fd);
	m->fd = -1;
	return map(m);
}

int
mapping_take(struct mapping *m, int fd, size_t size)
{
	struct stat st;
	int have = fcntl(fd, F_GET_SEALS);

	*m = (struct mapping){ .size = size, .fd = fd };
	if (fstat(fd, &st) != 0 || st.st_size != (off_t)size || have < 0 || (have & SEALS) != SEALS)
		return -1;
	return map(m);
}

static bool
lock(const struct mapping *m, short type)
{
	struct flock its = { .l_type = type, .l_whence = SEEK_SET, .l_start = 0, .l_len = 1 };

	return fcntl(m->fd, F_SETLK, &its) == 0;
}

bool
mapping_claim(const struct mapping *m)
{
	return lock(m, F_WRLCK);
}

void
mapping_unclaim(const struct mapping *m)
{
	lock(m, F_UNLCK);
}

void
mapping_huge(const struct mapping *m, size_t from, size_t len, bool yes)
{
	/* Where there are no huge pages it fails, and nothing is lost. */
	madvise(m->base + from, len, yes ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
}

void
mapping_forget(const struct mapping *m, const void *from, size_t len)
{
	/* Neither can fail for a range of our own; and if one did, the memory would only stay. */
	if (m->fd < 0)
		madvise((void *)(uintptr_t)from, len, MADV_DONTNEED);
	else
		(void)!fallocate(
		    m->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (const char *)from - m->base, (off_t)len);
}

void
mapping_end(struct mapping *m)
{
	munmap(m->base, m->size);
	if (m->fd >= 0)
		close(m->fd);
	m->fd = -1;
}
