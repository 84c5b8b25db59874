/* Where a backend is: "unix:/path", "host:port", "[::1]:11211". */
#ifndef MEMCACHED_ADDRESS_H
#define MEMCACHED_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

/* One way to get there. */
struct route {
	struct sockaddr_storage addr;
	socklen_t len;
};

/* All ways to get there, in the order in which they are tried.  Shared, and never changed. */
struct routes {
	unsigned refs; /* atomic */
	size_t count;
	struct route route[];
};

/* Could this be an address?  Looks at the text only.  NULL, or what is wrong with it; the string is static. */
const char *address_fault(const char *text);

/* Does it mean the same for ever, without asking anybody?  Not if there is a name in it. */
bool address_is_fixed(const char *text);

/* What the text means now; may block.  One reference; or NULL, and *why says what is wrong: static. */
struct routes *address_resolve(const char *text, const char **why);

/* Room for count routes, with one reference.  NULL: no memory. */
struct routes *routes_new(size_t count);

/* One user more, one less.  NULL in *rp is fine, and it becomes NULL.  Any thread. */
struct routes *routes_ref(struct routes *r);
void routes_drop(struct routes **rp);

/* Is this one of them? */
bool routes_have(const struct routes *r, const struct route *route);

/* Are they the same, in any order? */
bool routes_same(const struct routes *a, const struct routes *b);

#endif
