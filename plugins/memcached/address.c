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

struct routes *
routes_new(size_t count)
{
	struct routes *r = calloc(1, sizeof *r + count * sizeof r->route[0]);

	if (r == NULL)
		return NULL;
	r->refs = 1;
	r->count = count;
	return r;
}

struct routes *
routes_ref(struct routes *r)
{
	__atomic_fetch_add(&r->refs, 1, __ATOMIC_RELAXED);
	return r;
}

void
routes_drop(struct routes **rp)
{
	struct routes *r = *rp;

	*rp = NULL;
	if (r != NULL && __atomic_sub_fetch(&r->refs, 1, __ATOMIC_ACQ_REL) == 0)
		free(r);
}

bool
routes_have(const struct routes *r, const struct route *route)
{
	for (size_t i = 0; i < r->count; i++)
		if (r->route[i].len == route->len && memcmp(&r->route[i].addr, &route->addr, route->len) == 0)
			return true;
	return false;
}

bool
routes_same(const struct routes *a, const struct routes *b)
{
	for (size_t i = 0; i < a->count; i++)
		if (!routes_have(b, &a->route[i]))
			return false;
	for (size_t i = 0; i < b->count; i++)
		if (!routes_have(a, &b->route[i]))
			return false;
	return true;
}

/* ---- what a text means ---- */

static struct routes *
unix_routes(const char *path, const char **why)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	struct routes *r;

	*why = unix_fault(path);
	if (*why != NULL)
		return NULL;
	*why = "no memory";
	r = routes_new(1);
	if (r == NULL)
		return NULL;
	snprintf(un.sun_path, sizeof un.sun_path, "%s", path);
	memcpy(&r->route[0].addr, &un, sizeof un);
	r->route[0].len = sizeof un;
	return r;
}

static struct routes *
copy_routes(const struct addrinfo *found)
{
	struct routes *r;
	size_t n = 0;

	for (const struct addrinfo *ai = found; ai != NULL; ai = ai->ai_next)
		n++;
	r = routes_new(n);
	if (r == NULL)
		return NULL;
	n = 0;
	for (const struct addrinfo *ai = found; ai != NULL; ai = ai->ai_next) {
		memcpy(&r->route[n].addr, ai->ai_addr, ai->ai_addrlen);
		r->route[n++].len = ai->ai_addrlen;
	}
	return r;
}

/* flags: AI_*, of getaddrinfo(). */
static struct routes *
tcp_routes(const char *text, int flags, const char **why)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = flags }, *found;
	struct host_port hp;
	struct routes *r;
	int e;

	*why = split(text, &hp);
	if (*why != NULL)
		return NULL;
	e = getaddrinfo(hp.host, hp.port, &hints, &found);
	if (e != 0) {
		*why = gai_strerror(e);
		return NULL;
	}
	*why = "no memory";
	r = copy_routes(found);
	freeaddrinfo(found);
	return r;
}

bool
address_is_fixed(const char *text)
{
	struct routes *r;
	const char *why;

	if (unix_path(text) != NULL)
		return true;
	r = tcp_routes(text, AI_NUMERICHOST, &why);
	if (r == NULL)
		return false;
	routes_drop(&r);
	return true;
}

struct routes *
address_resolve(const char *text, const char **why)
{
	const char *path = unix_path(text);

	return path != NULL ? unix_routes(path, why) : tcp_routes(text, 0, why);
}
