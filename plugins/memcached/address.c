/* Reading an address, and asking the resolver what it means. */
#include "address.h"

#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#define HOST_MAX 255

/* The two halves of host:port. */
struct host_port {
	char host[HOST_MAX + 1];
	char port[6];
};

static const char *
unix_path(const char *text)
{
	return strncmp(text, "unix:", 5) == 0 ? text + 5 : NULL;
}

static const char *
unix_fault(const char *path)
{
	if (path[0] != '/')
		return "the path behind unix: must begin with /";
	if (strlen(path) >= sizeof(((struct sockaddr_un *)0)->sun_path))
		return "the path behind unix: is longer than a socket's can be (107 bytes)";
	return NULL;
}

static const char *
split(const char *text, struct host_port *to)
{
	const char *host = text, *colon, *end;
	unsigned port = 0;
	size_t len;

	if (text[0] == '[') {
		host = text + 1;
		end = strchr(host, ']');
		if (end == NULL || end[1] != ':')
			return "an IPv6 address is written [address]:port";
		colon = end + 1;
	} else {
		colon = end = strrchr(text, ':');
		if (colon == NULL)
			return "it needs a port: host:port, [address]:port or unix:/path";
		if (memchr(text, ':', (size_t)(colon - text)) != NULL)
			return "an IPv6 address is written [address]:port";
	}
	len = (size_t)(end - host);
	if (len == 0 || len > HOST_MAX)
		return "the host in front of the port is empty or too long";
	memcpy(to->host, host, len);
	to->host[len] = '\0';
	len = strlen(colon + 1);
	if (len == 0 || len >= sizeof to->port || strspn(colon + 1, "0123456789") != len)
		return "the port must be a number from 1 to 65535";
	memcpy(to->port, colon + 1, len + 1);
	for (const char *p = to->port; *p != '\0'; p++)
		port = port * 10 + (unsigned)(*p - '0');
	return port >= 1 && port <= 65535 ? NULL : "the port must be a number from 1 to 65535";
}

const char *
address_fault(const char *text)
{
	struct host_port hp;

	return unix_path(text) != NULL ? unix_fault(unix_path(text)) : split(text, &hp);
}

static int
unix_route(struct address *a, const char *path)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };

	a->routes = calloc(1, sizeof *a->routes);
	if (a->routes == NULL)
		return -1;
	snprintf(un.sun_path, sizeof un.sun_path, "%s", path);
	memcpy(&a->routes[0].addr, &un, sizeof un);
	a->routes[0].len = sizeof un;
	a->count = 1;
	return 0;
}

static int
copy_routes(struct address *a, const struct addrinfo *found)
{
	size_t n = 0;

	for (const struct addrinfo *ai = found; ai != NULL; ai = ai->ai_next)
		n++;
	a->routes = calloc(n, sizeof *a->routes);
	if (a->routes == NULL)
		return -1;
	for (const struct addrinfo *ai = found; ai != NULL; ai = ai->ai_next) {
		memcpy(&a->routes[a->count].addr, ai->ai_addr, ai->ai_addrlen);
		a->routes[a->count++].len = ai->ai_addrlen;
	}
	return 0;
}

static int
tcp_routes(struct address *a, const char *text, const char **why)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *found;
	struct host_port hp;
	int e, copied;

	*why = split(text, &hp);
	if (*why != NULL)
		return -1;
	e = getaddrinfo(hp.host, hp.port, &hints, &found);
	if (e != 0) {
		*why = gai_strerror(e);
		return -1;
	}
	copied = copy_routes(a, found);
	freeaddrinfo(found);
	return copied;
}

int
address_init(struct address *a, const char *text, const char **why)
{
	const char *path = unix_path(text);
	int made;

	*a = (struct address){ 0 };
	*why = "no memory";
	a->text = strdup(text);
	if (a->text == NULL)
		return -1;
	if (path != NULL && (*why = unix_fault(path)) != NULL)
		made = -1;
	else if (path != NULL)
		made = unix_route(a, path);
	else
		made = tcp_routes(a, text, why);
	if (made == 0)
		return 0;
	if (*why == NULL)
		*why = "no memory";
	address_fini(a);
	return -1;
}

void
address_fini(struct address *a)
{
	free(a->text);
	free(a->routes);
	*a = (struct address){ 0 };
}
