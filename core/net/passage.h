/*
 * A client's connection on its way from one process to another.  It goes when it is owed nothing; with it goes what is left of its input, of
 * which a value that is half there is a part, with the line that announced it: the new process reads that as if it had just come.
 *
 *	old worker: passage_is_open ─► passage_send ─ letter ─► new main thread: passage_read ─► new worker: passage_end
 */
#ifndef NET_PASSAGE_H
#define NET_PASSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/proto.h"

struct conn;
struct letter;
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

/* Is it owed nothing, and may go?  On its worker. */
bool passage_is_open(const struct conn *c);

/* Sends it by then; it stays as it is.  0, or -1 and errno.  On its worker, while that holds. */
int passage_send(const struct conn *c, int to, uint64_t until);

/* Fills *p from a LETTER_CONN.  0, or -1: it is not to be believed, and nothing is left open.  Any thread. */
int passage_read(struct letter *l, struct passenger *p);

/* It is this loop's connection from now on, which has been counted, or closed; p is over.  On its worker. */
void passage_end(struct passenger *p, struct loop *l, const struct listener_settings *listener);

/* It goes nowhere. */
void passage_drop(struct passenger *p);

#endif
