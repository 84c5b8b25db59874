/*
 * The sockets that a process leaves to the one that takes over from it: where clients come in, the admin port, the control socket; and the pid file.
 *
 *	old: legacy_send_sockets ──► new: legacy_read_socket ─► struct inherited
 */
#ifndef NET_LEGACY_SOCKETS_H
#define NET_LEGACY_SOCKETS_H

#include <stdint.h>

#include "base/error.h"

struct inherited;
struct letter;
struct server;

/* All of them.  0, or -1 with the reason.  Main thread. */
int legacy_send_sockets(struct server *s, int fd, uint64_t until, struct rend_error *err);

/* Adds what one letter says.  0, or -1: it is not to be believed, or there is no memory. */
int legacy_read_socket(struct letter *l, struct inherited *in);

/* The listener where connections of that number go on: the one that has its socket, else one that asks the policy of that name; or NULL. */
const struct listener_settings *legacy_listener(const struct server *s, const struct inherited *in, unsigned number);

#endif
