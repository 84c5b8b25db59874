/* One server of a pool, as rend.conf says it: "host:port", "host:port weight=2", "host:port name=alpha weight=2". */
#ifndef MEMCACHED_SERVER_H
#define MEMCACHED_SERVER_H

#include <stddef.h>
#include <stdint.h>

#define SERVER_TEXT_MAX	  256
#define SERVER_WEIGHT_MAX 1000000

struct server {
	char address[SERVER_TEXT_MAX];
	char name[SERVER_TEXT_MAX]; /* empty: none was given */
	uint32_t weight;
};

/* NULL, or what is wrong with the text; the string is static. */
const char *server_parse(struct server *s, const char *text);

/* What it is called on a ring: its name, else its address, without ":11211". */
void server_called(const struct server *s, char name[SERVER_TEXT_MAX]);

#endif
