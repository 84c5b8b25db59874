/* Sockets that somebody else has opened: see inherited.h. */
#include "net/inherited.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sysexits.h>
#include <unistd.h>

#include "net/settings.h"

/* The first descriptor that systemd gives. */
#define FIRST_GIVEN 3

static void
free_socket(struct inherited_socket *s)
{
	if (s->fd >= 0)
		close(s->fd);
	free(s->address);
	free(s->path);
	free(s->policy);
}

static bool
copy_text(char **to, const char *from)
{
	*to = from == NULL ? NULL : strdup(from);
	return from == NULL || *to != NULL;
}

int
inherited_add(struct inherited *in, const struct inherited_socket *s)
{
	struct inherited_socket *all = NULL, *to;
	bool copied;

	if (in->count < INHERITED_MAX)
		all = reallocarray(in->all, in->count + 1, sizeof *all);
	if (all == NULL) {
		if (s->fd >= 0)
			close(s->fd);
		return -1;
	}
	in->all = all;
	to = &all[in->count++];
	*to = *s;
	/* What was copied is freed with the rest, so all three are there, or NULL. */
	copied = copy_text(&to->address, s->address);
	copied = copy_text(&to->path, s->path) && copied;
	copied = copy_text(&to->policy, s->policy) && copied;
	return copied ? 0 : -1;
}

/* ---- taking ---- */

static bool
same_address(const char *a, const char *b)
{
	struct in6_addr x = { 0 }, y = { 0 };
	int family = strchr(a, ':') != NULL ? AF_INET6 : AF_INET;

	if (strcmp(a, b) == 0)
		return true;
	return inet_pton(family, a, &x) == 1 && inet_pton(family, b, &y) == 1 && memcmp(&x, &y, sizeof x) == 0;
}

static bool
is_at(const struct inherited_socket *s, const struct listener_settings *at)
{
	if (s->taken || s->pid_file || s->fd < 0 || (s->path != NULL) != (at->path != NULL))
		return false;
	if (at->path != NULL)
		return strcmp(s->path, at->path) == 0;
	return s->address != NULL && s->port == at->port &&
	       same_address(s->address, at->address == NULL ? "127.0.0.1" : at->address);
}

struct inherited_socket *
inherited_take(struct inherited *in, const struct listener_settings *at)
{
	for (size_t i = 0; i < in->count; i++)
		if (is_at(&in->all[i], at)) {
			in->all[i].taken = true;
			return &in->all[i];
		}
	return NULL;
}

struct inherited_socket *
inherited_take_pid_file(struct inherited *in, const char *path)
{
	for (size_t i = 0; i < in->count; i++) {
		struct inherited_socket *s = &in->all[i];

		if (!s->taken && s->pid_file && s->fd >= 0 && s->path != NULL && strcmp(s->path, path) == 0) {
			s->taken = true;
			return s;
		}
	}
	return NULL;
}

/* A path is removed only for whom it is proved to be his: a socket that is bound there, a file that is this very one, and open to be written. */
static bool
owns_path(const struct inherited_socket *s)
{
	struct sockaddr_un un = { 0 };
	socklen_t len = sizeof un - 1;
	struct stat file, there;

	if (!s->pid_file)
		return getsockname(s->fd, (struct sockaddr *)&un, &len) == 0 && un.sun_family == AF_UNIX &&
		       strcmp(un.sun_path, s->path) == 0 && lstat(s->path, &there) == 0 && S_ISSOCK(there.st_mode);
	return (fcntl(s->fd, F_GETFL) & O_ACCMODE) != O_RDONLY && fstat(s->fd, &file) == 0 &&
	       lstat(s->path, &there) == 0 && S_ISREG(there.st_mode) && file.st_dev == there.st_dev &&
	       file.st_ino == there.st_ino;
}

size_t
inherited_drop(struct inherited *in, bool remove)
{
	size_t count = 0;

	for (size_t i = 0; i < in->count; i++) {
		struct inherited_socket *s = &in->all[i];

		if (s->taken || s->fd < 0)
			continue;
		if (remove && s->path != NULL && !s->lent && owns_path(s))
			unlink(s->path);
		close(s->fd);
		s->fd = -1;
		count++;
	}
	return count;
}

void
inherited_fini(struct inherited *in)
{
	for (size_t i = 0; i < in->count; i++) {
		if (in->all[i].taken)
			in->all[i].fd = -1;
		free_socket(&in->all[i]);
	}
	free(in->all);
	*in = (struct inherited){ 0 };
}

/* ---- systemd ---- */

static long
number_of(const char *name)
{
	const char *text = getenv(name);
	char *end;
	long n;

	if (text == NULL || *text == '\0')
		return -1;
	n = strtol(text, &end, 10);
	return *end == '\0' ? n : -1;
}

/* What a socket is bound to.  false: it is none that a listener can be. */
static bool
name_socket(int fd, struct inherited_socket *s, char text[INET6_ADDRSTRLEN], struct sockaddr_storage *ss)
{
	socklen_t len = sizeof *ss, size = sizeof(int);
	int type = 0, listens = 0;

	*s = (struct inherited_socket){ .fd = fd, .mode = -1, .lent = true };
	memset(ss, 0, sizeof *ss);
	if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) != 0 || type != SOCK_STREAM ||
	    getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) != 0 || !listens ||
	    getsockname(fd, (struct sockaddr *)ss, &len) != 0)
		return false;
	if (ss->ss_family == AF_UNIX) {
		s->path = ((struct sockaddr_un *)ss)->sun_path;
		return *s->path != '\0';
	}
	s->address = text;
	if (ss->ss_family == AF_INET6) {
		s->port = ntohs(((struct sockaddr_in6 *)ss)->sin6_port);
		return inet_ntop(AF_INET6, &((struct sockaddr_in6 *)ss)->sin6_addr, text, INET6_ADDRSTRLEN) != NULL;
	}
	s->port = ntohs(((struct sockaddr_in *)ss)->sin_port);
	return ss->ss_family == AF_INET &&
	       inet_ntop(AF_INET, &((struct sockaddr_in *)ss)->sin_addr, text, INET6_ADDRSTRLEN) != NULL;
}

static int
add_given(struct inherited *in, int fd, struct rend_error *err)
{
	char text[INET6_ADDRSTRLEN];
	struct sockaddr_storage ss;
	struct inherited_socket s;

	if (fcntl(fd, F_SETFD, FD_CLOEXEC) != 0 || fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) != 0)
		return error_set(err, EX_OSERR, "LISTEN_FDS: descriptor %d: %s", fd, strerror(errno));
	if (!name_socket(fd, &s, text, &ss))
		return error_set(
		    err, EX_CONFIG, "LISTEN_FDS: descriptor %d is not a stream socket that listens at a name", fd);
	if (inherited_add(in, &s) != 0)
		return error_set(err, EX_OSERR, "no memory for the sockets of LISTEN_FDS");
	return 0;
}

int
inherited_from_environment(struct inherited *in, struct rend_error *err)
{
	long count = number_of("LISTEN_FDS"), pid = number_of("LISTEN_PID");
	int rc = 0;

	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDNAMES");
	if (count < 1 || pid != (long)getpid())
		return 0;
	if (count > INHERITED_MAX)
		return error_set(err, EX_CONFIG, "LISTEN_FDS: more than %d sockets", INHERITED_MAX);
	for (int i = 0; i < (int)count && rc == 0; i++)
		rc = add_given(in, FIRST_GIVEN + i, err);
	return rc;
}
