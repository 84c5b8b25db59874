/* A call at the control socket of another rend: see dial.h. */
#include "net/dial.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sysexits.h>
#include <unistd.h>

#include "net/letter.h"

/* How long it may take to answer. */
#define CALL_NS 10000000000ULL

/* "ok\n" with one end of a pair, or "error 75\n" and why. */
static int
hear_answer(int fd, struct rend_error *err)
{
	char text[512];
	char control[CMSG_SPACE(sizeof(int))] __attribute__((aligned(8)));
	struct iovec iov = { text, sizeof text - 1 };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control
	};
	struct pollfd p = { .fd = fd, .events = POLLIN };
	struct cmsghdr *c;
	ssize_t n = -1;
	int in = -1;

	if (poll(&p, 1, (int)(CALL_NS / 1000000)) == 1)
		n = recvmsg(fd, &msg, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	if (n <= 0)
		return error_set(err, EX_UNAVAILABLE, "takeover: no answer from there");
	c = CMSG_FIRSTHDR(&msg);
	if (c != NULL && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS &&
	    c->cmsg_len == CMSG_LEN(sizeof(int)))
		memcpy(&in, CMSG_DATA(c), sizeof in);
	text[n] = '\0';
	if (msg.msg_flags & MSG_CTRUNC) {
		if (in >= 0)
			close(in);
		return error_set(err, EX_OSERR, "takeover: %s", letter_got_says(LETTER_NO_FILES));
	}
	if (strncmp(text, "ok\n", 3) == 0 && in >= 0)
		return in;
	if (in >= 0)
		close(in);
	while (n > 0 && text[n - 1] == '\n')
		text[--n] = '\0';
	return error_set(err, EX_TEMPFAIL, "takeover: refused: %s", text);
}

/* 0, and an answer is to come; or -1 with the reason. */
static int
ask(int fd, const char *path, struct rend_error *err)
{
	static const char word[] = "takeover\n";
	/* One that hangs has a backlog that is full. */
	static const struct timeval patience = { .tv_sec = CALL_NS / 1000000000 };
	struct sockaddr_un un = { .sun_family = AF_UNIX };

	strcpy(un.sun_path, path);
	if (fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience) == 0 &&
	    connect(fd, (struct sockaddr *)&un, sizeof un) == 0 &&
	    send(fd, word, sizeof word - 1, MSG_NOSIGNAL) == (ssize_t)sizeof word - 1)
		return 0;
	return error_set(err, EX_UNAVAILABLE, "takeover: %s: %s", path, strerror(errno));
}

int
dial(const char *path, struct rend_error *err)
{
	int fd, in = -1;

	if (strlen(path) >= sizeof((struct sockaddr_un *)NULL)->sun_path)
		return error_set(err, EX_USAGE, "takeover: the path is too long");
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (ask(fd, path, err) == 0)
		in = hear_answer(fd, err);
	if (fd >= 0)
		close(fd);
	return in;
}
