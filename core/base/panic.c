/*
 * The end: what cannot happen did.  No memory is allocated and no lock taken here, since the panic may have come from
 * inside malloc().
 */
#include <sys/prctl.h>
#include <sys/syscall.h>

#include <execinfo.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/logline.h"
#include "base/panic.h"
#include "rend/check.h"

#define FRAMES	 64
#define WRITE_MS 200 /* for a reader to make room */
#define END_S	 3   /* then the panic ends, whatever it is waiting for */

void (*panic_context)(int fd);

static atomic_flag first = ATOMIC_FLAG_INIT;
static _Thread_local bool panicking;

/* The first backtrace() loads a library, which is no thing to do in the middle of a panic. */
__attribute__((constructor)) static void
panic_prepare(void)
{
	void *frame;

	backtrace(&frame, 1);
}

static void
panic_end(int sig)
{
	abort();
}

/* A write that waits for a reader, or a context that waits for anything, must not keep the program from ending. */
static void
panic_set_alarm(void)
{
	struct sigaction act = { .sa_handler = panic_end };
	sigset_t alrm;

	sigaction(SIGALRM, &act, NULL);
	sigemptyset(&alrm);
	sigaddset(&alrm, SIGALRM);
	pthread_sigmask(SIG_UNBLOCK, &alrm, NULL);
	alarm(END_S);

	/* A reader that is gone is no reason to end without a core. */
	act.sa_handler = SIG_IGN;
	sigaction(SIGPIPE, &act, NULL);
}

static bool
panic_fd_ready(int fd)
{
	struct pollfd ready = { .fd = fd, .events = POLLOUT };

	return poll(&ready, 1, WRITE_MS) == 1;
}

__attribute__((format(printf, 4, 5))) static size_t
panic_add(char *to, size_t at, size_t size, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(to + at, size - at, fmt, ap);
	va_end(ap);
	if (n < 0)
		return at;
	return at + (size_t)n < size ? at + (size_t)n : size - 1;
}

/* The sentence came from anywhere; it stays one line. */
static void
panic_flatten(char *s)
{
	for (; *s != '\0'; s++) {
		if ((unsigned char)*s < ' ' || *s == 0x7f)
			*s = '?';
	}
}

static void
panic_print(int fd, const char *text, size_t len, void *const *frames, int count)
{
	if (!panic_fd_ready(fd) || write(fd, text, len) < 0)
		return;
	if (panic_context != NULL)
		panic_context(fd);
	if (panic_fd_ready(fd))
		backtrace_symbols_fd(frames, count, fd);
}

void
rend_panic(const char *file, int line, const char *fmt, ...)
{
	char sentence[1024], text[1400], thread[17] = "";
	void *frames[FRAMES];
	struct timespec now;
	size_t len = LOGLINE_STAMP;
	int count;
	va_list ap;

	/* A panic on the way to the end of a panic, and one on another thread meanwhile: the first has the word. */
	if (panicking)
		abort();
	panicking = true;
	if (atomic_flag_test_and_set(&first)) {
		for (struct timespec s = { .tv_sec = END_S + 1 }; nanosleep(&s, &s) == -1;)
			;
		abort();
	}
	panic_set_alarm();

	va_start(ap, fmt);
	if (vsnprintf(sentence, sizeof(sentence), fmt, ap) < 0)
		sentence[0] = '\0';
	va_end(ap);
	panic_flatten(sentence);
	prctl(PR_GET_NAME, thread);
	clock_gettime(CLOCK_REALTIME, &now);
	logline_stamp(&now, text);
	len = panic_add(text, len, sizeof(text), " panic %s:%d: %s\n", file, line, sentence);
	len = panic_add(text, len, sizeof(text), "\tin thread %ld (%s)\n", (long)syscall(SYS_gettid), thread);
	count = backtrace(frames, FRAMES);

	log_settle();
	panic_print(STDERR_FILENO, text, len, frames, count);
	if (log_fd() != STDERR_FILENO)
		panic_print(log_fd(), text, len, frames, count);
	abort();
}
