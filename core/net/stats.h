/* The stats command: memcached's names for what exists here. */
#ifndef NET_STATS_H
#define NET_STATS_H

#include <stdbool.h>
#include <stddef.h>

#include "proto/command.h"

struct answer;
struct conn;
struct server;

/* Notes in asked which group the words behind `stats` mean, and which of its things. */
void stats_parse(const struct server *s, const char *args, size_t len, struct asked *asked);

/* Answers a stats command, or a part of it.  false: it is to be called again when more has come or the client has read. */
bool stats_say(struct conn *c, struct answer *a);

#endif
