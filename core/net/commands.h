/* What a client says, carried out. */
#ifndef NET_COMMANDS_H
#define NET_COMMANDS_H

#include <stddef.h>

struct conn;

/* One connection's share of a turn. */
#define COMMANDS_MAX 64

/*
 * Carries out the commands in len bytes of input, as far as they are whole, the client is not owed too much, and its share of the turn
 * goes.  Returns how many bytes are dealt with; the rest is to be given again.
 */
size_t commands_run(struct conn *c, const char *p, size_t len);

#endif
