/* What two rends say to each other: see letter.h. */
#include "net/letter.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"

#define LETTER_MAGIC 0x52546b31U

/* How often somebody who waits looks whether he should stop. */
#define LOOK_NS 50000000ULL

struct head {
	uint32_t magic;
	uint16_t version, type;
	uint32_t len;
};

/* Room for the descriptors beside a message. */
union control {
	struct cmsghdr align;
	char bytes[CMSG_SPACE(sizeof(int) * LETTER_FDS_MAX)];
};

/* ---- writing ---- */

void
letter_begin(struct letter *l, enum letter_type type)
{
	l->type = (uint16_t)type;
	l->broken = false;
	l->len = l->at = 0;
	l->fd_count = l->fds_taken = 0;
}

void
letter_put(struct letter *l, const void *p, size_t len)
{
	if (len > sizeof l->body - l->len) {
		l->broken = true;
		return;
	}
	if (len > 0)
		memcpy(l->body + l->len, p, len);
	l->len += len;
}

void
letter_put_u64(struct letter *l, uint64_t n)
{
	letter_put(l, &n, sizeof n);
}

void
letter_put_text(struct letter *l, const char *s)
{
	size_t len = s == NULL ? 0 : strlen(s);

	if (len >= LETTER_TEXT_MAX)
		len = LETTER_TEXT_MAX - 1;
	letter_put_u64(l, len);
	letter_put(l, s, len);
}

void
letter_put_fd(struct letter *l, int fd)
{
	if (fd < 0 || l->fd_count == LETTER_FDS_MAX)
		l->broken = true;
	else
		l->fds[l->fd_count++] = fd;
}

static void
attach_fds(struct msghdr *msg, union control *control, const struct letter *l)
{
	struct cmsghdr *c;

	if (l->fd_count == 0)
		return;
	memset(control, 0, sizeof *control);
	msg->msg_control = control;
	msg->msg_controllen = CMSG_SPACE(sizeof(int) * l->fd_count);
	c = CMSG_FIRSTHDR(msg);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int) * l->fd_count);
	memcpy(CMSG_DATA(c), l->fds, sizeof(int) * l->fd_count);
}

/* Waits for it a while.  false: it is late. */
static bool
wait_for(int fd, short what, uint64_t until)
{
	struct pollfd p = { .fd = fd, .events = what };
	uint64_t now = clock_mono(), wait;

	if (now >= until)
		return false;
	wait = until - now < LOOK_NS ? until - now : LOOK_NS;
	poll(&p, 1, (int)(wait / 1000000) + 1);
	return true;
}

int
letter_send(int fd, const struct letter *l, uint64_t until)
{
	struct head head = { LETTER_MAGIC, LETTER_VERSION, l->type, (uint32_t)l->len };
	struct iovec iov[] = { { &head, sizeof head }, { (char *)(uintptr_t)l->body, l->len } };
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 2 };
	union control control;

	if (l->broken) {
		errno = EMSGSIZE;
		return -1;
	}
	attach_fds(&msg, &control, l);
	while (sendmsg(fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT) < 0) {
		/* ETOOMANYREFS: more descriptors are on their way than one may have. */
		if (errno == EINTR)
			continue;
		if (errno != EAGAIN && errno != EWOULDBLOCK && errno != ENOBUFS && errno != ETOOMANYREFS)
			return -1;
		if (errno == EAGAIN || errno == EWOULDBLOCK) {
			if (wait_for(fd, POLLOUT, until))
				continue;
		} else if (wait_for(-1, 0, until < clock_mono() + 2000000 ? until : clock_mono() + 2000000)) {
			continue;
		}
		errno = ETIMEDOUT;
		return -1;
	}
	return 0;
}

int
letter_send_bare(int fd, enum letter_type type, uint64_t until)
{
	struct letter l;

	letter_begin(&l, type);
	return letter_send(fd, &l, until);
}

/* ---- reading ---- */

static void
close_fds(struct letter *l)
{
	while (l->fds_taken < l->fd_count)
		close(l->fds[l->fds_taken++]);
}

/* All descriptors that came are in the letter, or closed. */
static bool
collect_fds(struct msghdr *msg, struct letter *l)
{
	bool fit = true;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c != NULL; c = CMSG_NXTHDR(msg, c)) {
		size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < count; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof fd, sizeof fd);
			if (l->fd_count < LETTER_FDS_MAX) {
				l->fds[l->fd_count++] = fd;
			} else {
				fit = false;
				close(fd);
			}
		}
	}
	return fit;
}

/* Nothing comes at the end, and an empty message looks the same. */
static bool
has_hung_up(int fd)
{
	struct pollfd p = { .fd = fd };

	return poll(&p, 1, 0) == 1 && (p.revents & POLLHUP);
}

static enum letter_got
take(int fd, struct letter *l)
{
	struct head head = { 0 };
	struct iovec iov[] = { { &head, sizeof head }, { l->body, sizeof l->body } };
	union control control;
	struct msghdr msg = {
		.msg_iov = iov, .msg_iovlen = 2, .msg_control = &control, .msg_controllen = sizeof control
	};
	ssize_t n = recvmsg(fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

	/* The other one went without having read all; what it had said comes after that. */
	if (n < 0 && errno == ECONNRESET)
		n = recvmsg(fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	if (n < 0)
		return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR ? LETTER_LATE : LETTER_END;
	letter_begin(l, LETTER_NONE);
	if (n == 0 && msg.msg_controllen == 0 && has_hung_up(fd))
		return LETTER_END;
	if (!collect_fds(&msg, l) || (msg.msg_flags & MSG_CTRUNC)) {
		close_fds(l);
		return LETTER_NO_FILES;
	}
	if ((msg.msg_flags & MSG_TRUNC) || (size_t)n < sizeof head || head.magic != LETTER_MAGIC ||
	    head.version != LETTER_VERSION || head.len != (size_t)n - sizeof head || head.type >= LETTER_TYPES) {
		close_fds(l);
		return LETTER_BAD;
	}
	l->type = head.type;
	l->len = head.len;
	return LETTER_HERE;
}

enum letter_got
letter_receive(int fd, struct letter *l, uint64_t until, const bool *stop)
{
	enum letter_got got;

	while ((got = take(fd, l)) == LETTER_LATE) {
		if (stop != NULL && __atomic_load_n(stop, __ATOMIC_RELAXED))
			return LETTER_STOPPED;
		/* It may have come since: whoever was stopped has lost much time in between. */
		if (!wait_for(fd, POLLIN, until))
			return take(fd, l);
	}
	return got;
}

const char *
letter_got_says(enum letter_got got)
{
	static const char *const says[] = {
		[LETTER_HERE] = "it said something that it should not have",
		[LETTER_END] = "it is gone",
		[LETTER_LATE] = "it took too long",
		[LETTER_STOPPED] = "the server is ending",
		[LETTER_BAD] = "it does not speak this version",
		[LETTER_NO_FILES] = "no more files may be open",
	};

	return says[got];
}

const void *
letter_get(struct letter *l, size_t len)
{
	const void *p = l->body + l->at;

	if (l->broken || len > l->len - l->at) {
		l->broken = true;
		return NULL;
	}
	l->at += len;
	return p;
}

uint64_t
letter_get_u64(struct letter *l)
{
	const void *p = letter_get(l, sizeof(uint64_t));
	uint64_t n = 0;

	if (p != NULL)
		memcpy(&n, p, sizeof n);
	return n;
}

uint64_t
letter_get_at_most(struct letter *l, uint64_t most)
{
	uint64_t n = letter_get_u64(l);

	if (n <= most)
		return n;
	l->broken = true;
	return 0;
}

void
letter_get_text(struct letter *l, char *to, size_t room)
{
	size_t len = letter_get_at_most(l, room - 1);
	const void *p = letter_get(l, len);

	*to = '\0';
	if (p == NULL)
		return;
	memcpy(to, p, len);
	to[len] = '\0';
	if (strlen(to) != len)
		l->broken = true;
}

bool
letter_has_more(const struct letter *l)
{
	return !l->broken && l->at < l->len;
}

int
letter_get_fd(struct letter *l)
{
	if (l->fds_taken < l->fd_count)
		return l->fds[l->fds_taken++];
	l->broken = true;
	return -1;
}

bool
letter_finish(struct letter *l)
{
	bool whole = !l->broken && l->at == l->len && l->fds_taken == l->fd_count;

	close_fds(l);
	return whole;
}
