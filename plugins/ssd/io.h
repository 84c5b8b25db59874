/*
 * All that ssd asks of a disk.  What is above this header never calls the system for I/O itself, so that all of it runs over the
 * simulator (sim.h) as it does over a disk.
 *
 *	log, index, recovery, fsck
 *	   │ io_read() ...: calls that wait            │ io_submit() ─► io_flush() ─► done(), release()
 *	   ▼ start, recovery, end: never on a worker   ▼ one queue per thread
 *	struct io ──────────────────────────────► struct io_queue
 *	   disk.h (io_uring, or threads where there is none)    sim.h (memory, with power cuts and faults)
 *
 * Offsets and lengths are bytes, times are ns of io_now().  A function that can fail returns an enum io_status.
 *
 * Alignment: memory, offset and length of what is read and written are multiples of IO_ALIGN (for every implementation, so that nothing
 * works by luck where files are buffered); otherwise the answer is INVALID and nothing happens.  Only where a request reads, offset and lengths
 * may be multiples of the file's grain, which is less than that on many disks: io_file_grain().
 *
 * What is written is durable when a sync of that file that was begun after the write had ended has ended OK.  Until then a power cut leaves any
 * part of it: each block of 512 bytes is old or new by itself.  A sync that failed leaves what was written before it in doubt for ever:
 * a later one that succeeds says nothing about it.  A file's name (that it was created, renamed, or unlinked) is durable after io_sync_dir().
 * preallocate and resize are durable after a sync of the file.
 */
#ifndef SSD_IO_H
#define SSD_IO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "io_status.h"

struct event_base;
struct breaker;
struct io;	 /* an implementation: a machine's disks, or a simulated one */
struct io_file;	 /* an open file */
struct io_queue; /* one thread's requests */

#define IO_ALIGN       4096
#define IO_GRAIN_LEAST 512
#define IO_PIECES_MAX  16		  /* of memory, in one request */
#define IO_LENGTH_MAX  ((size_t)64 << 20) /* of one request, or one call */

/* Ends an implementation; every queue and file of it is closed.  *io is NULL afterwards. */
void io_free(struct io **io);

/* "uring", "threads", "sim". */
const char *io_name(const struct io *io);

/* Which boot of the machine this is: what was written in the same one is there, synced or not.  0: it is not known. */
uint32_t io_boot(struct io *io);

/* Monotonic ns: rend_now(), or the simulator's clock.  Any thread. */
uint64_t io_now(struct io *io);

/* ---- files and names: these calls wait for the disk.  Any thread that may wait ---- */

enum {
	IO_READ_ONLY = 1 << 0, /* otherwise it is opened for both */
	IO_CREATE = 1 << 1,    /* if it is not there: with mode 0600, empty */
	IO_EXCLUSIVE = 1 << 2, /* with IO_CREATE: EXISTS if it is there */
	IO_DIRECT = 1 << 3,    /* past the page cache, where the file system can; see io_file_direct() */
};

/*
 * Opens a file; DENIED: it is a link, or neither a file nor a disk.  It may be used by all threads and queues of this io at once.  breaker, which may be
 * NULL, gets to know how each request on this file ends, and refuses them with DOWN (breaker.h); several files of one disk share one, and it outlives
 * them.  The calls that wait do not ask it.
 */
enum io_status io_open(struct io *io, const char *path, int flags, struct breaker *breaker, struct io_file **file);

/* Closes it; no request on it may be under way.  Does not sync.  *file is NULL afterwards; NULL before is fine. */
void io_close(struct io_file **file);

/* The path it was opened with. */
const char *io_file_path(const struct io_file *file);

/* Does it go past the page cache? */
bool io_file_direct(const struct io_file *file);

/* What offset and lengths of a request that reads are multiples of: a power of two, IO_GRAIN_LEAST to IO_ALIGN. */
uint32_t io_file_grain(const struct io_file *file);

/* Keeps other processes from the same until it is closed, or the process ends in whatever way.  LOCKED: another one, or another file of this
 * process, has it. */
enum io_status io_lock(struct io_file *file);

enum io_status io_size(struct io_file *file, uint64_t *bytes);

/* Makes it so long.  What is beyond a shorter end is gone; what is new reads as zeros. */
enum io_status io_resize(struct io_file *file, uint64_t bytes);

/* Gets the space of [offset, offset + length), so that a write there cannot end with NO_SPACE; the file is at least so long afterwards.  What is
 * there already stays.  UNSUPPORTED: the file system cannot, and nothing happened. */
enum io_status io_preallocate(struct io_file *file, uint64_t offset, uint64_t length);

/*
 * Reads, or writes, all of it.  got and put, which may be NULL, say how many bytes it were, however it ended.  SHORT: the file ended;
 * what is in memory beyond *got is anything.
 */
enum io_status io_read(struct io_file *file, void *data, size_t length, uint64_t offset, size_t *got);
enum io_status io_write(struct io_file *file, const void *data, size_t length, uint64_t offset, size_t *put);

/* Makes what was written durable (fdatasync). */
enum io_status io_sync(struct io_file *file);

/* Tells the disk that nobody needs what is there (punches a hole).  It reads as zeros afterwards, once it ended OK. */
enum io_status io_discard(struct io_file *file, uint64_t offset, uint64_t length);

/* Names.  rename replaces what is there.  Both in one folder, of which io_sync_dir() makes it durable. */
enum io_status io_rename(struct io *io, const char *from, const char *to);
enum io_status io_unlink(struct io *io, const char *path);
enum io_status io_make_dir(struct io *io, const char *path); /* mode 0700; EXISTS */

/* A folder (or a link to one) of this process's user, or root's, in which nobody else may make or rename files?  DENIED: others may. */
enum io_status io_own_dir(struct io *io, const char *path);
enum io_status io_sync_dir(struct io *io, const char *path);

/* Calls each(arg, name) for what is in a folder, but . and .., in no particular order, until that returns false.  name is each's only while it runs. */
typedef bool io_name_f(void *arg, const char *name);
enum io_status io_list(struct io *io, const char *path, io_name_f *each, void *arg);

/* ---- requests: these do not wait ---- */

enum io_kind { IO_READ, IO_WRITE, IO_SYNC, IO_DISCARD, IO_KINDS };

/*
 * One request.  Fill in what is above the line, all-zero below it.  From io_submit() on it is the queue's, with the memory of its pieces, until
 * release().  Two calls follow, both on the queue's thread, never from inside io_submit() or io_cancel(), each once:
 *
 *	done      how it ended is known: status and bytes.  Ordinarily the disk is done with it, and release() follows at once.  After TIMEOUT or
 *		  CANCELLED it need not be: a read may still write into the pieces, a write may still reach the disk, tomorrow too.
 *	release   the disk has let go: request and pieces are the caller's again, who may free them here.
 *
 * Both may submit, and cancel others.  So a request lives beside its buffer, not in an op: after done() the op is answered and gone.
 */
struct io_request {
	enum io_kind kind;
	uint8_t probe;	/* enum breaker_probe: goes out although the breaker is open, which finds out by it */
	uint8_t pieces; /* of read and write; at most IO_PIECES_MAX */
	struct io_file *file;
	uint64_t offset;
	uint64_t length; /* of discard; of read and write, the sum of the pieces, which io_submit() fills in */
	uint64_t
	    deadline; /* TIMEOUT when io_now() gets there; 0: as late as the queue's limit allows.  Longer is not possible. */
	void (*done)(struct io_request *r);
	void (*release)(struct io_request
		*r); /* NULL: nothing to do then; its memory stays the queue's until the disk lets go, all the same */
	void *arg;   /* the caller's own */
	struct iovec piece[IO_PIECES_MAX]; /* the queue may change these when a part is through */

	/* Since done(). */
	enum io_status status;
	int error;	/* the errno behind it; 0: none */
	uint64_t bytes; /* read or written */

	/* The queue's. */
	struct io_queue *queue;
	struct io_request *next, *prev;
	uint64_t began;
	struct io_request *link; /* an implementation's own */
	int64_t result;
	uint8_t state, tries;
	bool done_called;
};

/* Zero means the default. */
struct io_limits {
	uint32_t depth;	  /* requests at the disk at once; default 128, at most 4096 */
	uint32_t waiting; /* that wait for their turn behind those; default 4096; then BUSY */
	uint64_t time;	  /* ns until a request without a deadline of its own ends with TIMEOUT; default 5 s */
};

/* What a queue did.  Any thread may read, relaxed. */
struct io_counts {
	uint64_t ended[IO_KINDS];	  /* by kind, whatever the outcome */
	uint64_t bytes[IO_KINDS];	  /* that were read or written */
	uint64_t failed[IO_STATUS_COUNT]; /* by outcome; [IO_OK] counts those that did not fail */
	uint64_t late;			  /* whose answer came after their TIMEOUT or CANCELLED */
	uint64_t batches;		  /* system calls, or wake-ups of threads, that handed requests over */
};

/*
 * Makes the calling thread's queue.  base, the thread's event base, calls io_poll() whenever something has ended or is overdue; NULL: the thread
 * calls io_wait() by itself.  limits may be NULL.
 */
enum io_status io_queue_open(
    struct io *io, struct event_base *base, const struct io_limits *limits, struct io_queue **queue);

/*
 * Ends it: every request is cancelled, done() and release() are called from here.  The disk gets `time` ns to let go.  true: it did, and *queue is
 * NULL.  false: it did not; what it still has stays its own for ever (release() is never called, and its memory must not be freed), and *queue is
 * NULL too.
 */
bool io_queue_close(struct io_queue **queue, uint64_t time);

/*
 * Takes a request; it goes to the disk with the next io_flush(), or before, with others.  OK: done() will be called.  Else the request is the caller's as before:
 * BUSY: too many wait.  DOWN: its file's breaker is open.  INVALID: alignment, length or pieces.
 */
enum io_status io_submit(struct io_queue *queue, struct io_request *r);

/* Hands over what was submitted, in one system call.  At the end of a turn; who submits outside of a turn calls it too.  What done() and
 * release() submit goes out by itself. */
void io_flush(struct io_queue *queue);

/* Gives a request up that was submitted and whose done() was not called: it will be, with CANCELLED, unless it ends before that. */
void io_cancel(struct io_request *r);

/* Calls done() and release() of what has ended or is overdue, without waiting.  Returns how many done() there were. */
unsigned io_poll(struct io_queue *queue);

/* The same, but waits until there was a done() or a release() to call, or `time` ns are over.  For threads that may wait. */
unsigned io_wait(struct io_queue *queue, uint64_t time);

/* How many requests were submitted and not released. */
unsigned io_pending(const struct io_queue *queue);

const struct io_counts *io_queue_counts(const struct io_queue *queue);

#endif
