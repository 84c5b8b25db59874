/*
 * The new process's side of an upgrade (docs/upgrade.md): what the old one has comes here step by step, and until the last one nothing of
 * it is touched.  Main thread.
 *
 *	takeover_hear      hello; the seed of keys, its sockets
 *	takeover_ready     what can be opened beside the old one is; waits until the rest may be
 *	takeover_collect   all is open, the workers turn; takes counts and connections, waits until it may serve
 *	takeover_begin     serves: they go to the workers, and more follow
 */
#ifndef NET_TAKEOVER_H
#define NET_TAKEOVER_H

#include <stdbool.h>

#include "base/error.h"
#include "net/inherited.h"

struct event_base;
struct parcels;
struct server;
struct takeover;

/* Over this socket, which it takes over.  NULL: no memory; fd is closed. */
struct takeover *takeover_new(int fd);

/* Asks the rend behind this control socket.  NULL with the reason. */
struct takeover *takeover_call(const char *path, struct rend_error *err);

/* What is there to listen at. */
struct inherited *takeover_sockets(struct takeover *t);

/* 0, or -1 with the reason: this process must not serve, and says so by takeover_fail(). */
int takeover_hear(struct takeover *t, struct rend_error *err);
int takeover_ready(struct takeover *t, struct rend_error *err);
/* What came of stores meanwhile; for parcels_open(). */
struct parcels *takeover_parcels(struct takeover *t);
int takeover_collect(struct takeover *t, struct server *s, struct rend_error *err);
void takeover_begin(struct takeover *t, struct server *s);

/* Do connections of the old process come yet?  What has come by now is taken first. */
bool takeover_goes_on(struct takeover *t);

/* Those that the old process has yet do not come any more.  Before the server's base is freed. */
void takeover_hear_no_more(struct takeover *t);

/* Since when the service is there: monotonic ns, unix seconds. */
uint64_t takeover_began(const struct takeover *t);
int64_t takeover_began_wall(const struct takeover *t);

/* Tells the old process why it came to nothing; text may have several lines. */
void takeover_fail(struct takeover *t, int exit_code, const char *text);

void takeover_free(struct takeover **tp);

#endif
