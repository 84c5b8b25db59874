/* The sockets that a process leaves to the one that takes over: see legacy_sockets.h. */
#include "net/legacy_sockets.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sysexits.h>

#include "engine/node.h"
#include "net/admin.h"
#include "net/control.h"
#include "net/inherited.h"
#include "net/letter.h"
#include "net/listener.h"
#include "net/server.h"

#define NAME_MAX_BYTES 1024

/* What a letter of sockets is about. */
enum { OF_CLIENTS, OF_OTHERS, PID_FILE, SOCKET_KINDS };

static int
fail(struct rend_error *err)
{
	return error_set(err, EX_TEMPFAIL, "the new process cannot be told: %s", strerror(errno));
}

static void
put_listener(struct letter *l, const struct listener *from, unsigned kind, unsigned number)
{
	const struct listener_settings *at = &from->own;
	bool open = from->fd >= 0;

	letter_begin(l, LETTER_SOCKET);
	letter_put_u64(l, kind);
	letter_put_u64(l, number);
	letter_put_u64(l, open);
	letter_put_text(l, at->path != NULL ? "" : at->address == NULL ? "127.0.0.1" : at->address);
	letter_put_u64(l, (uint64_t)at->port);
	letter_put_text(l, at->path);
	letter_put_u64(l, (uint64_t)at->mode);
	letter_put_text(l, at->policy == NULL ? "" : rend_node_name(at->policy));
	letter_put_u64(l, from->stays_lent);
	if (open)
		letter_put_fd(l, from->fd);
}

static void
put_pid_file(struct letter *l, int fd, const char *path)
{
	letter_begin(l, LETTER_SOCKET);
	letter_put_u64(l, PID_FILE);
	letter_put_u64(l, 0);
	letter_put_u64(l, 1);
	letter_put_text(l, "");
	letter_put_u64(l, 0);
	letter_put_text(l, path);
	letter_put_u64(l, 0);
	letter_put_text(l, "");
	letter_put_u64(l, 0);
	letter_put_fd(l, fd);
}

int
legacy_send_sockets(struct server *s, int fd, uint64_t until, struct rend_error *err)
{
	const struct listener *others[] = { admin_listener(s->admin), control_listener(s->control) };
	struct letter l;
	const char *path;
	int pid_fd;

	for (size_t i = 0; i < s->listener_count; i++) {
		put_listener(&l, &s->listeners[i], OF_CLIENTS, (unsigned)i);
		if (letter_send(fd, &l, until) != 0)
			return fail(err);
	}
	for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
		if (others[i] == NULL)
			continue;
		put_listener(&l, others[i], OF_OTHERS, 0);
		if (letter_send(fd, &l, until) != 0)
			return fail(err);
	}
	pid_fd = s->source->pid_file(s->source->arg, &path);
	if (pid_fd >= 0) {
		put_pid_file(&l, pid_fd, path);
		if (letter_send(fd, &l, until) != 0)
			return fail(err);
	}
	return letter_send_bare(fd, LETTER_SOCKETS, until) == 0 ? 0 : fail(err);
}

int
legacy_read_socket(struct letter *l, struct inherited *in)
{
	char address[NAME_MAX_BYTES], path[NAME_MAX_BYTES], policy[NAME_MAX_BYTES];
	struct inherited_socket s = { .fd = -1 };
	unsigned kind = (unsigned)letter_get_at_most(l, SOCKET_KINDS - 1);
	bool open;

	s.number = kind == OF_CLIENTS ? (unsigned)letter_get_at_most(l, UINT16_MAX)
				      : (unsigned)(letter_get_at_most(l, UINT16_MAX), UINT32_MAX);
	open = letter_get_at_most(l, 1);
	letter_get_text(l, address, sizeof address);
	s.port = (int)letter_get_at_most(l, UINT16_MAX);
	letter_get_text(l, path, sizeof path);
	s.mode = (int)letter_get_at_most(l, 0777);
	letter_get_text(l, policy, sizeof policy);
	s.lent = letter_get_at_most(l, 1);
	if (open)
		s.fd = letter_get_fd(l);
	s.pid_file = kind == PID_FILE;
	s.address = *address == '\0' ? NULL : address;
	s.path = *path == '\0' ? NULL : path;
	s.policy = policy;
	/* What was taken out of the letter is closed with the rest if the letter was no good. */
	if (inherited_add(in, &s) != 0)
		return -1;
	return letter_finish(l) ? 0 : -1;
}

const struct listener_settings *
legacy_listener(const struct server *s, const struct inherited *in, unsigned number)
{
	const struct inherited_socket *from = NULL;

	for (size_t i = 0; i < in->count && from == NULL; i++)
		if (in->all[i].number == number)
			from = &in->all[i];
	if (from == NULL)
		return NULL;
	for (size_t i = 0; i < server_listeners(s); i++)
		if (s->listeners[i].from == number + 1)
			return s->listeners[i].settings;
	for (size_t i = 0; i < server_listeners(s); i++)
		if (s->listeners[i].own.policy != NULL &&
		    strcmp(rend_node_name(s->listeners[i].own.policy), from->policy) == 0)
			return s->listeners[i].settings;
	return NULL;
}
