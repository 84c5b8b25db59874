/*
 * What io.h costs: random reads at a queue depth, as fio does them, to be set beside fio's on the same file.
 *
 *	io_bench FILE MIB uring|threads DEPTH SECONDS [BYTES]
 *
 * Makes FILE, of so many MiB, if it is shorter; prints requests per second, percentiles in microseconds, and what a request takes of CPU.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "disk.h"

#define DEPTH_MOST 1024
#define SLOTS	   (1 << 16) /* of the histogram, 1 us each */
#define LONG	   60000000000ULL

struct reader {
	struct io_queue *queue;
	uint64_t until, random, blocks, done, failed;
	uint32_t *slots;
};

static struct io_request requests[DEPTH_MOST];
static uint64_t began[DEPTH_MOST];

static uint64_t
ns_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static uint64_t
random_block(struct reader *b)
{
	b->random = b->random * 6364136223846793005ULL + 1442695040888963407ULL;
	return (b->random >> 20) % b->blocks;
}

static void again(struct io_request *r);

static void
submit(struct reader *b, struct io_request *r)
{
	size_t bytes = r->length;
	void *memory = r->arg;

	*r = (struct io_request){ .kind = IO_READ,
		.file = r->file,
		.offset = random_block(b) * bytes,
		.pieces = 1,
		.piece = { { memory, bytes } },
		.arg = memory,
		.release = again };
	began[r - requests] = ns_now();
	if (io_submit(b->queue, r) != IO_OK)
		abort();
}

static struct reader reader;

static void
again(struct io_request *r)
{
	uint64_t now = ns_now(), us = (now - began[r - requests]) / 1000;

	reader.done++;
	reader.failed += r->status != IO_OK;
	reader.slots[us < SLOTS ? us : SLOTS - 1]++;
	if (now < reader.until)
		submit(&reader, r);
}

/* The slot below which that part of all is. */
static unsigned
percentile(double part)
{
	uint64_t seen = 0;

	for (unsigned i = 0; i < SLOTS; i++)
		if ((seen += reader.slots[i]) >= (uint64_t)((double)reader.done * part))
			return i;
	return SLOTS;
}

static double
seconds_of(struct timeval t)
{
	return (double)t.tv_sec + (double)t.tv_usec / 1e6;
}

struct cpu {
	double user, kernel;
};

static struct cpu
cpu(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return (struct cpu){ .user = seconds_of(u.ru_utime), .kernel = seconds_of(u.ru_stime) };
}

/* Every block is written: what only was allocated is read without the disk. */
static bool
make_file(struct io_file *f, uint64_t bytes)
{
	size_t piece = 1 << 20;
	unsigned char *data = aligned_alloc(IO_ALIGN, piece);
	uint64_t is = 0;
	bool made = data != NULL && io_size(f, &is) == IO_OK;

	for (uint64_t at = is / piece * piece; made && at < bytes; at += piece) {
		for (size_t i = 0; i < piece; i++)
			data[i] = (unsigned char)(at / piece + i * 7);
		made = io_write(f, data, piece, at, NULL) == IO_OK;
	}
	made = made && io_sync(f) == IO_OK;
	free(data);
	return made;
}

static void
run(struct io_file *f, unsigned depth, double seconds, size_t bytes)
{
	char *memory = aligned_alloc(IO_ALIGN, depth * bytes);
	uint64_t start;
	struct cpu before, used;

	reader.slots = calloc(SLOTS, sizeof(reader.slots[0]));
	if (memory == NULL || reader.slots == NULL)
		abort();
	memset(memory, 0, depth * bytes);
	before = cpu();
	start = ns_now();
	reader.until = start + (uint64_t)(seconds * 1e9);
	for (unsigned i = 0; i < depth; i++) {
		requests[i] = (struct io_request){ .file = f, .length = bytes, .arg = memory + i * bytes };
		submit(&reader, &requests[i]);
	}
	while (io_pending(reader.queue) > 0)
		io_wait(reader.queue, LONG);
	seconds = (double)(ns_now() - start) / 1e9;
	used = cpu();
	used.user = (used.user - before.user) / (double)reader.done * 1e6;
	used.kernel = (used.kernel - before.kernel) / (double)reader.done * 1e6;
	printf("depth %u: %" PRIu64 " reads in %.3f s of %zu bytes, %.0f a second, p50 %u us, p99 %u us, p99.9 %u us, "
	       "%.2f us of CPU each, %.2f of it in the kernel, %.1f in a batch, %" PRIu64 " failed\n",
	    depth, reader.done, seconds, bytes, (double)reader.done / seconds, percentile(0.5), percentile(0.99),
	    percentile(0.999), used.user + used.kernel, used.kernel,
	    (double)reader.done / (double)io_queue_counts(reader.queue)->batches, reader.failed);
	free(reader.slots);
	free(memory);
}

int
main(int argc, char **argv)
{
	enum disk_engine engine;
	struct io *io;
	struct io_file *f;
	uint64_t bytes;
	unsigned depth;
	size_t each;

	if (argc < 6) {
		fputs("Usage: io_bench FILE MIB uring|threads DEPTH SECONDS [BYTES]\n", stderr);
		return 64;
	}
	bytes = strtoull(argv[2], NULL, 10) << 20;
	engine = strcmp(argv[3], "threads") == 0 ? DISK_THREADS : DISK_URING;
	depth = (unsigned)atoi(argv[4]);
	each = argc > 6 ? strtoul(argv[6], NULL, 10) : 4096;
	if (depth == 0 || depth > DEPTH_MOST || bytes == 0 || each == 0 || each % IO_GRAIN_LEAST != 0)
		return 64;
	if (disk_new(engine, depth < 32 ? depth : 32, &io) != IO_OK ||
	    io_open(io, argv[1], IO_CREATE | IO_DIRECT, NULL, &f) != IO_OK || !make_file(f, bytes) ||
	    io_queue_open(io, NULL, &(struct io_limits){ .depth = depth }, &reader.queue) != IO_OK) {
		fprintf(stderr, "io_bench: %s cannot be read so\n", argv[1]);
		return 1;
	}
	reader.random = 88172645463325252ULL;
	reader.blocks = bytes / each;
	printf("%s, %s: ", io_name(io), io_file_direct(f) ? "direct" : "through the page cache");
	run(f, depth, strtod(argv[5], NULL), each);
	io_queue_close(&reader.queue, LONG);
	io_close(&f);
	io_free(&io);
	return reader.failed > 0;
}
