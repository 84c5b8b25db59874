/* Versions and floors: see versions.h. */
#include "versions.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "rend/plugin.h"

#define FORMAT 0x1065746174536d4eULL /* and magic */
#define STEP   (1ULL << 24)	     /* versions that are taken at once from the disk */

struct entry {
	uint64_t number, check;
};

enum { AT_FORMAT, AT_HIGH, AT_FLOORS };

static struct entry
entry_of(uint64_t number, unsigned at)
{
	struct entry e = { .number = htole64(number) };

	e.check = htole64(XXH3_64bits_withSeed(&e.number, sizeof e.number, at));
	return e;
}

static bool
entry_read(const struct entry *e, unsigned at, uint64_t *number)
{
	*number = le64toh(e->number);
	return entry_of(*number, at).check == e->check;
}

/* The file's lock is held. */
static int
write_entries(const struct versions *v, const struct entry *entries, unsigned at, unsigned count)
{
	size_t size = count * sizeof *entries;

	if (pwrite(v->fd, entries, size, (off_t)(at * sizeof *entries)) != (ssize_t)size)
		return -1;
	return v->lasts ? fdatasync(v->fd) : 0;
}

static int
write_high(struct versions *v, uint64_t high)
{
	struct entry e = entry_of(high, AT_HIGH);
	int done;

	pthread_mutex_lock(&v->file);
	done = write_entries(v, &e, AT_HIGH, 1);
	pthread_mutex_unlock(&v->file);
	return done;
}

/* Floors as they are now: they only rise, so whoever writes last writes the highest. */
static int
write_floors(struct versions *v, unsigned first, unsigned count)
{
	struct entry entries[BINS_MOST];
	int done;

	pthread_mutex_lock(&v->file);
	for (unsigned i = 0; i < count; i++)
		entries[i] = entry_of(versions_floor(v, first + i), AT_FLOORS + first + i);
	done = write_entries(v, entries, AT_FLOORS + first, count);
	pthread_mutex_unlock(&v->file);
	return done;
}

static void
set_floor(struct versions *v, unsigned bin, uint64_t floor)
{
	__atomic_store_n(&v->floors[bin], floor, __ATOMIC_RELEASE);
}

static int
make(struct versions *v)
{
	struct entry e = entry_of(FORMAT, AT_FORMAT);

	v->next = 1;
	for (unsigned i = 0; i < v->bins; i++)
		set_floor(v, i, 0);
	return write_floors(v, 0, v->bins) == 0 && write_high(v, STEP) == 0 && write_entries(v, &e, AT_FORMAT, 1) == 0
		   ? 0
		   : -1;
}

/* What cannot be read shows nothing that is older than now.  -1: it is none of ours. */
static int
read_all(struct versions *v, const struct entry *entries, size_t size, unsigned *odd)
{
	uint64_t number;

	errno = 0;
	if (size < 2 * sizeof *entries || !entry_read(&entries[AT_FORMAT], AT_FORMAT, &number) || number != FORMAT ||
	    !entry_read(&entries[AT_HIGH], AT_HIGH, &v->next))
		return -1;
	for (unsigned i = 0; i < v->bins; i++) {
		unsigned at = AT_FLOORS + i;
		bool good = size >= (at + 1) * sizeof *entries && entry_read(&entries[at], at, &number) &&
			    number <= v->next;

		*odd += !good;
		set_floor(v, i, good ? number : v->next);
	}
	return write_high(v, v->next + STEP);
}

int
versions_open(struct versions *v, const struct folder *f, unsigned bins, bool new, bool lasts, unsigned *odd,
    struct rend_error *err)
{
	struct entry entries[AT_FLOORS + BINS_MOST];
	char *path = folder_at(f, "STATE");
	ssize_t n;
	int done;

	*odd = 0;
	v->bins = bins;
	v->lasts = lasts;
	v->fd = path == NULL ? -1 : open(path, O_RDWR | (new ? O_CREAT | O_TRUNC : 0) | O_CLOEXEC, 0600);
	free(path);
	n = v->fd < 0 ? -1 : pread(v->fd, entries, sizeof entries, 0);
	if (n < 0) {
		rend_error(err,
		    "%s/STATE cannot be read: %s; without it nobody knows what was flushed: empty the folder, and it "
		    "begins anew",
		    f->path, strerror(errno));
		if (v->fd >= 0)
			close(v->fd);
		return -1;
	}
	pthread_mutex_init(&v->lock, NULL);
	pthread_mutex_init(&v->file, NULL);
	errno = 0;
	done = new ? make(v) : read_all(v, entries, (size_t)n, odd);
	if (done != 0) {
		rend_error(err, "%s/STATE %s%s", f->path,
		    errno != 0 ? "cannot be written: "
			       : "is none of ours: empty "
				 "the folder, and it begins anew",
		    errno != 0 ? strerror(errno) : "");
		versions_close(v);
		return -1;
	}
	v->high = new ? STEP : v->next + STEP;
	return 0;
}

void
versions_close(struct versions *v)
{
	close(v->fd);
	v->fd = -1;
	pthread_mutex_destroy(&v->lock);
	pthread_mutex_destroy(&v->file);
}

/* The lock is held.  Is there a version left? */
static bool
has_next(struct versions *v)
{
	if (v->next < v->high)
		return true;
	if (write_high(v, v->high + STEP) != 0)
		return false;
	__atomic_store_n(&v->high, v->high + STEP, __ATOMIC_RELAXED);
	return true;
}

bool
versions_take(struct versions *v, unsigned bin, struct stamp *s)
{
	bool has;

	pthread_mutex_lock(&v->lock);
	has = has_next(v);
	if (has)
		s->version = v->next++;
	s->floor = v->floors[bin];
	pthread_mutex_unlock(&v->lock);
	return has;
}

uint64_t
versions_floor(const struct versions *v, unsigned bin)
{
	return __atomic_load_n(&v->floors[bin], __ATOMIC_ACQUIRE);
}

static int
raise_some(struct versions *v, unsigned first, unsigned count)
{
	bool has;

	pthread_mutex_lock(&v->lock);
	for (unsigned i = 0; i < count; i++)
		set_floor(v, first + i, v->next);
	has = has_next(v);
	v->next += has;
	pthread_mutex_unlock(&v->lock);
	return has ? write_floors(v, first, count) : -1;
}

int
versions_raise(struct versions *v, unsigned bin)
{
	return raise_some(v, bin, 1);
}

int
versions_raise_those(struct versions *v, const bool those[])
{
	bool has;

	pthread_mutex_lock(&v->lock);
	for (unsigned i = 0; i < v->bins; i++)
		if (those[i])
			set_floor(v, i, v->next);
	has = has_next(v);
	v->next += has;
	pthread_mutex_unlock(&v->lock);
	return has ? write_floors(v, 0, v->bins) : -1;
}

int
versions_raise_all(struct versions *v)
{
	return raise_some(v, 0, v->bins);
}

int
versions_copy(const struct versions *v, const struct folder *to, struct rend_error *err)
{
	struct entry entries[AT_FLOORS + BINS_MOST];
	size_t size = (AT_FLOORS + v->bins) * sizeof *entries;
	char *path = folder_at(to, "STATE");
	int fd = path == NULL ? -1 : open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	bool done;

	free(path);
	entries[AT_FORMAT] = entry_of(FORMAT, AT_FORMAT);
	/* Twice the step: one of them may be in hand just now. */
	entries[AT_HIGH] = entry_of(__atomic_load_n(&v->high, __ATOMIC_RELAXED) + STEP, AT_HIGH);
	for (unsigned i = 0; i < v->bins; i++)
		entries[AT_FLOORS + i] = entry_of(versions_floor(v, i), AT_FLOORS + i);
	done = fd >= 0 && pwrite(fd, entries, size, 0) == (ssize_t)size && fsync(fd) == 0;
	if (!done)
		rend_error(err, "%s/STATE cannot be written: %s", to->path, strerror(errno));
	if (fd >= 0)
		close(fd);
	return done ? 0 : -1;
}
