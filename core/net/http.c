/*
 * Pages over HTTP: see http.h.
 *
 * evhttp says nobody when a connection of its is gone.  So each bufferevent is held here by a reference of our own: evhttp takes its
 * callbacks off when it frees one, and then ours is the last, and letting go closes the socket.  Until then the descriptor cannot be anybody
 * else's, and may be shut down.
 */
#include "net/http.h"

#include <arpa/inet.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/http_struct.h>
#include <event2/keyvalq_struct.h>
#include <event2/listener.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "rend/check.h"
#include "rend/log.h"

/* evhttp's own patience for a client that does nothing; HTTP_CONN_NS is the one that counts. */
#define SILENCE_S 5

/* Bytes of input that lie about unparsed. */
#define INPUT_MAX (2 * HTTP_HEADERS_MAX)

/* evhttp has no names for them. */
#define MISDIRECTED 421
#define BAD_VERSION 505

#define ANSWER_MAX  (16 * 1024 * 1024)

/* When no connection is taken in, how soon it is tried again: when all are in use, and when there was no descriptor for one. */
static const struct timeval soon = { .tv_usec = 5 * 1000 };
static const struct timeval later = { .tv_usec = 100 * 1000 };

struct held {
	struct bufferevent *bev;
	uint64_t since;
};

struct http {
	struct event_base *base;
	struct evhttp *evhttp;
	struct evconnlistener *listener; /* evhttp's */
	struct event *retry;
	const struct http_page *pages;
	void *arg;
	bool loopback, rests;
	struct http_counts counts;
	unsigned open;
	struct held held[HTTP_CONNS_MAX]; /* the oldest first */
};

/* There is one.  A listener that fails hands us evhttp's argument, from which no way leads here. */
static struct http *only;

/* ---- connections ---- */

static bool
is_gone(struct bufferevent *bev)
{
	bufferevent_event_cb fn;

	bufferevent_getcb(bev, NULL, NULL, &fn, NULL);
	return fn == NULL;
}

/* A socket that is closed with input unread resets the connection, and takes with it what the client has not read yet. */
static void
let_go(struct bufferevent *bev)
{
	char nobody[4096];

	for (int i = 0; i < 16 && recv(bufferevent_getfd(bev), nobody, sizeof nobody, MSG_DONTWAIT) > 0; i++)
		;
	bufferevent_decref(bev);
}

/* Lets go of those that evhttp is through with. */
static void
sweep(struct http *h)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < h->open; i++)
		if (is_gone(h->held[i].bev))
			let_go(h->held[i].bev);
		else
			h->held[kept++] = h->held[i];
	h->open = kept;
}

/* evhttp hears of it as of any end, and frees it. */
static void
cut(struct http *h, unsigned which)
{
	if (shutdown(bufferevent_getfd(h->held[which].bev), SHUT_RDWR) == 0)
		h->counts.cut++;
}

static void
pause_accepting(struct http *h, const struct timeval *how_long)
{
	evconnlistener_disable(h->listener);
	evtimer_add(h->retry, how_long);
}

static void
go_on_accepting(evutil_socket_t fd, short what, void *arg)
{
	struct http *h = arg;

	(void)fd;
	(void)what;
	sweep(h);
	if (h->open == HTTP_CONNS_MAX)
		evtimer_add(h->retry, &soon);
	else if (!h->rests)
		evconnlistener_enable(h->listener);
}

void
http_rest(struct http *h, bool rests)
{
	h->rests = rests;
	if (rests)
		evconnlistener_disable(h->listener);
	else if (!evtimer_pending(h->retry, NULL))
		evconnlistener_enable(h->listener);
}

/* No descriptor, most likely: what waits goes on waiting. */
static void
on_accept_failed(struct evconnlistener *l, void *evhttp)
{
	struct http *h = only;

	(void)evhttp;
	REND_ASSERT(h != NULL && h->listener == l);
	rend_log(REND_LOG_WARN, "the admin port takes nobody in for a moment: %s",
	    evutil_socket_error_to_string(EVUTIL_SOCKET_ERROR()));
	pause_accepting(h, &later);
}

/* evhttp has accepted one, and asks for what it is to be read with. */
static struct bufferevent *
on_accepted(struct event_base *base, void *arg)
{
	struct http *h = arg;
	struct bufferevent *bev = bufferevent_socket_new(base, -1, BEV_OPT_CLOSE_ON_FREE);

	h->counts.accepted++;
	if (bev == NULL)
		return NULL; /* evhttp tries by itself, and most likely fails, too */
	bufferevent_incref(bev);
	/* evhttp also reads while it writes, for ever if it is let. */
	bufferevent_setwatermark(bev, EV_READ, 0, INPUT_MAX);
	sweep(h);
	h->held[h->open++] = (struct held){ bev, clock_mono() };
	if (h->open == HTTP_CONNS_MAX) {
		/* The next one shall find room.  Whoever asks and listens is long gone by then. */
		cut(h, 0);
		pause_accepting(h, &soon);
	}
	return bev;
}

void
http_tick(struct http *h, uint64_t now)
{
	sweep(h);
	for (unsigned i = 0; i < h->open && now - h->held[i].since >= HTTP_CONN_NS; i++)
		cut(h, i);
}

/* ---- requests ---- */

/* The host's name or number, as evhttp found it: without the port. */
static bool
is_number_or_localhost(const char *host)
{
	char six[64];
	struct in6_addr to;
	size_t len = strlen(host);

	if (strcasecmp(host, "localhost") == 0 || inet_pton(AF_INET, host, &to) == 1)
		return true;
	if (len < 2 || len - 2 >= sizeof six || host[0] != '[' || host[len - 1] != ']')
		return false;
	memcpy(six, host + 1, len - 2);
	six[len - 2] = '\0';
	return inet_pton(AF_INET6, six, &to) == 1;
}

static void
send_answer(struct evhttp_request *req, int code, const char *type, const char *text, size_t len)
{
	struct evkeyvalq *headers = evhttp_request_get_output_headers(req);
	struct bufferevent *bev = evhttp_connection_get_bufferevent(evhttp_request_get_connection(req));
	struct evbuffer *body = evbuffer_new();
	char length[24];

	snprintf(length, sizeof length, "%zu", len);
	evhttp_add_header(headers, "Content-Type", type);
	evhttp_add_header(headers, "Content-Length", length);
	evhttp_add_header(headers, "Cache-Control", "no-store");
	evhttp_add_header(headers, "X-Content-Type-Options", "nosniff");
	evhttp_add_header(headers, "Content-Security-Policy", "default-src 'none'");
	if (code == HTTP_BADMETHOD)
		evhttp_add_header(headers, "Allow", "GET, HEAD");
	/* One request is all that a connection is for, whatever its client would like; those that CONNECT evhttp would keep. */
	if (evhttp_request_get_command(req) == EVHTTP_REQ_CONNECT)
		req->type = EVHTTP_REQ_GET;
	evhttp_remove_header(evhttp_request_get_input_headers(req), "Connection");
	evhttp_remove_header(evhttp_request_get_input_headers(req), "Proxy-Connection");
	evhttp_add_header(headers, "Connection", "close");
	if (body != NULL && len > 0 && evhttp_request_get_command(req) != EVHTTP_REQ_HEAD)
		evbuffer_add(body, text, len);
	evhttp_send_reply(req, code,
	    code == MISDIRECTED	  ? "Misdirected Request"
	    : code == BAD_VERSION ? "HTTP Version Not Supported"
				  : NULL,
	    body);
	if (body != NULL)
		evbuffer_free(body);
	/* It would take the end of what the client says for the end of the client, who may have said all it has to say. */
	bufferevent_disable(bev, EV_READ);
}

static void
refuse(struct http *h, struct evhttp_request *req, int code, const char *why)
{
	h->counts.refused++;
	send_answer(req, code, "text/plain; charset=utf-8", why, strlen(why));
}

static const struct http_page *
page_at(const struct http *h, const char *path)
{
	for (const struct http_page *p = h->pages; p->path != NULL; p++)
		if (strcmp(p->path, path) == 0)
			return p;
	return NULL;
}

/* ?verbose, also among others and with a value. */
static bool
is_verbose(const char *query)
{
	static const char word[] = "verbose";

	while (query != NULL) {
		size_t len = strcspn(query, "&=");

		if (len == sizeof word - 1 && memcmp(query, word, len) == 0)
			return true;
		query = strchr(query, '&');
		query = query == NULL ? NULL : query + 1;
	}
	return false;
}

static void
say(struct http *h, struct evhttp_request *req, const struct http_page *page, bool verbose)
{
	struct http_answer a = { .code = HTTP_OK, .type = "text/plain; charset=utf-8", .text.most = ANSWER_MAX };

	page->say(h->arg, verbose, &a);
	if (a.text.broken) {
		refuse(h, req, HTTP_INTERNAL, "there is no memory for this page\n");
	} else {
		h->counts.answered++;
		send_answer(req, a.code, a.type, a.text.text, a.text.len);
	}
	strbuf_fini(&a.text);
}

static void
on_request(struct evhttp_request *req, void *arg)
{
	struct http *h = arg;
	const char *host = evhttp_request_get_host(req);
	const struct evhttp_uri *uri = evhttp_request_get_evhttp_uri(req);
	const char *path = uri == NULL ? NULL : evhttp_uri_get_path(uri);
	enum evhttp_cmd_type how = evhttp_request_get_command(req);
	const struct http_page *page;

	/* The answer begins with the version of the question. */
	if (req->major != 1 || req->minor < 0 || req->minor > 1) {
		req->major = req->minor = 1;
		refuse(h, req, BAD_VERSION, "only HTTP/1.0 and HTTP/1.1 are understood here\n");
		return;
	}
	if (how != EVHTTP_REQ_GET && how != EVHTTP_REQ_HEAD) {
		refuse(h, req, HTTP_BADMETHOD, "only GET and HEAD are understood here\n");
		return;
	}
	if (h->loopback && host != NULL && !is_number_or_localhost(host)) {
		refuse(
		    h, req, MISDIRECTED, "ask for an IP address or localhost, not for another name of this machine\n");
		return;
	}
	page = path == NULL ? NULL : page_at(h, *path == '\0' ? "/" : path);
	if (page == NULL)
		refuse(h, req, HTTP_NOTFOUND, "there is no such page; / lists them\n");
	else
		say(h, req, page, is_verbose(evhttp_uri_get_query(uri)));
}

/* ---- the whole ---- */

/* libevent has things to say about its own, which belong where all else is said. */
static void
on_libevent_says(int severity, const char *text)
{
	rend_log(severity >= EVENT_LOG_WARN ? REND_LOG_WARN : REND_LOG_DEBUG, "libevent: %s", text);
}

static int
set_up(struct http *h, int fd)
{
	struct evhttp_bound_socket *bound;

	h->evhttp = evhttp_new(h->base);
	h->retry = evtimer_new(h->base, go_on_accepting, h);
	if (h->evhttp == NULL || h->retry == NULL)
		return -1;
	evhttp_set_max_headers_size(h->evhttp, HTTP_HEADERS_MAX);
	evhttp_set_max_body_size(h->evhttp, HTTP_BODY_MAX);
	evhttp_set_timeout(h->evhttp, SILENCE_S);
	/* All of them, even those it does not know: the answer is ours. */
	evhttp_set_allowed_methods(h->evhttp, UINT16_MAX);
	evhttp_set_bevcb(h->evhttp, on_accepted, h);
	evhttp_set_gencb(h->evhttp, on_request, h);
	bound = evhttp_accept_socket_with_handle(h->evhttp, fd);
	if (bound == NULL)
		return -1;
	h->listener = evhttp_bound_socket_get_listener(bound);
	evconnlistener_set_error_cb(h->listener, on_accept_failed);
	return 0;
}

struct http *
http_new(struct event_base *base, int fd, bool loopback, const struct http_page *pages, void *arg)
{
	struct http *h = calloc(1, sizeof *h);

	if (h == NULL)
		return NULL;
	REND_ASSERT(only == NULL);
	only = h;
	h->base = base;
	h->loopback = loopback;
	h->pages = pages;
	h->arg = arg;
	event_set_log_callback(on_libevent_says);
	if (set_up(h, fd) != 0)
		http_free(&h);
	return h;
}

const struct http_counts *
http_counts(const struct http *h)
{
	return &h->counts;
}

unsigned
http_open(const struct http *h)
{
	return h->open;
}

void
http_free(struct http **hp)
{
	struct http *h = *hp;

	*hp = NULL;
	if (h == NULL)
		return;
	if (h->evhttp != NULL)
		evhttp_free(h->evhttp);
	sweep(h);
	only = NULL;
	if (h->retry != NULL)
		event_free(h->retry);
	free(h);
}
