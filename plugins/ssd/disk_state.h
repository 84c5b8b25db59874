/* What the parts of disk.h share: disk.c, uring.c, threads.c. */
#ifndef SSD_DISK_STATE_H
#define SSD_DISK_STATE_H

#include <pthread.h>

#include "back.h"

struct threads;

struct disk_file {
	struct io_file f;
	int fd;
};

static inline int
disk_fd(const struct io_file *file)
{
	return ((const struct disk_file *)file)->fd;
}

/* Returns when fd is readable, or after ns. */
void disk_wait(struct io_queue *q, uint64_t ns);

/* ---- io_uring ---- */

/* 0, or -errno: it does not work here, or cannot do what we ask.  -ENOSYS when it was left out of the build. */
int uring_try(void);

/* A queue whose ops are uring's.  0 or -errno. */
int uring_queue_new(uint32_t depth, struct io_queue **queue);

/* ---- threads ---- */

/* NULL: no memory.  No thread runs before there is work. */
struct threads *threads_new(unsigned count);

/* false: some hang; they, and all that belongs to them, stay. */
bool threads_free(struct threads **t);

/* A queue whose ops are threads'.  0 or -errno. */
int threads_queue_new(struct threads *t, struct io_queue **queue);

#endif
