/* What link.c (what goes over a connection) and link_life.c (making it and ending it) share. */
#ifndef MEMCACHED_LINK_STATE_H
#define MEMCACHED_LINK_STATE_H

#include <event2/event.h>

#include "answer.h"
#include "backoff.h"
#include "dial.h"
#include "link.h"
#include "opq.h"
#include "probe.h"
#include "recvq.h"
#include "request.h"
#include "rewrite.h"
#include "sendq.h"

#define MS 1000000ULL /* ns */

enum link_state { LINK_DOWN, LINK_CONNECTING, LINK_PROBING, LINK_UP };

/* How a connection ended. */
enum link_end {
	END_CLOSED,  /* the backend closed it */
	END_OURS,    /* we did, but another may be better */
	END_SILENT,  /* we did: nothing came for too long; max_timeouts says how often */
	END_MOVED,   /* it leads where the backend is no more */
	END_TROUBLE, /* we did, and another would be no better */
};

/* What a link keeps in an op's scratch. */
struct request {
	struct question question;
	struct rewrite *rewrite; /* NULL: it is asked as it is */
	uint64_t begins;	 /* where in the stream of bytes to the backend */
	bool again;		 /* was asked on a connection that broke */
	bool overdue;		 /* its time passed without an answer */
};

_Static_assert(sizeof(struct request) <= LINK_SCRATCH_SIZE, "LINK_SCRATCH_SIZE is too small");

struct link {
	unsigned magic;
#define LINK_MAGIC 0x1171c0deU
	struct backend *backend;
	struct event_base *base;
	enum link_state state;
	bool hope;    /* CONNECTING, PROBING: ops may wait for it */
	bool is_down; /* counted as such */
	bool moving;  /* UP: no more ops go over it; when the last is answered, it is made again */
	int fd;
	unsigned closed;	 /* how many sockets were */
	struct dial dial;	 /* CONNECTING */
	struct routes *routes;	 /* that it dials */
	struct route peer;	 /* UP: where it leads */
	unsigned routes_version; /* that peer was looked for in */
	struct event *readable, *writable, *timer;
	bool watching; /* UP: the timer is set */
	bool writing;  /* waits until the socket takes more */
	struct dialect dialect;
	uint64_t id; /* UP: no other connection of this process ever has it */
	struct opq waiting, sent;
	size_t largest;	      /* value in sendq, bytes */
	size_t waiting_bytes; /* of values */
	struct sendq sendq;
	struct recvq recvq;
	struct answer answer; /* of the first in sent, or of the probe */
	struct probe probe;
	struct token token; /* of the last request */
	unsigned timeouts;  /* in a row */
	uint64_t heard;	    /* the last byte came, or the first request after a silence went */
	uint64_t up_since;
	struct backoff backoff;
};

static inline struct request *
request_of(struct rend_op *op)
{
	return (struct request *)(void *)op->scratch;
}

/* The answer. */
static inline void
request_end(struct rend_op *op, enum rend_status status)
{
	rewrite_free(&request_of(op)->rewrite);
	rend_done(op, status);
}

/* Does it take ops?  Else they wait, or fail. */
static inline bool
link_ready(const struct link *l)
{
	return l->state == LINK_UP && !l->moving;
}

static inline bool
out_of_time(const struct rend_op *op)
{
	return op->deadline <= rend_now();
}

/* ---- link.c ---- */

/* Sends an op's request: puts it into the queue of bytes, and the op in line for its answer. */
void link_send(struct link *l, struct rend_op *op);

/* Writes what the socket takes.  false: the connection is gone. */
bool link_write(struct link *l);

/* libevent's. */
void link_readable(evutil_socket_t fd, short what, void *arg);
void link_writable(evutil_socket_t fd, short what, void *arg);

/* ---- link_life.c ---- */

/* An op waits for a connection. */
void link_wait(struct link *l, struct rend_op *op);

/* The timer of what goes on now: connecting again, probing, looking for silence. */
void link_set_timer(struct link *l, uint64_t ns);

/* The probe was answered. */
void link_up(struct link *l);

/* The connection that was up is not. */
void link_break(struct link *l, enum link_end end, const char *why);

/* Any connection, up or on the way there, is over. */
void link_fail(struct link *l, enum link_end end, const char *why);

/* Nothing goes over it any more, and its name leads elsewhere. */
void link_move(struct link *l);

/* It said what cannot be. */
void link_poison(struct link *l, const char *why);

#endif
