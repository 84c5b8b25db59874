/* What io.h promises, of each that is behind it: the simulator, io_uring, threads; past the page cache and through it. */
#include <errno.h>
#include <event2/event.h>
#include <pthread.h>

#include "io_test.h"

static const struct kind kinds[] = {
	{ .name = "sim", .sim = true },
	{ .name = "uring", .engine = DISK_URING },
	{ .name = "threads", .engine = DISK_THREADS },
	{ .name = "uring on tmpfs", .engine = DISK_URING, .tmpfs = true },
	{ .name = "threads on tmpfs", .engine = DISK_THREADS, .tmpfs = true },
};
#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

/* ---- what holds for all ---- */

static void
calls_that_wait(struct kind kind)
{
	struct io_file *f = opened("f", IO_CREATE | IO_DIRECT), *g;
	uint64_t bytes;
	size_t got;

	assert_int_equal(io_write(f, data, 4 * BLOCK, BLOCK, &got), IO_OK);
	assert_int_equal(got, 4 * BLOCK);
	assert_int_equal(io_size(f, &bytes), IO_OK);
	assert_int_equal(bytes, 5 * BLOCK);
	assert_int_equal(io_sync(f), IO_OK);
	assert_int_equal(io_read(f, back, 8 * BLOCK, 0, &got), IO_SHORT);
	assert_int_equal(got, 5 * BLOCK);
	assert_int_equal(back[0][0], 0);
	assert_memory_equal(back[1], data, 4 * BLOCK);
	assert_int_equal(io_discard(f, BLOCK, BLOCK), IO_OK);
	assert_int_equal(io_read(f, back, 2 * BLOCK, BLOCK, NULL), IO_OK);
	assert_int_equal(back[0][0], 0);
	assert_memory_equal(back[1], data[1], BLOCK);
	assert_int_equal(io_preallocate(f, 0, 16 * BLOCK), IO_OK);
	assert_int_equal(io_size(f, &bytes), IO_OK);
	assert_int_equal(bytes, 16 * BLOCK);
	assert_int_equal(io_read(f, back, BLOCK, 2 * BLOCK, NULL), IO_OK);
	assert_memory_equal(back[0], data[1], BLOCK);
	assert_int_equal(io_resize(f, BLOCK), IO_OK);
	assert_int_equal(io_read(f, back, BLOCK, BLOCK, &got), IO_SHORT);
	assert_int_equal(got, 0);
	assert_int_equal(io_write(f, data, BLOCK, 512, NULL), IO_INVALID);
	assert_int_equal(io_lock(f), IO_OK);
	g = opened("f", IO_DIRECT);
	assert_int_equal(io_lock(g), IO_LOCKED);
	io_close(&f);
	assert_int_equal(io_lock(g), IO_OK);
	io_close(&g);
	g = opened("f", IO_READ_ONLY);
	assert_int_equal(io_write(g, data, BLOCK, 0, NULL), IO_INVALID);
	io_close(&g);
	io_close(&g);
}

static bool
stop_at(void *arg, const char *name)
{
	++*(int *)arg;
	return *(int *)arg < 2;
}

static void
names(struct kind kind)
{
	struct io_file *f = opened("a", IO_CREATE | IO_EXCLUSIVE), *g;
	int n = 0;

	io_close(&f);
	assert_int_equal(io_open(io, in_folder("a"), IO_CREATE | IO_EXCLUSIVE | IO_DIRECT, NULL, &g), IO_EXISTS);
	f = opened("x", IO_CREATE | IO_EXCLUSIVE | IO_DIRECT);
	io_close(&f);
	assert_int_equal(io_open(io, in_folder("b"), 0, NULL, &g), IO_MISSING);
	assert_int_equal(io_open(io, in_folder("no/b"), IO_CREATE, NULL, &g), IO_MISSING);
	assert_null(g);
	assert_int_equal(io_rename(io, in_folder("a"), in_folder("b")), IO_OK);
	assert_int_equal(io_rename(io, in_folder("a"), in_folder("b")), IO_MISSING);
	assert_int_equal(io_sync_dir(io, folder), IO_OK);
	assert_int_equal(io_sync_dir(io, in_folder("no")), IO_MISSING);
	f = opened("c", IO_CREATE);
	io_close(&f);
	assert_int_equal(io_list(io, folder, stop_at, &n), IO_OK);
	assert_int_equal(n, 2);
	assert_int_equal(io_list(io, in_folder("no"), stop_at, &n), IO_MISSING);
	assert_int_equal(io_unlink(io, in_folder("b")), IO_OK);
	assert_int_equal(io_unlink(io, in_folder("b")), IO_MISSING);
	assert_int_equal(io_make_dir(io, folder), IO_EXISTS);
}

/* More than the disk takes at once, in turns of everything. */
static void
many_requests(struct kind kind)
{
	static struct io_request r[MANY];
	struct io_file *f = opened("f", IO_CREATE | IO_DIRECT);

	for (int i = 0; i < MANY; i++) {
		set(&r[i], IO_WRITE, f, MANY - 1 - i, data[i]);
		assert_int_equal(io_submit(queue, &r[i]), IO_OK);
	}
	io_flush(queue);
	assert_int_equal(dones, 0);
	await(MANY);
	for (int i = 0; i < MANY; i++) {
		assert_int_equal(r[i].status, IO_OK);
		assert_int_equal(r[i].bytes, BLOCK);
		set(&r[i], IO_READ, f, i, back[i]);
		assert_int_equal(io_submit(queue, &r[i]), IO_OK);
	}
	await(2 * MANY);
	for (int i = 0; i < MANY; i++) {
		assert_int_equal(r[i].status, IO_OK);
		assert_memory_equal(back[i], data[MANY - 1 - i], BLOCK);
	}
	set(&r[0], IO_SYNC, f, 0, NULL);
	set(&r[1], IO_DISCARD, f, 1, NULL);
	assert_int_equal(io_submit(queue, &r[0]), IO_OK);
	assert_int_equal(io_submit(queue, &r[1]), IO_OK);
	await(2 * MANY + 2);
	assert_int_equal(r[0].status, IO_OK);
	assert_int_equal(r[1].status, IO_OK);
	assert_int_equal(io_read(f, back, 2 * BLOCK, 0, NULL), IO_OK);
	assert_int_equal(back[0][0], ' ' + MANY - 1);
	assert_int_equal(back[1][0], 0);
	assert_int_equal(io_queue_counts(queue)->failed[IO_OK], 2 * MANY + 2);
	assert_int_equal(io_queue_counts(queue)->bytes[IO_READ], MANY * BLOCK);
	io_close(&f);
}

static void
pieces(struct kind kind)
{
	struct io_request r;
	struct io_file *f = opened("f", IO_CREATE | IO_DIRECT);

	set(&r, IO_WRITE, f, 0, data[3]);
	r.pieces = IO_PIECES_MAX;
	for (int i = 0; i < IO_PIECES_MAX; i++)
		r.piece[i] = (struct iovec){ data[IO_PIECES_MAX - i], BLOCK };
	assert_int_equal(io_submit(queue, &r), IO_OK);
	await(1);
	assert_int_equal(r.bytes, IO_PIECES_MAX * BLOCK);
	set(&r, IO_READ, f, 0, back[0]);
	r.pieces = 2;
	r.piece[0].iov_len = 4 * BLOCK;
	r.piece[1] = (struct iovec){ back[8], BLOCK };
	assert_int_equal(io_submit(queue, &r), IO_OK);
	await(2);
	assert_int_equal(r.status, IO_OK);
	for (int i = 0; i < 4; i++)
		assert_int_equal(back[i][5], ' ' + IO_PIECES_MAX - i);
	assert_int_equal(back[8][5], ' ' + IO_PIECES_MAX - 4);
	io_close(&f);
}

/* Each step of a file is read by itself, and the end of a file that ends within a block is found. */
static void
grains(struct kind kind)
{
	struct io_file *f = opened("f", IO_CREATE | IO_DIRECT);
	uint32_t grain = io_file_grain(f), steps = BLOCK / grain;
	unsigned char *from = (unsigned char *)data, *to = (unsigned char *)back; /* over the ends of rows */
	struct io_request r;

	assert_true(grain >= IO_GRAIN_LEAST && grain <= IO_ALIGN && (grain & (grain - 1)) == 0);
	assert_true(io_file_direct(f) || grain == IO_GRAIN_LEAST);
	for (uint32_t i = 0; i < 2 * steps; i++)
		memset(from + i * grain, '0' + (int)i, grain);
	assert_int_equal(io_write(f, data, 2 * BLOCK, 0, NULL), IO_OK);
	for (uint32_t i = 0; i < 2 * steps; i++) {
		set(&r, IO_READ, f, 0, back[0]);
		r.offset = i * grain;
		r.piece[0].iov_len = grain;
		memset(to, ' ', 2 * BLOCK);
		assert_int_equal(io_submit(queue, &r), IO_OK);
		await(i + 1);
		assert_int_equal(r.status, IO_OK);
		assert_memory_equal(to, from + i * grain, grain);
		assert_int_equal(to[grain], ' ');
	}
	dones = releases = 0;
	assert_int_equal(io_resize(f, BLOCK + grain), IO_OK);
	set(&r, IO_READ, f, 0, back[0]);
	r.offset = BLOCK - grain;
	assert_int_equal(io_submit(queue, &r), IO_OK);
	await(1);
	assert_int_equal(r.status, steps == 1 ? IO_OK : IO_SHORT);
	assert_int_equal(r.bytes, steps == 1 ? BLOCK : 2 * grain);
	set(&r, IO_READ, f, 0, back[0]);
	r.offset = grain / 2;
	assert_int_equal(io_submit(queue, &r), IO_INVALID);
	io_close(&f);
}

static void
what_goes_wrong(struct kind kind)
{
	struct io_request r[3];
	struct io_file *f = opened("f", IO_CREATE | IO_DIRECT), *g;

	assert_int_equal(io_write(f, data, BLOCK, 0, NULL), IO_OK);
	g = opened("f", IO_READ_ONLY | IO_DIRECT);
	/* Beyond the end, over the end, and where one may not. */
	set(&r[0], IO_READ, f, 5, back[0]);
	set(&r[1], IO_READ, f, 0, back[1]);
	r[1].pieces = 2;
	r[1].piece[1] = (struct iovec){ back[2], BLOCK };
	set(&r[2], IO_WRITE, g, 0, data[1]);
	for (int i = 0; i < 3; i++)
		assert_int_equal(io_submit(queue, &r[i]), IO_OK);
	await(3);
	assert_int_equal(r[0].status, IO_SHORT);
	assert_int_equal(r[0].bytes, 0);
	assert_int_equal(r[1].status, IO_SHORT);
	assert_int_equal(r[1].bytes, BLOCK);
	assert_memory_equal(back[1], data[0], BLOCK);
	assert_int_equal(r[2].status, IO_INVALID);
	assert_int_equal(r[2].error, EBADF);
	assert_int_equal(io_queue_counts(queue)->failed[IO_SHORT], 2);
	io_close(&g);
	io_close(&f);
}

static void
cancelled(struct kind kind)
{
	static struct io_request r[MANY];
	struct io_file *f = opened("f", IO_CREATE | IO_DIRECT);
	unsigned gave_up = 0;

	assert_int_equal(io_write(f, data, sizeof(data), 0, NULL), IO_OK);
	for (int i = 0; i < MANY; i++) {
		set(&r[i], IO_READ, f, i, back[i]);
		assert_int_equal(io_submit(queue, &r[i]), IO_OK);
	}
	io_flush(queue);
	for (int i = 0; i < MANY; i += 2)
		io_cancel(&r[i]);
	await(MANY);
	for (int i = 0; i < MANY; i++) {
		gave_up += r[i].status == IO_CANCELLED;
		if (r[i].status == IO_CANCELLED)
			assert_int_equal(i % 2, 0);
		else
			assert_memory_equal(back[i], data[i], BLOCK);
	}
	assert_int_equal(gave_up, MANY / 2);
	io_close(&f);
}

/* A queue that ends with work under way gives all of it back. */
static void
closed_at_once(struct kind kind)
{
	static struct io_request r[MANY];
	struct io_file *f = opened("f", IO_CREATE | IO_DIRECT);

	assert_int_equal(io_write(f, data, sizeof(data), 0, NULL), IO_OK);
	for (int i = 0; i < MANY; i++) {
		set(&r[i], i % 3 == 0 ? IO_SYNC : IO_READ, f, i, i % 3 == 0 ? NULL : back[i]);
		assert_int_equal(io_submit(queue, &r[i]), IO_OK);
	}
	io_flush(queue);
	assert_true(io_queue_close(&queue, LONG));
	assert_int_equal(dones, MANY);
	assert_int_equal(releases, MANY);
	io_close(&f);
}

static void
by_a_loop(struct kind kind)
{
	static struct io_request r[MANY];
	struct event_base *base = event_base_new();
	struct io_file *f = opened("f", IO_CREATE | IO_DIRECT);

	assert_true(io_queue_close(&queue, LONG));
	assert_int_equal(io_queue_open(io, base, NULL, &queue), IO_OK);
	for (int round = 0; round < 3; round++) {
		dones = releases = 0;
		for (int i = 0; i < MANY; i++) {
			set(&r[i], round == 0 ? IO_WRITE : IO_READ, f, i, round == 0 ? data[i] : back[i]);
			assert_int_equal(io_submit(queue, &r[i]), IO_OK);
		}
		io_flush(queue);
		while (releases < MANY)
			assert_int_equal(event_base_loop(base, EVLOOP_ONCE), 0);
	}
	assert_memory_equal(back, data, sizeof(data));
	io_close(&f);
	assert_true(io_queue_close(&queue, LONG));
	event_base_free(base);
}

/* ---- several threads ---- */

struct writer {
	struct io_file *file;
	pthread_t thread;
	int number;
	unsigned released, wrong;
};

#define EACH  16
#define TURNS 20

static void
count_release(struct io_request *r)
{
	struct writer *w = r->arg;

	w->released++;
	w->wrong += r->status != IO_OK || r->bytes != BLOCK;
}

/* Writes blocks of its own, reads them again. */
static void *
work(void *arg)
{
	struct writer *w = arg;
	struct io_queue *q;
	struct io_request r[EACH];
	unsigned char *memory = aligned_alloc(IO_ALIGN, EACH * BLOCK);

	if (memory == NULL || io_queue_open(io, NULL, NULL, &q) != IO_OK)
		abort();
	for (int turn = 0; turn < TURNS; turn++) {
		for (int i = 0; i < EACH; i++) {
			int block = w->number * EACH + i;

			if (turn % 2 == 0)
				memset(memory + i * BLOCK, w->number * 16 + turn, BLOCK);
			set(&r[i], turn % 2 == 0 ? IO_WRITE : IO_READ, w->file, block, memory + i * BLOCK);
			r[i].done = NULL;
			r[i].release = count_release;
			r[i].arg = w;
			w->wrong += io_submit(q, &r[i]) != IO_OK;
		}
		while (io_pending(q) > 0)
			io_wait(q, LONG);
		for (int i = 0; turn % 2 == 1 && i < EACH; i++)
			w->wrong += memory[i * BLOCK] != w->number * 16 + turn - 1;
	}
	w->wrong += !io_queue_close(&q, LONG);
	free(memory);
	return NULL;
}

static void
several_threads(struct kind kind)
{
	struct writer w[4] = { 0 };
	struct io_file *f = opened("f", IO_CREATE | IO_DIRECT);

	for (int i = 0; i < 4; i++) {
		w[i].file = f;
		w[i].number = i;
		assert_int_equal(pthread_create(&w[i].thread, NULL, work, &w[i]), 0);
	}
	for (int i = 0; i < 4; i++) {
		pthread_join(w[i].thread, NULL);
		assert_int_equal(w[i].released, EACH * TURNS);
		assert_int_equal(w[i].wrong, 0);
	}
	io_close(&f);
}

/* ---- all of them ---- */

#define FOR_ALL(test)                                                    \
	static void each_##test(void **state)                            \
	{                                                                \
		for (size_t i = 0; i < KINDS; i++) {                     \
			if (kinds[i].engine == DISK_URING && !has_uring) \
				continue;                                \
			print_message("  %s\n", kinds[i].name);          \
			start(&kinds[i]);                                \
			test(kinds[i]);                                  \
			end();                                           \
		}                                                        \
	}

FOR_ALL(calls_that_wait)
FOR_ALL(names)
FOR_ALL(many_requests)
FOR_ALL(pieces)
FOR_ALL(grains)
FOR_ALL(what_goes_wrong)
FOR_ALL(cancelled)
FOR_ALL(closed_at_once)
FOR_ALL(by_a_loop)
FOR_ALL(several_threads)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_calls_that_wait),
		cmocka_unit_test(each_names),
		cmocka_unit_test(each_many_requests),
		cmocka_unit_test(each_pieces),
		cmocka_unit_test(each_grains),
		cmocka_unit_test(each_what_goes_wrong),
		cmocka_unit_test(each_cancelled),
		cmocka_unit_test(each_closed_at_once),
		cmocka_unit_test(each_by_a_loop),
		cmocka_unit_test(each_several_threads),
	};

	look_for_uring();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
