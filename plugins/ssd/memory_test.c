/* I8: a store on a real disk takes no more memory than its options say, whatever is done with it: by what it asked for, and by what the system says. */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <malloc.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "disk.h"
#include "world_words.h"

#define KIB	1024
#define MIB	(1024 * KIB)

#define BUFFERS (8 * MIB)
#define SMALL	(512 * KIB) /* locks of keys, tombs that wait, a list of segments */

/* Of a sanitizer's memory the system knows far more than was asked for: there, what was asked for has to say it. */
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
#define RESIDENT_SLACK (1024ULL * MIB)
#else
#define RESIDENT_SLACK (4ULL * MIB) /* of the allocator, and stacks */
#endif

/* ---- memory that is there ---- */

static _Atomic int64_t live;

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t size);
void *__real_aligned_alloc(size_t align, size_t size);
void __real_free(void *p);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t size);
void *__wrap_aligned_alloc(size_t align, size_t size);
void __wrap_free(void *p);
void *__real_mmap(void *at, size_t size, int prot, int flags, int fd, off_t offset);
int __real_munmap(void *p, size_t size);
int __real_madvise(void *p, size_t size, int advice);
void *__wrap_mmap(void *at, size_t size, int prot, int flags, int fd, off_t offset);
int __wrap_munmap(void *p, size_t size);
int __wrap_madvise(void *p, size_t size, int advice);

static void *
came(void *p)
{
	atomic_fetch_add(&live, (int64_t)malloc_usable_size(p));
	return p;
}

static void *
goes(void *p)
{
	atomic_fetch_sub(&live, (int64_t)malloc_usable_size(p));
	return p;
}

void *
__wrap_malloc(size_t size)
{
	return came(__real_malloc(size));
}

void *
__wrap_calloc(size_t n, size_t size)
{
	return came(__real_calloc(n, size));
}

void *
__wrap_realloc(void *p, size_t size)
{
	return came(__real_realloc(goes(p), size));
}

void *
__wrap_aligned_alloc(size_t align, size_t size)
{
	return came(__real_aligned_alloc(align, size));
}

void
__wrap_free(void *p)
{
	__real_free(goes(p));
}

/* Those of the system's library are not seen here: of what it maps the allocator's are counted above. */
void *
__wrap_mmap(void *at, size_t size, int prot, int flags, int fd, off_t offset)
{
	void *p = __real_mmap(at, size, prot, flags, fd, offset);

	if (p != MAP_FAILED)
		atomic_fetch_add(&live, (int64_t)size);
	return p;
}

int
__wrap_munmap(void *p, size_t size)
{
	atomic_fetch_sub(&live, (int64_t)size);
	return __real_munmap(p, size);
}

static int pieces_left = INT_MAX; /* so many more there is memory for */

int
__wrap_madvise(void *p, size_t size, int advice)
{
	if (advice == MADV_HUGEPAGE || pieces_left-- > 0)
		return __real_madvise(p, size, advice);
	errno = ENOMEM;
	return -1;
}

static uint64_t
resident(void)
{
	FILE *f = fopen("/proc/self/statm", "r");
	unsigned long long all, there = 0;

	assert_non_null(f);
	assert_int_equal(fscanf(f, "%llu %llu", &all, &there), 2);
	fclose(f);
	return there * (uint64_t)sysconf(_SC_PAGESIZE);
}

/* ---- a folder ---- */

static char folder[128];

static void
remove_folder(void)
{
	DIR *dir = opendir(folder);
	const struct dirent *e;
	char path[400];

	assert_non_null(dir);
	while ((e = readdir(dir)) != NULL) {
		snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
		if (e->d_name[0] != '.')
			assert_int_equal(unlink(path), 0);
	}
	closedir(dir);
	assert_int_equal(rmdir(folder), 0);
}

static void
make_world(struct world *w, uint64_t objects)
{
	const char *base = getenv("TMPDIR");

	snprintf(folder, sizeof folder, "%s/ssd-memory-XXXXXX", base != NULL ? base : "/tmp");
	assert_non_null(mkdtemp(folder));
	world_init(w, 0);
	io_free(&w->io);
	buffers_free(&w->buffers);
	w->buffers = buffers_new(BUFFERS);
	assert_int_equal(disk_new(DISK_AUTO, 2, &w->io), IO_OK);
	w->options.dir = folder;
	w->options.segment = MIB;
	w->options.capacity = 48 * MIB;
	w->options.bank = 16 * MIB;
	w->options.objects = objects;
	w->options.sync = STORE_SYNC_NONE;
}

/* ---- as much as it says ---- */

struct before {
	int64_t live;
	uint64_t resident;
};

static void
is_no_more(struct world *w, const struct before *before)
{
	struct store_sizes sizes;

	store_sizes(w->store, &sizes);
	assert_true(atomic_load(&live) - before->live <= (int64_t)(sizes.ram + BUFFERS + SMALL));
	assert_true(resident() <= before->resident + sizes.ram + BUFFERS + SMALL + RESIDENT_SLACK);
	/* And what it says follows from its options: 14 bytes for an object, some for a segment, images and one more. */
	assert_true(sizes.ram <= w->options.objects * 14 + 4096 + sizes.segments * sizeof(struct segment) +
				     (w->options.images + 1) * (uint64_t)w->options.segment);
}

/* Laps of small values, large ones, reads, touches and deletes, with more keys than the index has room for. */
static void
live_on(struct world *w, const struct before *before, uint64_t seed)
{
	uint64_t rnd = seed, n;

	for (unsigned i = 0; i < 30000; i++) {
		unsigned key;

		rnd = rnd * 6364136223846793005ULL + 1442695040888963407ULL;
		key = (unsigned)(rnd >> 33) % 40000;
		switch ((rnd >> 40) % 16) {
		case 0:
			world_delete(w, key);
			break;
		case 1:
			world_touch(w, key, (uint32_t)w->wall + 300);
			break;
		case 2:
		case 3:
		case 4:
			world_get(w, key, &n, NULL);
			break;
		case 5:
			if ((rnd >> 44) % 8 == 0)
				world_set(w, key, i, MIB + (rnd >> 50) % MIB, 0);
			break;
		default:
			world_set(w, key, i, 32 + (rnd >> 50) % 8000, 0);
		}
		if (i % 32 == 0)
			store_step(w->store, i % 64 == 0, w->wall);
		if (i % 512 == 0)
			is_no_more(w, before);
	}
	world_settle(w, true);
	is_no_more(w, before);
}

static void
takes_what_it_says(void **state)
{
	struct world w;
	struct before before;
	int64_t after;

	/* What is given back is the system's again: it is about one life after another. */
	mallopt(M_MMAP_THRESHOLD, 128 * KIB);
	make_world(&w, 1500);
	before = (struct before){ atomic_load(&live), resident() };
	opened(&w);
	live_on(&w, &before, 1);
	print_message("%llu segments freed, %llu evicted from the index, %llu objects, %llu refused\n",
	    (unsigned long long)world_counts(&w).freed_segments, (unsigned long long)world_counts(&w).index_evictions,
	    (unsigned long long)index_count(w.store->index), (unsigned long long)world_counts(&w).not_admitted);
	assert_true(world_counts(&w).freed_segments > 48);
	assert_true(world_counts(&w).index_evictions > 100);
	assert_true(world_close(&w));
	/* It gives all of it back; what was read is kept for the next reads. */
	after = atomic_load(&live) - before.live;
	assert_true(after <= BUFFERS);
	opened(&w);
	assert_int_equal(w.opened.how, STORE_CLEAN);
	live_on(&w, &before, 2);
	/* A rebuild takes 7 bytes more for each object, and up to 21 for those that find no place; then that is gone. */
	assert_true(io_queue_close(&w.queue, 1000000000));
	store_abandon(&w.store);
	opened(&w);
	assert_int_equal(w.opened.how, STORE_REBUILT);
	is_no_more(&w, &before);
	live_on(&w, &before, 3);
	world_fini(&w);
	remove_folder();
}

#ifdef MADV_POPULATE_WRITE
/* What a store has of memory it has when it is opened, or it is not: nobody finds out later. */
static void
opens_with_all_or_not_at_all(void **state)
{
	struct world w;
	int64_t before;
	unsigned pieces = 0;

	make_world(&w, 100000);
	before = atomic_load(&live);
	for (pieces_left = 0; !world_open(&w); pieces_left = (int)++pieces) {
		assert_non_null(strstr(w.opened.sentence, "no memory for an index"));
		assert_null(w.store);
		assert_true(atomic_load(&live) < before + SMALL);
	}
	pieces_left = INT_MAX;
	/* The index, and each segment in RAM. */
	assert_int_equal(pieces, 1 + w.options.images);
	assert_int_equal(w.opened.how, STORE_NEW);
	for (uint32_t i = 0; i < w.store->image_count; i++) {
		unsigned char there[MIB / 4096];

		assert_int_equal(mincore(w.store->images[i].data, MIB, there), 0);
		for (size_t page = 0; page < MIB / (size_t)sysconf(_SC_PAGESIZE); page++)
			assert_true(there[page] & 1);
	}
	world_fini(&w);
	remove_folder();
}
#endif

int
main(void)
{
	const struct CMUnitTest tests[] = {
#ifdef MADV_POPULATE_WRITE
		cmocka_unit_test(opens_with_all_or_not_at_all),
#endif
		cmocka_unit_test(takes_what_it_says),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
