/* Writes a chain to a socket: see outq.h. */
#include "net/outq.h"

#include <errno.h>
#include <sys/socket.h>

#define WRITES_MAX 32
#define IOVS	   64

/* One piece needs no list of pieces, which the kernel would have to fetch and check. */
static ssize_t
write_pieces(int fd, struct iovec *iov, int count)
{
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = (size_t)count };

	if (count == 1)
		return send(fd, iov->iov_base, iov->iov_len, MSG_NOSIGNAL | MSG_DONTWAIT);
	return sendmsg(fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* The most that a write of these pieces can take. */
static size_t
bytes_of(const struct iovec *iov, int count)
{
	size_t bytes = 0;

	for (int i = 0; i < count; i++)
		bytes += iov[i].iov_len;
	return bytes;
}

enum outq
outq_write(int fd, struct chain *out, struct counts *counts)
{
	for (int i = 0; i < WRITES_MAX; i++) {
		struct iovec iov[IOVS];
		int count;
		ssize_t n;

		if (out->len == 0)
			return OUTQ_EMPTY;
		count = chain_iov(out, iov, IOVS);
		count_add(&counts->writes, 1);
		n = write_pieces(fd, iov, count);
		if (n < 0)
			return errno == EAGAIN || errno == EWOULDBLOCK ? OUTQ_BLOCKED
			       : errno == EINTR			       ? OUTQ_BUSY
								       : OUTQ_BROKEN;
		count_add(&counts->bytes_written, (uint64_t)n);
		chain_eat(out, (size_t)n);
		if ((size_t)n < bytes_of(iov, count))
			return OUTQ_BLOCKED;
	}
	return out->len == 0 ? OUTQ_EMPTY : OUTQ_BUSY;
}
