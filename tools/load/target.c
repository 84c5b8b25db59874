/* Where the server is: see target.h. */
#include "target.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

int
target_dial(const struct target *t, const struct in_addr *from)
{
	int fd = socket(t->addr.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), yes = 1, saved;
	struct sockaddr_in source = { .sin_family = AF_INET };

	if (fd < 0)
		return -1;
	if (t->addr.ss_family != AF_UNIX)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
	if (from != NULL && t->addr.ss_family == AF_INET) {
		source.sin_addr = *from;
		/* The port is chosen when it is known where to: one port may then go to many places. */
		setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &yes, sizeof yes);
		if (bind(fd, (const struct sockaddr *)&source, sizeof source) != 0)
			goto bad;
	}
	if (connect(fd, (const struct sockaddr *)&t->addr, t->len) == 0 || errno == EINPROGRESS)
		return fd;
bad:
	saved = errno;
	close(fd);
	errno = saved;
	return -1;
}

int
target_connect(const struct target *t, uint64_t timeout)
{
	int fd = target_dial(t, NULL), error = 0;
	struct pollfd p = { .fd = fd, .events = POLLOUT };
	struct timeval tv = { .tv_sec = (time_t)(timeout / 1000000000),
		.tv_usec = (suseconds_t)(timeout / 1000 % 1000000) };
	socklen_t len = sizeof error;

	if (fd < 0)
		return -1;
	if (poll(&p, 1, (int)(timeout / 1000000)) != 1)
		error = ETIMEDOUT;
	else if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0)
		error = errno;
	if (error != 0) {
		close(fd);
		errno = error;
		return -1;
	}
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv);
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof tv);
	return fd;
}

static const char *
find_unix(struct target *t, const char *path, uint64_t timeout)
{
	struct sockaddr_un *un = (struct sockaddr_un *)&t->addr;
	int fd;

	snprintf(t->name, sizeof t->name, "unix:%s", path);
	if (strlen(path) >= sizeof un->sun_path)
		return "the path is too long for a socket";
	un->sun_family = AF_UNIX;
	strcpy(un->sun_path, path);
	t->len = sizeof *un;
	fd = target_connect(t, timeout);
	if (fd < 0)
		return strerror(errno);
	close(fd);
	return NULL;
}

const char *
target_find(struct target *t, const char *host, const char *port, const char *path, uint64_t timeout)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *all, *a;
	const char *why = "it has no address";
	int fd = -1, rc;

	*t = (struct target){ 0 };
	if (path != NULL)
		return find_unix(t, path, timeout);
	snprintf(t->name, sizeof t->name, strchr(host, ':') == NULL ? "%s:%s" : "[%s]:%s", host, port);
	rc = getaddrinfo(host, port, &hints, &all);
	if (rc != 0)
		return gai_strerror(rc);
	for (a = all; a != NULL && fd < 0; a = a->ai_next) {
		memcpy(&t->addr, a->ai_addr, a->ai_addrlen);
		t->len = a->ai_addrlen;
		fd = target_connect(t, timeout);
		if (fd < 0)
			why = strerror(errno);
	}
	freeaddrinfo(all);
	if (fd < 0)
		return why;
	close(fd);
	return NULL;
}
