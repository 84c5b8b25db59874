/*
 * Reloads and upgrades as the main thread sees them: whether one may begin, and who is told what came of it.  The keeper does them.
 * Main thread.
 */
#ifndef NET_RENEWAL_H
#define NET_RENEWAL_H

#include <stdbool.h>

struct heir_at;
struct keeper_result;
struct server;

/* Begins to do what SIGHUP and `rendctl reload` ask for.  false: it is at it, or it ends. */
bool renewal_reload(struct server *s);

/* Why there can be no upgrade now; NULL: there can. */
const char *renewal_hinders(struct server *s);

/* Begins to do what SIGUSR2 and `rendctl upgrade` ask for; or to hand over to a process that has called, whose descriptors become
 * its own.  false: it is at something, or it ends. */
bool renewal_upgrade(struct server *s);
bool renewal_hand_over(struct server *s, const struct heir_at *at);

/* For keeper_new(): logs what came of one, and tells supervisor and control socket. */
void renewal_done(struct server *s, const struct keeper_result *r);

#endif
