/* Addresses of sockets: see peer.h. */
#include "net/peer.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

static void
print_in(const struct sockaddr_in *in, char *to)
{
	char address[INET_ADDRSTRLEN] = "?";

	inet_ntop(AF_INET, &in->sin_addr, address, sizeof address);
	snprintf(to, PEER_NAME_MAX, "tcp:%s:%u", address, ntohs(in->sin_port));
}

static void
print_in6(const struct sockaddr_in6 *in6, char *to)
{
	char address[INET6_ADDRSTRLEN] = "?";

	inet_ntop(AF_INET6, &in6->sin6_addr, address, sizeof address);
	snprintf(to, PEER_NAME_MAX, "tcp6:[%s]:%u", address, ntohs(in6->sin6_port));
}

static char *
put_byte(char *to, unsigned char b)
{
	static const char digits[] = "0123456789ABCDEF";

	if (b > ' ' && b <= '~' && b != '%') {
		*to++ = (char)b;
		return to;
	}
	*to++ = '%';
	*to++ = digits[b >> 4];
	*to++ = digits[b & 15];
	return to;
}

/* A path ends at its \0 or with the address; the name of an abstract socket begins with one and may hold more. */
static void
print_un(const struct sockaddr_un *un, size_t len, char *to)
{
	size_t head = offsetof(struct sockaddr_un, sun_path);
	const char *p = un->sun_path;

	len = len > head ? len - head : 0;
	if (len > sizeof un->sun_path)
		len = sizeof un->sun_path;
	if (len == 0) {
		strcpy(to, "unix:<unnamed>");
		return;
	}
	to = stpcpy(to, "unix:");
	if (*p == '\0') {
		*to++ = '@';
		p++;
		len--;
	} else {
		len = strnlen(p, len);
	}
	for (; len > 0; len--)
		to = put_byte(to, (unsigned char)*p++);
	*to = '\0';
}

void
peer_print(const struct sockaddr_storage *ss, socklen_t len, char to[PEER_NAME_MAX])
{
	sa_family_t family = len < sizeof ss->ss_family ? AF_UNSPEC : ss->ss_family;

	if (family == AF_INET)
		print_in((const struct sockaddr_in *)(const void *)ss, to);
	else if (family == AF_INET6)
		print_in6((const struct sockaddr_in6 *)(const void *)ss, to);
	else if (family == AF_UNIX)
		print_un((const struct sockaddr_un *)(const void *)ss, len, to);
	else
		snprintf(to, PEER_NAME_MAX, "?:<AF %u>", family);
}

void
peer_of(int fd, char to[PEER_NAME_MAX])
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof ss;

	/* It may have hung up. */
	if (getpeername(fd, (struct sockaddr *)&ss, &len) != 0)
		len = 0;
	peer_print(&ss, len, to);
}

void
peer_self(int fd, char to[PEER_NAME_MAX])
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof ss;

	if (getsockname(fd, (struct sockaddr *)&ss, &len) != 0)
		len = 0;
	peer_print(&ss, len, to);
}
