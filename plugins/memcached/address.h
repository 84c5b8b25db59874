/* Where a backend is: "unix:/path", "host:port", "[::1]:11211". */
#ifndef MEMCACHED_ADDRESS_H
#define MEMCACHED_ADDRESS_H

#include <stddef.h>
#include <sys/socket.h>

/* One way to get there. */
struct route {
	struct sockaddr_storage addr;
	socklen_t len;
};

/* What a server's name in rend.conf means. */
struct address {
	char *text; /* as it was written */
	struct route *routes;
	size_t count;
};

/* Could this be an address?  Looks at the text only.  NULL, or what is wrong with it; the string is static. */
const char *address_fault(const char *text);

/* Resolves text; may block.  0, or -1: nothing was made, and *why says what is wrong; the string is static. */
int address_init(struct address *a, const char *text, const char **why);
void address_fini(struct address *a);

#endif
