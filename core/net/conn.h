/* A client's connection: bytes to commands to ops, and their answers back, on one worker for life. */
#ifndef NET_CONN_H
#define NET_CONN_H

#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdbool.h>

#include "base/chain.h"
#include "base/list.h"
#include "net/answers.h"
#include "net/body.h"
#include "net/loop.h"
#include "net/settings.h"
#include "proto/proto.h"

/* Bytes in which the size of answers is remembered. */
#define ANSWER_UNIT 4096

/* Bytes that wait to be written to a client, from which on it is not read from. */
#define OUT_BYTES_MAX (256 * 1024)

struct conn {
	unsigned magic;
#define CONN_MAGIC 0xc0221ec7U
	int fd;
	uint8_t waits : 3;    /* EV_READ, EV_WRITE: what its event is armed for */
	bool ended : 1;	      /* the client says no more */
	bool deaf : 1;	      /* it has said quit: what follows is not heard */
	bool paused : 1;      /* it is owed too much to be read from */
	bool finishing : 1;   /* we listen no more: close when what is owed is written */
	bool gone : 1;	      /* the socket is closed; ops are still out */
	bool blocked : 1;     /* the kernel takes no more bytes now */
	bool in_stalled : 1;  /* patience is in loop.stalled, not loop.idle */
	bool owes_old : 1;    /* what it is owed may lie in a store of an earlier generation: see swap.h */
	bool passed : 1;      /* another process has a copy of it, and may go on with it: see passage.h */
	bool progressed : 1;  /* a command was carried out, or a fair part of one came, since the last look */
	uint16_t answer_size; /* what an answer may bring, in ANSWER_UNITs: by those it got lately */
	uint16_t swallowed;   /* bytes of refused values that came since the last look */
	uint16_t tallies;     /* where those of its listener begin in loop.tallies: one for each form */
	uint32_t seat;	      /* in loop.roster */
	uint32_t heard;	      /* when its last command came: monotonic s */
	struct loop *loop;
	const struct listener_settings *listener;
	const struct rend_node *policy; /* who is asked: its listener's, of the newest generation */
	struct event event;
	struct dialog dialog;
	struct answers answers;
	struct chain out;
	char *in; /* what is left of the input, when a command is half there or has to wait; owned */
	uint32_t in_len, in_room;
	struct body *body;    /* a value on its way */
	uint64_t since;	      /* when it stalled, or was last heard of: monotonic ns */
	struct link listed;   /* loop.conns */
	struct link runnable; /* loop.runnable, or loop.held */
	struct link dirty;    /* loop.dirty */
	struct link patience; /* loop.stalled or loop.idle */
};

/* Takes over a connected, non-blocking socket.  -1: no memory; fd is closed. */
int conn_new(struct loop *l, int fd, const struct listener_settings *listener);

/* The same, of one that comes from another process, with what its dialog remembers and what it has said (owned from now on).  It, or NULL. */
struct conn *conn_resume(struct loop *l, int fd, const struct listener_settings *listener, const struct dialog *before,
    uint16_t answer_size, char *in, size_t in_len);

/* It had said this, too: goes on with it at once, and keeps no more than what has to wait. */
void conn_hear(struct conn *c, const char *p, size_t len);

/* It goes on in another process: is forgotten here, without a word to the client. */
void conn_leave(struct conn *c);

/* Is it owed so much that it is not to be read from?  The second for one that is owed something. */
bool conn_weigh(struct conn *c);
static inline bool
conn_owes_too_much(struct conn *c)
{
	return (c->paused || c->answers.count > 0 || c->out.len >= OUT_BYTES_MAX) && conn_weigh(c);
}

/* Could so many answers more be owed to it, as large as those it got lately, and it still be read from? */
bool conn_has_room_for(const struct conn *c, unsigned answers);

/* It goes on next turn, with what it has kept of its input. */
void conn_mark_runnable(struct conn *c);

/* Goes on with a connection whose turn it is again. */
void conn_run_again(struct conn *c);

/* Writes what is owed, at the end of a turn, and closes what is through. */
void conn_write(struct conn *c);

/* An answer has come: there is something to write, and maybe room for more questions. */
void conn_answered(struct conn *c);

/* No more is read; it closes when what is owed is written. */
void conn_finish(struct conn *c);

/* Closes the socket now.  What is owed is thrown away as it comes. */
void conn_close(struct conn *c);

/* Reads what has arrived, answers it, and closes at the next moment when nothing is half there. */
void conn_drain(struct conn *c);

/* Frees one that is gone and is owed nothing; at the end of a turn. */
void conn_free(struct conn **cp);

#endif
