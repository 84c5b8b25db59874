/* Writes a chain to a socket: see outq.h. */
#include "net/outq.h"

#include <errno.h>
#include <sys/socket.h>

#define WRITES_MAX 32
#define IOVS	   64

enum outq
outq_write(int fd, struct chain *out, struct counts *counts)
{
	for (int i = 0; i < WRITES_MAX; i++) {
		struct iovec iov[IOVS];
		struct msghdr msg = { .msg_iov = iov };
		ssize_t n;
		size_t offered = 0;

		if (out->len == 0)
			return OUTQ_EMPTY;
		msg.msg_iovlen = (size_t)chain_iov(out, iov, IOVS);
		for (size_t k = 0; k < msg.msg_iovlen; k++)
			offered += iov[k].iov_len;
		count_add(&counts->writes, 1);
		n = sendmsg(fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
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
