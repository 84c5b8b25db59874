/* What a server can be told: plain data, filled from rend.conf and the command line, read by the rest of net. */
#ifndef NET_SETTINGS_H
#define NET_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rend/log.h"

struct rend_node;
struct generation;

enum listener_protocol { LISTENER_AUTO, LISTENER_TEXT, LISTENER_BINARY };

/* One listener: TCP (address, port), or unix (path). */
struct listener_settings {
	char *address; /* an IPv4 or IPv6 address; NULL: 127.0.0.1 */
	int port;      /* 0: the kernel chooses, and the log says */
	char *path;    /* a unix socket instead; NULL: TCP */
	int mode;      /* of the unix socket: permission bits */
	enum listener_protocol protocol;
	const struct rend_node *policy; /* who is asked */
};

/* Where those come in who watch, not those who ask for values. */
struct admin_settings {
	bool on;
	bool loopback;		     /* no other machine reaches it */
	struct listener_settings at; /* address, port */
};

struct server_settings {
	int workers;
	int disk_threads;
	int max_connections;
	int backlog;
	uint64_t idle_timeout;	   /* ns; 0: none */
	uint64_t request_timeout;  /* ns a request may be half there, and a client may not read; 0: none */
	uint64_t drain_timeout;	   /* ns that SIGTERM waits for what is under way */
	uint64_t item_size_max;	   /* bytes */
	uint64_t reload_wait;	   /* ns that a reload may keep requests waiting for those under way */
	uint64_t handover_timeout; /* ns that an upgrade waits for what is under way */
	const char *control;	   /* where rendctl comes in; "" or NULL: nowhere */
	const char *state_dir;	   /* for notes to the next process; "" or NULL: none */
	enum rend_log_level log_level;
	bool cas, flush_enabled, shutdown_enabled;
	struct listener_settings *listeners;
	size_t listener_count;
	struct admin_settings admin;
	struct generation *generation; /* the graph */
};

#endif
