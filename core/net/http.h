/*
 * A few pages for people and programs that watch, over HTTP, within bounds that nobody can argue with:
 *
 *	connections   HTTP_CONNS_MAX; when the last place is taken, the oldest is closed
 *	time          HTTP_CONN_NS from accepting to the last byte, however it is spent
 *	a request     HTTP_HEADERS_MAX of lines, HTTP_BODY_MAX behind them; one for each connection
 *	methods       GET and HEAD; the pages change nothing
 *
 * Browsers: a page of somebody else's must not read ours by giving its own name our address.  A server that listens on loopback only
 * answers to numbers and to localhost.
 *
 * evhttp parses.  It has none of these bounds but the sizes, so its connections are watched from here, through their bufferevents.
 */
#ifndef NET_HTTP_H
#define NET_HTTP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/strbuf.h"

#define HTTP_CONNS_MAX	 64
#define HTTP_CONN_NS	 10000000000U
#define HTTP_HEADERS_MAX 8192 /* bytes */
#define HTTP_BODY_MAX	 4096 /* bytes; nobody wants any, but who sends some is told so */

struct event_base;
struct http;

/* What a page says.  It is answered with 500 if text is broken. */
struct http_answer {
	int code;	  /* 200 unless set */
	const char *type; /* text/plain unless set */
	struct strbuf text;
};

struct http_page {
	const char *path;						  /* NULL ends a table */
	void (*say)(void *arg, bool verbose, struct http_answer *answer); /* verbose: asked with ?verbose */
};

/* What it has counted.  Its thread's. */
struct http_counts {
	uint64_t accepted, answered, refused, cut;
};

/*
 * Serves pages on base to those who connect to fd, which listens and becomes its own.  loopback: no other machine reaches it.  pages and
 * arg outlive it.  There is one in a process.  NULL: no memory; fd is still the caller's.
 */
struct http *http_new(struct event_base *base, int fd, bool loopback, const struct http_page *pages, void *arg);

/* Closes what has been open too long.  Several times a second. */
void http_tick(struct http *h, uint64_t now);

/* Takes nobody in for now: the kernel keeps them; or does again. */
void http_rest(struct http *h, bool rests);

const struct http_counts *http_counts(const struct http *h);

/* Connections that are open. */
unsigned http_open(const struct http *h);

void http_free(struct http **hp);

#endif
