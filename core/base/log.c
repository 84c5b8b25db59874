/* The log: a bounded ring, and a thread that writes it. */
#include <sys/prctl.h>
#include <sys/stat.h>

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/logline.h"
#include "base/sink.h"
#include "rend/check.h"

#define RING	     256 /* lines */
#define NS_PER_S     1000000000
#define STALL_MS     100  /* between two looks at a sink that takes nothing */
#define DIRECT_MS    1000 /* how long a line without a thread waits for the sink */
#define STOP_S	     1	  /* how long the thread goes on trying when it is to end */
#define ABANDON_S    3	  /* and when it is left behind */
#define SETTLE_MS    200
#define REPEAT_S     1 /* how long repetitions are counted before the log says so */
#define BATCH_MAX    SINK_WRITE_MAX
#define NOTES_MAX    2 /* lines that may have to be written before a line of the ring */
#define ROOM_FOR_ONE ((NOTES_MAX + 1) * LOGLINE_MAX)
_Static_assert(ROOM_FOR_ONE <= BATCH_MAX, "a line and its notes do not fit into a batch");

/* A line, and what became of those between it and the one before. */
struct slot {
	struct logline line;
	uint64_t repeats; /* of the line before */
	uint64_t dropped;
};

enum log_mode {
	LOG_DIRECT,   /* whoever has a line writes it */
	LOG_THREAD,   /* the thread does */
	LOG_ABANDONED /* the thread does not come back from a write; lines are dropped */
};

static atomic_int level_max = REND_LOG_INFO;
static _Atomic uint64_t dropped_total;
static atomic_uint unwritten; /* lines that somebody gave us and no write has returned for */
static atomic_int sink = STDERR_FILENO;

/* All of it under the lock, but batch is the writer's: the thread, or whoever has the lock in LOG_DIRECT. */
static struct {
	pthread_mutex_t lock;
	pthread_cond_t work; /* for the thread */
	pthread_cond_t gone; /* the thread ends */
	bool conds;	     /* the two above are made */
	pthread_t thread;
	enum log_mode mode;
	bool stopping, ended;
	struct timespec give_up; /* once it is stopping */

	char path[PATH_MAX]; /* empty: stderr */
	bool made;	     /* the file is ours: log_open() made it */
	bool reopen;
	int next_sink; /* the thread is to write there from now on; -1: none */

	struct slot ring[RING];
	unsigned head, tail;	  /* lines put, lines taken; never wrapped to the ring */
	uint64_t repeats;	  /* of the newest line, not yet told */
	struct timespec told_due; /* when to tell them even if nothing else comes */
	uint64_t dropped;	  /* since the newest line, not yet told */
	enum rend_log_level last; /* level of the line that was written last */

	char batch[BATCH_MAX];
	size_t batch_len;
	unsigned batch_lines; /* somebody's, not notes */
	uint64_t batch_told;  /* dropped lines that its notes tell of */
	bool failing;	      /* the last write was an error, or a wait in vain */
} lg = { .lock = PTHREAD_MUTEX_INITIALIZER, .next_sink = -1 };

static struct timespec
seconds_from_now(int s)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	ts.tv_sec += s;
	return ts;
}

static bool
passed(const struct timespec *ts)
{
	struct timespec now = seconds_from_now(0);

	return now.tv_sec > ts->tv_sec || (now.tv_sec == ts->tv_sec && now.tv_nsec >= ts->tv_nsec);
}

static struct slot *
slot_at(unsigned i)
{
	return &lg.ring[i % RING];
}

/* ---- the batch: what goes out with the next write ---- */

static void
batch_line(const struct logline *l)
{
	lg.batch_len += logline_print(l, lg.batch + lg.batch_len);
	lg.last = l->level;
}

__attribute__((format(printf, 2, 3))) static void
batch_note(enum rend_log_level level, const char *fmt, ...)
{
	struct logline l;
	va_list ap;

	va_start(ap, fmt);
	logline_make(&l, level, fmt, ap);
	va_end(ap);
	lg.batch_len += logline_print(&l, lg.batch + lg.batch_len);
}

static void
batch_notes(uint64_t repeats, uint64_t dropped)
{
	if (repeats != 0)
		batch_note(lg.last, "last line repeated %llu times", (unsigned long long)repeats);
	if (dropped != 0)
		batch_note(REND_LOG_WARN, "%llu lines were dropped here", (unsigned long long)dropped);
	lg.batch_told += dropped;
}

static void
batch_clear(void)
{
	lg.batch_len = lg.batch_lines = 0;
	lg.batch_told = 0;
}

/* Fills the batch with what is to be written now. */
static void
batch_fill(void)
{
	batch_clear();
	while (lg.tail != lg.head && lg.batch_len + ROOM_FOR_ONE <= BATCH_MAX) {
		const struct slot *s = slot_at(lg.tail++);

		batch_notes(s->repeats, s->dropped);
		batch_line(&s->line);
		lg.batch_lines++;
	}
	if (lg.tail != lg.head || lg.batch_len + ROOM_FOR_ONE > BATCH_MAX)
		return;
	/* No line waits: tell what was only counted, unless more of the same may come or nothing gets through. */
	if (lg.repeats != 0 && (lg.stopping || passed(&lg.told_due))) {
		batch_notes(lg.repeats, 0);
		lg.repeats = 0;
	}
	if (lg.dropped != 0 && !lg.failing) {
		batch_notes(0, lg.dropped);
		lg.dropped = 0;
	}
}

/* Does something else than the sink want the thread's attention? */
static bool
interrupted(void)
{
	bool yes;

	pthread_mutex_lock(&lg.lock);
	yes = lg.reopen || lg.next_sink != -1 || (lg.stopping && passed(&lg.give_up));
	pthread_mutex_unlock(&lg.lock);
	return yes;
}

/* Drops what the batch has from byte `from` on.  The lock is held. */
static void
batch_lose(size_t from)
{
	uint64_t lines = 0;

	/* Nothing of it was written: then its notes were not, and what they tell is to be told again. */
	if (from == 0)
		lg.dropped += lg.batch_told;
	while (from < lg.batch_len)
		lines += lg.batch[from++] == '\n';
	if (lines > lg.batch_lines)
		lines = lg.batch_lines;
	dropped_total += lines;
	lg.dropped += lines;
}

/* ---- the thread ---- */

/* Writes the batch, however long that takes.  The lock is held, but not while it waits. */
static void
thread_write(void)
{
	size_t done = 0;
	ssize_t n = 0;
	bool give_up = false;
	int wait_ms = lg.stopping && passed(&lg.give_up) ? 0 : STALL_MS;

	pthread_mutex_unlock(&lg.lock);
	while (done < lg.batch_len && n != -1 && !give_up) {
		n = sink_write(sink, lg.batch + done, lg.batch_len - done, wait_ms);
		if (n > 0)
			done += (size_t)n;
		else if (n == 0)
			give_up = interrupted();
	}
	pthread_mutex_lock(&lg.lock);
	lg.failing = done < lg.batch_len;
	if (lg.failing)
		batch_lose(done);
	atomic_fetch_sub(&unwritten, lg.batch_lines);
}

/* Writes elsewhere from now on.  The lock is held. */
static void
move_sink(int fd)
{
	int old = sink;

	sink = fd;
	lg.failing = false;
	sink_close(old);
}

/* Opens the file at path again.  -1 and errno: the old one stays. */
static int
reopen_sink(const char *path)
{
	int fd = sink_open(path, NULL);

	if (fd != -1)
		move_sink(fd);
	return fd == -1 ? -1 : 0;
}

/* The lock is held, but not while the file is opened. */
static void
thread_reopen(void)
{
	char path[PATH_MAX];
	int fd, why;

	memcpy(path, lg.path, sizeof(path));
	lg.reopen = false;
	pthread_mutex_unlock(&lg.lock);
	fd = sink_open(path, NULL);
	why = errno;
	if (fd == -1)
		rend_log(REND_LOG_ERROR, "cannot open the log %s again, the old one stays: %s", path, strerror(why));
	pthread_mutex_lock(&lg.lock);
	if (fd != -1)
		move_sink(fd);
}

static void
thread_wait(void)
{
	if (lg.repeats != 0)
		pthread_cond_timedwait(&lg.work, &lg.lock, &lg.told_due);
	else
		pthread_cond_wait(&lg.work, &lg.lock);
}

static void *
thread_main(void *arg)
{
	prctl(PR_SET_NAME, "log");
	pthread_mutex_lock(&lg.lock);
	for (;;) {
		if (lg.reopen)
			thread_reopen();
		if (lg.next_sink != -1) {
			move_sink(lg.next_sink);
			lg.next_sink = -1;
		}
		batch_fill();
		if (lg.batch_len != 0)
			thread_write();
		else if (lg.stopping)
			break;
		else if (!lg.reopen && lg.next_sink == -1)
			thread_wait();
	}
	lg.ended = true;
	if (lg.mode == LOG_ABANDONED)
		lg.mode = LOG_DIRECT;
	pthread_cond_signal(&lg.gone);
	pthread_mutex_unlock(&lg.lock);
	return NULL;
}

/* ---- lines ---- */

/* The lock is held. */
static void
write_at_once(const struct logline *l)
{
	size_t done = 0;
	ssize_t n = 1;

	batch_clear();
	batch_notes(0, lg.dropped);
	lg.dropped = 0;
	batch_line(l);
	lg.batch_lines = 1;
	/* A sink that was waited for in vain is not waited for again until it takes something. */
	while (done < lg.batch_len && n > 0) {
		n = sink_write(sink, lg.batch + done, lg.batch_len - done, lg.failing ? 0 : DIRECT_MS);
		if (n > 0)
			done += (size_t)n;
	}
	lg.failing = done < lg.batch_len;
	if (lg.failing)
		batch_lose(done);
}

/* The lock is held. */
static void
put_in_ring(const struct logline *l)
{
	struct slot *s;

	if (lg.head != 0 && logline_same(l, &slot_at(lg.head - 1)->line)) {
		if (lg.repeats++ == 0) {
			lg.told_due = seconds_from_now(REPEAT_S);
			pthread_cond_signal(&lg.work);
		}
		return;
	}
	if (lg.head - lg.tail == RING) {
		lg.dropped++;
		dropped_total++;
		return;
	}
	s = slot_at(lg.head);
	s->line = *l;
	s->repeats = lg.repeats;
	s->dropped = lg.dropped;
	lg.repeats = lg.dropped = 0;
	lg.head++;
	unwritten++;
	pthread_cond_signal(&lg.work);
}

void
rend_log(enum rend_log_level level, const char *fmt, ...)
{
	int saved = errno;
	struct logline l;
	va_list ap;

	if ((int)level > atomic_load_explicit(&level_max, memory_order_relaxed))
		return;
	va_start(ap, fmt);
	logline_make(&l, level, fmt, ap);
	va_end(ap);

	pthread_mutex_lock(&lg.lock);
	switch (lg.mode) {
	case LOG_DIRECT:
		write_at_once(&l);
		break;
	case LOG_THREAD:
		put_in_ring(&l);
		break;
	case LOG_ABANDONED:
		dropped_total++;
		break;
	}
	pthread_mutex_unlock(&lg.lock);
	errno = saved;
}

/* ---- what the program says ---- */

int
log_open(const char *to, enum rend_log_level level)
{
	const char *path = strcmp(to, "stderr") == 0 ? "" : to;
	bool made;
	int fd;

	if (strlen(path) >= sizeof(lg.path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	fd = sink_open(path, &made);
	if (fd == -1)
		return -1;
	log_set_level(level);

	pthread_mutex_lock(&lg.lock);
	snprintf(lg.path, sizeof(lg.path), "%s", path);
	lg.made = made;
	if (lg.mode == LOG_DIRECT) {
		move_sink(fd);
	} else {
		sink_close(lg.next_sink);
		lg.next_sink = fd;
		pthread_cond_signal(&lg.work);
	}
	pthread_mutex_unlock(&lg.lock);
	return 0;
}

int
log_give(uid_t user, gid_t group)
{
	struct stat st;
	int rc = 0;

	pthread_mutex_lock(&lg.lock);
	if (lg.made && lg.mode == LOG_DIRECT && fstat(sink, &st) == 0 && S_ISREG(st.st_mode))
		rc = fchown(sink, user, group);
	pthread_mutex_unlock(&lg.lock);
	return rc;
}

int
log_level_parse(const char *name, enum rend_log_level *level)
{
	for (int l = REND_LOG_ERROR; l <= REND_LOG_DEBUG; l++) {
		if (strcmp(name, logline_level_name((enum rend_log_level)l)) == 0) {
			*level = (enum rend_log_level)l;
			return 0;
		}
	}
	return -1;
}

void
log_set_level(enum rend_log_level level)
{
	level_max = (int)level;
}

void
log_reopen(void)
{
	int why = 0;

	pthread_mutex_lock(&lg.lock);
	if (lg.mode == LOG_DIRECT) {
		if (reopen_sink(lg.path) != 0)
			why = errno;
	} else {
		lg.reopen = true;
		pthread_cond_signal(&lg.work);
	}
	pthread_mutex_unlock(&lg.lock);
	if (why != 0)
		rend_log(REND_LOG_ERROR, "cannot open the log again, the old one stays: %s", strerror(why));
}

/* Once; timed waits are on the monotonic clock. */
static void
make_conds(void)
{
	pthread_condattr_t attr;

	if (lg.conds)
		return;
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&lg.work, &attr);
	pthread_cond_init(&lg.gone, &attr);
	pthread_condattr_destroy(&attr);
	lg.conds = true;
}

int
log_start(void)
{
	sigset_t all, before;
	int why = 0;

	/* Signals are for the other threads; and a reader that goes away is an error of the write, not our end. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	pthread_mutex_lock(&lg.lock);
	if (lg.mode != LOG_DIRECT) {
		why = EBUSY;
	} else {
		make_conds();
		lg.stopping = lg.ended = false;
		lg.head = lg.tail = 0;
		why = pthread_create(&lg.thread, NULL, thread_main, NULL);
		if (why == 0)
			lg.mode = LOG_THREAD;
	}
	pthread_mutex_unlock(&lg.lock);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	errno = why;
	return why == 0 ? 0 : -1;
}

void
log_stop(void)
{
	struct timespec abandon = seconds_from_now(ABANDON_S);
	bool ended;

	pthread_mutex_lock(&lg.lock);
	if (lg.mode != LOG_THREAD) {
		pthread_mutex_unlock(&lg.lock);
		return;
	}
	lg.stopping = true;
	lg.give_up = seconds_from_now(STOP_S);
	pthread_cond_signal(&lg.work);
	while (!lg.ended && pthread_cond_timedwait(&lg.gone, &lg.lock, &abandon) != ETIMEDOUT)
		;
	ended = lg.ended;
	lg.mode = ended ? LOG_DIRECT : LOG_ABANDONED;
	pthread_mutex_unlock(&lg.lock);
	if (ended)
		pthread_join(lg.thread, NULL);
	else
		pthread_detach(lg.thread);
}

uint64_t
log_dropped(void)
{
	return dropped_total;
}

void
log_settle(void)
{
	struct timespec ms = { .tv_nsec = 1000000 };

	for (int i = 0; i < SETTLE_MS && unwritten != 0; i++)
		nanosleep(&ms, NULL);
}

int
log_fd(void)
{
	return sink;
}
