/* The stats command: memcached's names for what exists here. */
#ifndef NET_STATS_H
#define NET_STATS_H

#include <stddef.h>
#include <stdint.h>

#include "proto/command.h"

struct conn;

/* Which group the words behind `stats` mean, for asked.group. */
uint8_t stats_group(const char *args, size_t len);

/* Answers a stats command. */
void stats_say(struct conn *c, const struct asked *asked);

#endif
