/* Writing to a file descriptor that may be slow, full or broken. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include "base/sink.h"

int
sink_open(const char *path, bool *made)
{
	/* Non-blocking matters for a named pipe: one without a reader is an error here and no wait. */
	const int flags = O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
	int fd = path[0] == '\0' ? STDERR_FILENO : open(path, flags | O_EXCL, 0640);

	if (made != NULL)
		*made = fd != -1 && fd != STDERR_FILENO;
	return fd != -1 || errno != EEXIST ? fd : open(path, flags, 0640);
}

void
sink_close(int fd)
{
	if (fd > STDERR_FILENO)
		close(fd);
}

ssize_t
sink_write(int fd, const char *p, size_t len, int wait_ms)
{
	/* stderr is shared with whoever started us, so it cannot be made non-blocking: ask first. */
	struct pollfd ready = { .fd = fd, .events = POLLOUT };
	ssize_t n;

	switch (poll(&ready, 1, wait_ms)) {
	case 0:
		return 0;
	case -1:
		return errno == EINTR ? 0 : -1;
	}
	n = write(fd, p, len < SINK_WRITE_MAX ? len : SINK_WRITE_MAX);
	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return 0;
	return n;
}
