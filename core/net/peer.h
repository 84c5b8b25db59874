/* Addresses of sockets as people read them, and as memcached writes them. */
#ifndef NET_PEER_H
#define NET_PEER_H

#include <stddef.h>
#include <sys/socket.h>

#define PEER_NAME_MAX 384 /* a path of 108 bytes, each of them as %XX */

/*
 * tcp:127.0.0.1:11211, tcp6:[::1]:11211, unix:/path, unix:@name (abstract), unix:<unnamed>.  Bytes of a path that are no printable ASCII,
 * and spaces, are %XX.
 */
void peer_print(const struct sockaddr_storage *ss, socklen_t len, char to[PEER_NAME_MAX]);

/* Who is at the other end of a connected socket, and who at this one. */
void peer_of(int fd, char to[PEER_NAME_MAX]);
void peer_self(int fd, char to[PEER_NAME_MAX]);

#endif
