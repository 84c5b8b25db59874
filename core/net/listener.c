/* Takes connections in: see listener.h. */
#include "net/listener.h"

#include <arpa/inet.h>
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sysexits.h>
#include <unistd.h>

#include "net/inherited.h"
#include "net/server.h"
#include "rend/log.h"

/* Connections taken in at once before others have their turn. */
#define ACCEPTS_MAX 64

/* How long no connection is taken in when there is no descriptor for one. */
static const struct timeval pause_time = { .tv_usec = 100 * 1000 };

static int
fail(struct listener *l, struct rend_error *err, const char *what)
{
	int e = errno;

	if (l->fd >= 0)
		close(l->fd);
	l->fd = -1;
	return error_set(err, EX_OSERR, "%s: %s: %s%s", l->name, what, strerror(e),
	    e == EADDRINUSE ? " (is another server running there?)" : "");
}

/* What to say of it, and to bind to.  Only numbers: a name could resolve to more than one meant. */
static int
tcp_address(struct listener *l, struct addrinfo **ai, struct rend_error *err)
{
	const char *address = l->settings->address != NULL ? l->settings->address : "127.0.0.1";
	struct addrinfo hints = { .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE,
		.ai_socktype = SOCK_STREAM };
	char port[16];
	int e;

	snprintf(port, sizeof port, "%d", l->settings->port);
	snprintf(l->name, sizeof l->name, strchr(address, ':') != NULL ? "[%s]:%s" : "%s:%s", address, port);
	e = getaddrinfo(address, port, &hints, ai);
	if (e != 0)
		return error_set(err, EX_CONFIG, "%s: not an IPv4 or IPv6 address: %s", l->name, gai_strerror(e));
	return 0;
}

/* The port that the kernel chose, when it was asked to. */
static void
name_port(struct listener *l)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof ss;
	char *colon = strrchr(l->name, ':');
	unsigned port;

	if (l->settings->port != 0 || getsockname(l->fd, (struct sockaddr *)&ss, &len) != 0)
		return;
	port = ntohs(
	    ss.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&ss)->sin6_port : ((struct sockaddr_in *)&ss)->sin_port);
	snprintf(colon, sizeof l->name - (size_t)(colon - l->name), ":%u", port);
}

static int
open_tcp(struct listener *l, struct rend_error *err)
{
	struct addrinfo *ai;
	int one = 1;

	if (tcp_address(l, &ai, err) != 0)
		return -1;
	l->fd = socket(ai->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (l->fd < 0) {
		freeaddrinfo(ai);
		return fail(l, err, "socket");
	}
	setsockopt(l->fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	if (ai->ai_family == AF_INET6)
		setsockopt(l->fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof one);
	if (bind(l->fd, ai->ai_addr, ai->ai_addrlen) != 0) {
		freeaddrinfo(ai);
		return fail(l, err, "bind");
	}
	freeaddrinfo(ai);
	name_port(l);
	return 0;
}

/* A socket that nobody answers on is left over from a server that died; anything else there is not ours to remove. */
static int
remove_stale(struct listener *l, const struct sockaddr_un *un, struct rend_error *err)
{
	struct stat st;
	int fd, e;

	if (lstat(un->sun_path, &st) != 0)
		return 0;
	if (!S_ISSOCK(st.st_mode))
		return error_set(err, EX_OSERR, "%s: there is something that is not a socket", l->name);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return fail(l, err, "socket");
	e = connect(fd, (const struct sockaddr *)un, sizeof *un) == 0 ? 0 : errno;
	close(fd);
	if (e != ECONNREFUSED)
		return error_set(err, EX_OSERR, "%s: another server is listening there", l->name);
	unlink(un->sun_path);
	return 0;
}

static int
open_unix(struct listener *l, struct rend_error *err)
{
	const char *path = l->settings->path;
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	mode_t before;
	int e;

	snprintf(l->name, sizeof l->name, "unix:%s", path);
	if (strlen(path) >= sizeof un.sun_path)
		return error_set(
		    err, EX_CONFIG, "%s: the path is longer than %zu bytes", l->name, sizeof un.sun_path - 1);
	strcpy(un.sun_path, path);
	if (remove_stale(l, &un, err) != 0)
		return -1;
	l->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (l->fd < 0)
		return fail(l, err, "socket");
	/* Its mode from the first moment on: to change that of a path later would be to change what somebody put there. */
	before = umask(0777 & ~(mode_t)l->settings->mode);
	e = bind(l->fd, (struct sockaddr *)&un, sizeof un);
	umask(before);
	if (e != 0)
		return fail(l, err, "bind");
	l->path = strdup(path);
	return 0;
}

/* It is there already.  0, or -1: no memory. */
static int
take_inherited(struct listener *l, struct inherited_socket *from, struct rend_error *err)
{
	struct addrinfo *ai = NULL;

	int listens = 0;
	socklen_t len = sizeof listens;

	l->fd = from->fd;
	if (getsockopt(l->fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &len) != 0 || !listens ||
	    fcntl(l->fd, F_SETFL, fcntl(l->fd, F_GETFL) | O_NONBLOCK) != 0)
		return error_set(err, EX_PROTOCOL, "a socket that was given does not listen");
	l->lent = true;
	l->stays_lent = from->lent;
	l->from = from->number + 1;
	if (l->settings->path != NULL) {
		snprintf(l->name, sizeof l->name, "unix:%s", l->settings->path);
		l->path = strdup(l->settings->path);
		l->other_mode = !from->lent && from->mode >= 0 && from->mode != l->settings->mode;
		return l->path == NULL ? error_set(err, EX_OSERR, "no memory for a listener") : 0;
	}
	if (tcp_address(l, &ai, err) != 0)
		return -1;
	freeaddrinfo(ai);
	name_port(l);
	return 0;
}

static int
open_own(struct listener *l, struct rend_error *err)
{
	return l->settings->path != NULL ? open_unix(l, err) : open_tcp(l, err);
}

int
listener_open(
    struct listener *l, struct server *server, const struct listener_settings *settings, struct rend_error *err)
{
	struct inherited_socket *from = NULL;

	*l = (struct listener){ .server = server, .settings = &l->own, .own = *settings, .fd = -1 };
	l->own.address = settings->address == NULL ? NULL : strdup(settings->address);
	l->own.path = settings->path == NULL ? NULL : strdup(settings->path);
	if ((settings->address != NULL && l->own.address == NULL) || (settings->path != NULL && l->own.path == NULL))
		return error_set(err, EX_OSERR, "no memory for a listener");
	if (server->inherited != NULL)
		from = inherited_take(server->inherited, &l->own);
	if ((from != NULL ? take_inherited(l, from, err) : open_own(l, err)) != 0) {
		if (from != NULL)
			listener_close(l);
		return -1;
	}
	if (listen(l->fd, server_settings(server)->backlog) != 0)
		return fail(l, err, "listen");
	l->number = l->fd;
	return 0;
}

static void
on_pause_over(evutil_socket_t fd, short what, void *arg)
{
	struct listener *l = arg;

	(void)fd;
	(void)what;
	__atomic_fetch_add(&l->server->accept_paused_ns, rend_now() - l->paused, __ATOMIC_RELAXED);
	__atomic_fetch_sub(&l->server->accept_paused, 1, __ATOMIC_RELAXED);
	l->paused = 0;
	if (!l->rests)
		event_add(l->event, NULL);
}

/* The backlog waits: closing what could not be accepted would need the descriptor that is missing. */
static void
pause_accepting(struct listener *l, int e)
{
	rend_log(REND_LOG_ERROR, "%s: accept: %s: no connection is taken in for a moment", l->name, strerror(e));
	__atomic_fetch_add(&l->server->accept_pauses, 1, __ATOMIC_RELAXED);
	__atomic_fetch_add(&l->server->accept_paused, 1, __ATOMIC_RELAXED);
	l->paused = rend_now();
	event_del(l->event);
	event_add(l->pause, &pause_time);
}

/* One that is one too many is told so; it may not be listening, so the answer may get lost. */
static void
turn_away(struct listener *l, int fd)
{
	static const char sorry[] = "ERROR Too many open connections\r\n";

	__atomic_fetch_add(&l->server->rejected, 1, __ATOMIC_RELAXED);
	__atomic_fetch_add(&l->rejected, 1, __ATOMIC_RELAXED);
	if (send(fd, sorry, sizeof sorry - 1, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		rend_log(REND_LOG_DEBUG, "%s: one too many, and gone already", l->name);
	close(fd);
}

static void
take_in(struct listener *l, int fd)
{
	int one = 1;

	if (__atomic_load_n(&l->server->connections, __ATOMIC_RELAXED) >=
	    (unsigned)server_settings(l->server)->max_connections) {
		turn_away(l, fd);
		return;
	}
	if (l->path == NULL) {
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
		setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof one);
	}
	server_conn_accepted(l->server, fd, l->settings);
}

static void
on_accept(evutil_socket_t fd, short what, void *arg)
{
	struct listener *l = arg;

	(void)what;
	for (int i = 0; i < ACCEPTS_MAX; i++) {
		int client = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (client >= 0) {
			take_in(l, client);
			continue;
		}
		if (errno == EAGAIN || errno == EWOULDBLOCK)
			return;
		if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
			pause_accepting(l, errno);
			return;
		}
		/* Anything else is that one connection's trouble: it is gone. */
	}
}

int
listener_start(struct listener *l)
{
	l->event = event_new(l->server->base, l->fd, EV_READ | EV_PERSIST, on_accept, l);
	l->pause = event_new(l->server->base, -1, 0, on_pause_over, l);
	if (l->event == NULL || l->pause == NULL || event_add(l->event, NULL) != 0)
		return -1;
	rend_log(REND_LOG_INFO, "listening on %s", l->name);
	return 0;
}

void
listener_rest(struct listener *l)
{
	l->rests = true;
	if (l->event != NULL)
		event_del(l->event);
}

void
listener_go_on(struct listener *l)
{
	l->rests = false;
	if (l->event != NULL && l->paused == 0)
		event_add(l->event, NULL);
}

/* Only of a socket, whatever stands there by now. */
static int
set_mode(const char *path, mode_t mode)
{
	int fd = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC), rc = -1;
	char name[64];
	struct stat st;

	snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
	if (fd >= 0 && fstat(fd, &st) == 0) {
		errno = ENOTSOCK;
		rc = S_ISSOCK(st.st_mode) ? chmod(name, mode) : -1;
	}
	if (fd >= 0)
		close(fd);
	return rc;
}

void
listener_own(struct listener *l)
{
	if (l->other_mode && set_mode(l->path, (mode_t)l->settings->mode) != 0)
		rend_log(REND_LOG_ERROR, "%s: its mode stays as it was: %s", l->name, strerror(errno));
	l->other_mode = false;
	l->lent = l->stays_lent;
}

void
listener_leave(struct listener *l)
{
	l->lent = true;
	listener_close(l);
}

void
listener_close(struct listener *l)
{
	if (l->event != NULL)
		event_free(l->event);
	if (l->pause != NULL)
		event_free(l->pause);
	l->event = l->pause = NULL;
	if (l->fd >= 0)
		close(l->fd);
	l->fd = -1;
	if (l->path != NULL && !l->lent)
		unlink(l->path);
	free(l->path);
	l->path = NULL;
	__atomic_store_n(&l->closed, true, __ATOMIC_RELAXED);
}

void
listener_fini(struct listener *l)
{
	free(l->own.address);
	free(l->own.path);
	l->own.address = l->own.path = NULL;
}

static bool
same_text(const char *a, const char *b)
{
	return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

bool
listener_is_at(const struct listener *l, const struct listener_settings *settings)
{
	return same_text(l->own.address, settings->address) && l->own.port == settings->port &&
	       same_text(l->own.path, settings->path) && l->own.mode == settings->mode;
}
