/* What tests of a queue over a simulated disk share: a file, and requests that note what is called. */
#ifndef SSD_QUEUE_TEST_H
#define SSD_QUEUE_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "io.h"
#include "sim.h"

#define BLOCK 4096
#define MS    1000000ULL
#define MANY  8

static unsigned char data[MANY][BLOCK] __attribute__((aligned(IO_ALIGN)));

/* What was called, in order: "d3r3" is done and release of number 3. */
static char calls[16 * MANY];
static struct io *io;
static struct io_file *file;
static struct io_queue *queue;
static struct io_request requests[MANY];

static void
note(char what, const struct io_request *r)
{
	size_t n = strlen(calls);

	assert_true(n + 3 < sizeof(calls));
	calls[n] = what;
	calls[n + 1] = (char)('0' + (r - requests));
	calls[n + 2] = '\0';
}

static void
on_done(struct io_request *r)
{
	note('d', r);
}

static void
on_release(struct io_request *r)
{
	note('r', r);
}

static struct io_request *
request(int i, enum io_kind kind)
{
	requests[i] = (struct io_request){
		.kind = kind,
		.file = file,
		.offset = (uint64_t)i * BLOCK,
		.done = on_done,
		.release = on_release,
	};
	if (kind == IO_READ || kind == IO_WRITE) {
		requests[i].pieces = 1;
		requests[i].piece[0] = (struct iovec){ data[i], BLOCK };
	} else if (kind == IO_DISCARD) {
		requests[i].length = BLOCK;
	}
	return &requests[i];
}

static void
open_with(const struct io_limits *limits, struct event_base *base, struct breaker *breaker)
{
	calls[0] = '\0';
	io = sim_new(1, 0);
	assert_int_equal(io_open(io, "f", IO_CREATE | IO_DIRECT, breaker, &file), IO_OK);
	for (int i = 0; i < MANY; i++) {
		memset(data[i], '0' + i, BLOCK);
		assert_int_equal(io_write(file, data[i], BLOCK, (uint64_t)i * BLOCK, NULL), IO_OK);
	}
	assert_int_equal(io_queue_open(io, base, limits, &queue), IO_OK);
}

static int
start(void **state)
{
	open_with(NULL, NULL, NULL);
	return 0;
}

static int
end(void **state)
{
	if (queue != NULL)
		assert_true(io_queue_close(&queue, 1000 * MS));
	io_close(&file);
	io_free(&io);
	return 0;
}

static void
submit(int i, enum io_kind kind)
{
	assert_int_equal(io_submit(queue, request(i, kind)), IO_OK);
}

#endif
