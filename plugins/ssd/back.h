/*
 * What is behind io.h: an implementation of a disk (disk.h, sim.h), and what io.c and queue.c keep for all of them: checks, the rest of what
 * was short, bounds, deadlines, cancelling, counting, and the order of calls.
 *
 *	submit      start      flush                     reap: queue_ended()
 *	──────► waiting ──► started ──► at the disk ───────────────────► ended ──► done, release
 *	            │ give up                │ give up                              ▲
 *	            └────────────────────────┼──────────► ended ─► done             │
 *	                                     └► held: the disk has it still ────────┘ (only release)
 */
#ifndef SSD_BACK_H
#define SSD_BACK_H

#include "io.h"

struct event;

struct io_ops {
	const char *name;
	void (*free)(struct io *io);
	uint64_t (*now)(struct io *io);
	uint32_t (*boot)(struct io *io);

	/* These wait.  A count of bytes or 0, or -errno. */
	int (*open)(struct io *io, const char *path, int flags,
	    struct io_file **file);	     /* fills in what back_file has below `path` */
	void (*close)(struct io_file *file); /* frees it */
	int (*lock)(struct io_file *file);
	int (*size)(struct io_file *file, uint64_t *bytes);
	int (*resize)(struct io_file *file, uint64_t bytes);
	int (*preallocate)(struct io_file *file, uint64_t offset, uint64_t length);
	int64_t (*read)(struct io_file *file, void *data, size_t length, uint64_t offset);
	int64_t (*write)(struct io_file *file, const void *data, size_t length, uint64_t offset);
	int (*sync)(struct io_file *file);
	int (*discard)(struct io_file *file, uint64_t offset, uint64_t length);
	int (*rename)(struct io *io, const char *from, const char *to);
	int (*unlink)(struct io *io, const char *path);
	int (*make_dir)(struct io *io, const char *path);
	int (*own_dir)(struct io *io, const char *path);
	int (*sync_dir)(struct io *io, const char *path);
	int (*list)(struct io *io, const char *path, io_name_f *each, void *arg);

	/* On the queue's thread.  A queue begins with a struct io_queue, of which queue_new() fills in fd, and ops if another's functions carry it out; the rest is zero. */
	int (*queue_new)(struct io *io, uint32_t depth, struct io_queue **queue);
	void (*queue_free)(struct io_queue *q); /* nothing is at the disk */
	/* Nobody will take what the disk still has: whatever it writes to must stay.  Frees what it can. */
	void (*queue_leave)(struct io_queue *q);
	/* Takes one, to go with the next flush.  false: not now. */
	bool (*start)(struct io_queue *q, struct io_request *r);
	void (*flush)(struct io_queue *q);
	/* queue_ended() for each that has ended. */
	void (*reap)(struct io_queue *q);
	/* Returns when reap() has something to do, or after ns. */
	void (*wait)(struct io_queue *q, uint64_t ns);
	/* It was given up: the disk need not do it if it has not begun.  It ends all the same. */
	void (*cancel)(struct io_queue *q, struct io_request *r);
};

struct io {
	unsigned magic;
#define IO_MAGIC 0x10d15c01U
	const struct io_ops *ops;
};

struct io_file {
	unsigned magic;
#define IO_FILE_MAGIC 0x10f11e02U
	struct io *io;
	struct breaker *breaker;
	char *path;
	uint32_t grain;
	bool direct, read_only;
};

struct io_requests {
	struct io_request *first, *last;
	unsigned count;
};

struct io_queue {
	unsigned magic;
#define IO_QUEUE_MAGIC 0x10c0e003U
	struct io *io;
	const struct io_ops *ops; /* io's, unless queue_new() says otherwise */
	int fd;			  /* readable when reap() has something to do */
	struct io_limits limits;
	struct io_counts counts;
	struct io_requests waiting, at_disk, held, ended;
	struct event_base *base;
	struct event *ready, *timer; /* NULL without a base */
	uint64_t due;		     /* no deadline is earlier; UINT64_MAX: there is none */
	uint64_t timer_due;	     /* what the timer is set to */
	unsigned owed;		     /* done() calls to those in `held`, at most */
	uint64_t released;	     /* requests, in all */
	bool started;		     /* something since the last flush */
	bool closing;
	bool in_poll;
};

/* A request's call is over: result is bytes, or -errno. */
void queue_ended(struct io_queue *q, struct io_request *r, int64_t result);

void requests_append(struct io_requests *list, struct io_request *r);
void requests_prepend(struct io_requests *list, struct io_request *r);
void requests_remove(struct io_requests *list, struct io_request *r);

#endif
