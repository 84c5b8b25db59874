/* What was asked for on the command line. */
#ifndef LOAD_SETTINGS_H
#define LOAD_SETTINGS_H

#include <netinet/in.h>

#include "keys.h"
#include "proto.h"
#include "spread.h"

#define SETTINGS_PIDS	 16
#define SETTINGS_SOURCES 256
#define SETTINGS_CLAIMS	 32
#define SETTINGS_ALSO	 15

#define SIZE_MOST	 (UINT64_C(1) << 30)
/* More than thirty days is a date to memcached. */
#define TTL_MOST UINT64_C(2592000)

struct tool;

struct settings {
	const struct tool *tool;
	int argc;
	char **argv; /* behind the tool's name */

	const char *host, *port, *socket;
	struct {
		char host[128], port[32], path[128]; /* path: a unix socket, or empty */
	} also[SETTINGS_ALSO];			     /* other ways to the same data */
	uint32_t also_count;
	struct in_addr sources[SETTINGS_SOURCES];
	uint32_t source_count;
	const struct proto *proto;
	uint64_t timeout; /* ns */

	uint64_t requests;		     /* 0: no limit */
	uint64_t duration, warmup, interval; /* ns; duration 0: no limit */

	uint32_t connections, idle, depth;
	double churn; /* connections a second */
	double rate;  /* requests a second; 0: closed loop */
	bool poisson;
	uint64_t seed;
	bool seeded;

	const char *prefix, *order;
	uint64_t keys;	  /* 0: as many as the letters can name */
	uint32_t letters; /* 0: as many as the keys need, at least 4 */
	struct spread size, ttl, width;
	double mix[VERB_COUNT], mix_all;
	bool flags, preload, may_evict, may_fail, may_lose;
	bool fresh, no_evictions; /* of check */
	uint64_t slack;		  /* of check, ns */
	uint64_t step, limit;	  /* of sizes */

	uint32_t pids[SETTINGS_PIDS], pid_count;
	const char *json;
	const char *claims[SETTINGS_CLAIMS];
	uint32_t claim_count;
	bool quiet;
};

/* The most keys one request can have. */
#define WIDTH_MOST 1000

/* What holds unless it is said otherwise. */
extern const struct settings settings_defaults;

/* Fills in what follows from several of them, and looks whether they go together.  NULL, or what is wrong; the string is static. */
const char *settings_complete(struct settings *s);

#endif
