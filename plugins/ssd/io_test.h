/* What tests of files and requests share: a folder, and requests for blocks of a file in it. */
#ifndef SSD_IO_TEST_H
#define SSD_IO_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "disk.h"
#include "io.h"
#include "sim.h"

#define BLOCK 4096
#define MANY  64
#define LONG  60000000000ULL /* what never passes in a test that passes */

static unsigned char data[MANY][BLOCK] __attribute__((aligned(IO_ALIGN)));
static unsigned char back[MANY][BLOCK] __attribute__((aligned(IO_ALIGN)));

struct kind {
	const char *name;
	enum disk_engine engine;
	bool sim, tmpfs;
};

static bool has_uring; /* built with it, and this kernel lets us */
static struct io *io;
static struct io_queue *queue;
static char folder[128];
static bool simulated;
static unsigned dones, releases;

static void
start(const struct kind *kind)
{
	const char *base = getenv("TMPDIR");

	for (int i = 0; i < MANY; i++)
		memset(data[i], ' ' + i, BLOCK);
	memset(back, 0xee, sizeof(back));
	dones = releases = 0;
	if (kind->sim) {
		snprintf(folder, sizeof(folder), "./ssd-io");
		io = sim_new(1, 0);
		assert_non_null(io);
		assert_int_equal(io_make_dir(io, "."), IO_OK);
		assert_int_equal(io_make_dir(io, folder), IO_OK);
	} else {
		snprintf(folder, sizeof(folder), "%s/ssd-io-XXXXXX",
		    kind->tmpfs	   ? "/dev/shm"
		    : base != NULL ? base
				   : "/tmp");
		assert_non_null(mkdtemp(folder));
		assert_int_equal(disk_new(kind->engine, 4, &io), IO_OK);
	}
	simulated = kind->sim;
	assert_int_equal(io_queue_open(io, NULL, &(struct io_limits){ .depth = 16, .time = LONG }, &queue), IO_OK);
}

static bool
unlink_it(void *arg, const char *name)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	unlink(path);
	return true;
}

static void
end(void)
{
	struct io *disks;

	assert_true(io_queue_close(&queue, LONG));
	io_free(&io);
	if (simulated)
		return;
	assert_int_equal(disk_new(DISK_THREADS, 1, &disks), IO_OK);
	io_list(disks, folder, unlink_it, NULL);
	io_free(&disks);
	assert_int_equal(rmdir(folder), 0);
}

static const char *
in_folder(const char *name)
{
	static char path[4][256];
	static unsigned next;
	char *p = path[next++ % 4];

	snprintf(p, sizeof(path[0]), "%s/%s", folder, name);
	return p;
}

static struct io_file *
opened(const char *name, int flags)
{
	struct io_file *f;

	assert_int_equal(io_open(io, in_folder(name), flags, NULL, &f), IO_OK);
	return f;
}

static void
on_done(struct io_request *r)
{
	dones++;
}

static void
on_release(struct io_request *r)
{
	releases++;
}

static void
set(struct io_request *r, enum io_kind kind, struct io_file *f, int block, void *memory)
{
	*r = (struct io_request){
		.kind = kind,
		.file = f,
		.offset = (uint64_t)block * BLOCK,
		.done = on_done,
		.release = on_release,
	};
	if (memory != NULL) {
		r->pieces = 1;
		r->piece[0] = (struct iovec){ memory, BLOCK };
	} else if (kind == IO_DISCARD) {
		r->length = BLOCK;
	}
}

static void
await(unsigned wanted)
{
	while (releases < wanted) {
		unsigned seen = dones + releases;

		io_wait(queue, LONG);
		assert_true(dones + releases > seen); /* else it slept although something had ended */
	}
	assert_int_equal(dones, wanted);
	assert_int_equal(io_pending(queue), 0);
}

/* Before all tests. */
static void
look_for_uring(void)
{
	has_uring = disk_new(DISK_URING, 0, &io) == IO_OK;
	io_free(&io);
}

#endif
