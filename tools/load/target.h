/* Where the server is. */
#ifndef LOAD_TARGET_H
#define LOAD_TARGET_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

struct target {
	struct sockaddr_storage addr;
	socklen_t len;
	char name[160]; /* for people */
};

/* Finds an address of host and port (or the unix socket, if that is not NULL) where somebody takes a connection within timeout ns.
 * Blocks.  Returns NULL, or what is wrong; the string is static. */
const char *target_find(struct target *t, const char *host, const char *port, const char *path, uint64_t timeout);

/* A socket on its way there, not blocking; from: the address to come from, or NULL.  -1: errno says why. */
int target_dial(const struct target *t, const struct in_addr *from);

/* A blocking one, whose reads and writes end after timeout ns.  -1: errno says why. */
int target_connect(const struct target *t, uint64_t timeout);

#endif
