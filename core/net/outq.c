/* Writes a chain to a socket: see outq.h. */
#include "net/outq.h"

#include <errno.h>
#include <sys/socket.h>

#define WRITES_MAX 32
#define IOVS	   64

/* The most that a write of these pieces can take. */
static size_t
bytes_of(const struct iovec *iov, int count)
{
	size_t bytes = 0;

	for (int i = 0; i < count; i++)
		bytes += iov[i].iov_len;
	return bytes;
}

/* One write, as send(2); *offered is what it could have taken. */
static ssize_t
write_some(int fd, const struct chain *out, size_t *offered)
{
	struct iovec iov[IOVS];
	struct msghdr msg = { .msg_iov = iov };

	/* One piece needs no list of pieces, which the kernel would have to fetch and check. */
	if (out->head == out->tail) {
		*offered = out->len;
		return send(fd, out->head->p, out->head->len, MSG_NOSIGNAL | MSG_DONTWAIT);
	}
	msg.msg_iovlen = (size_t)chain_iov(out, iov, IOVS);
	*offered = bytes_of(iov, (int)msg.msg_iovlen);
	return sendmsg(fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
}

enum outq
outq_write(int fd, struct chain *out, struct counts *counts)
{
	for (int i = 0; i < WRITES_MAX; i++) {
		size_t offered;
		ssize_t n;

		if (out->len == 0)
			return OUTQ_EMPTY;
		count_add(&counts->writes, 1);
		n = write_some(fd, out, &offered);
		if (n < 0)
			return errno == EAGAIN || errno == EWOULDBLOCK ? OUTQ_BLOCKED
			       : errno == EINTR			       ? OUTQ_BUSY
								       : OUTQ_BROKEN;
		count_add(&counts->bytes_written, (uint64_t)n);
		chain_eat(out, (size_t)n);
		if ((size_t)n < offered)
			return OUTQ_BLOCKED;
	}
	return out->len == 0 ? OUTQ_EMPTY : OUTQ_BUSY;
}
