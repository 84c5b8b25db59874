/*
 * A client's connection on its way from one process to another.  It goes when it is owed nothing; with it goes what is left of its input, of
 * which a value that is half there is a part, with the line that announced it: the new process reads that as if it had just come.
 *
 *	old worker: passage_is_open ─► departure_add ─ letters ─► new main thread: passage_read ─► new worker: passage_end
 */
#ifndef NET_PASSAGE_H
#define NET_PASSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net/letter.h"
#include "proto/proto.h"

struct conn;
struct listener_settings;
struct loop;

/* One that has left the old process, and is not at a worker of the new one yet. */
struct passenger {
	int fd;
	unsigned listener; /* the old process's number of it */
	struct dialog dialog;
	uint16_t answer_size;
	size_t in_len; /* bytes of input */
	char *in;      /* these; or NULL, and they are in file */
	int file;
};

/* Bytes of input that go while everybody waits, of all workers together: what is more follows, when others are served. */
#define PASSAGE_BYTES ((size_t)64 * 1024 * 1024)

/* Is it owed nothing, and may go?  On its worker. */
bool passage_is_open(const struct conn *c);

/* Those that leave one worker, many in a letter: a call of the kernel for each would keep all clients waiting. */
struct departure {
	int to;
	uint64_t until;			    /* monotonic ns */
	unsigned at_once;		    /* how many may go in one letter */
	size_t bytes;			    /* of input that may go yet; the last that goes may have more */
	struct conn *conns[LETTER_FDS_MAX]; /* in the letter */
	unsigned count;
	struct letter letter;
};

void departure_begin(struct departure *d, int to, uint64_t until, unsigned at_once, size_t bytes);

/* It goes with this letter or a later one; once that was sent it is marked as passed, and stays as it is.  Or it goes another time, with all its input.
 * 0, or -1 and errno.  On its worker, while that holds, as the end. */
int departure_add(struct departure *d, struct conn *c);

/* Sends what is left.  The same. */
int departure_end(struct departure *d);

/* Fills *p with the next one of a LETTER_CONN.  0, or -1: it is not to be believed, which the letter knows, and nothing of it is left open.  Any thread. */
int passage_read(struct letter *l, struct passenger *p);

/* It is this loop's connection from now on, which has been counted, or closed; p is over.  Of a long input no more is in memory than a piece, and what
 * the connection itself keeps of it.  NULL, or what it is until the turn ends: it may be gone.  On its worker. */
struct conn *passage_end(struct passenger *p, struct loop *l, const struct listener_settings *listener);

/* It goes nowhere. */
void passage_drop(struct passenger *p);

#endif
