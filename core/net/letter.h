/*
 * What two rends say to each other when one takes over from the other (docs/upgrade.md): letters over a SOCK_SEQPACKET socket, each whole or
 * not at all, with descriptors if it has some.
 *
 *	[ magic | version | type | bytes ] [ body: numbers and strings in a fixed order ] + descriptors
 *
 * Who writes puts, who reads gets; what does not fit, or is not there, breaks the letter, and one that has more than was got is broken too.
 * Nobody believes a letter: its numbers are looked at by who gets them.  Any thread, each letter one at a time.
 */
#ifndef NET_LETTER_H
#define NET_LETTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Another meaning of anything below, or in a body, is another version. */
#define LETTER_VERSION	3
#define LETTER_BODY_MAX (48 * 1024)
#define LETTER_FDS_MAX	240 /* the kernel lets 253 go at once */
#define LETTER_TEXT_MAX 4096

enum letter_type {
	LETTER_NONE,
	/* the new one */
	LETTER_HELLO,	 /* it has read its rend.conf and loaded its plugins */
	LETTER_READY,	 /* it has bound and opened what can be beside the old one */
	LETTER_TAKEN,	 /* its stores are open, its workers turn */
	LETTER_PREPARED, /* it has every connection, and has read from none */
	LETTER_SERVING,	 /* all is its own, and it has begun */
	LETTER_FAILED,	 /* an exit code and lines about it */
	/* the old one */
	LETTER_WELCOME, /* the seed of keys, and since when it has served */
	LETTER_SOCKET,	/* one that listens, or the pid file */
	LETTER_SOCKETS, /* these were all */
	LETTER_PARCEL,	/* what a store gives */
	LETTER_YOURS,	/* what was exclusive may be opened */
	LETTER_COUNTS,	/* what had been counted */
	LETTER_CONN,	/* clients' connections, one behind the other */
	LETTER_ALL,	/* these are all for now */
	LETTER_GO,	/* serve; more connections may come, as they get what they are owed */
	LETTER_BYE,	/* there are none any more */
	LETTER_ABORT,	/* the old one serves on: why */
	LETTER_TYPES
};

struct letter {
	uint16_t type;
	bool broken;
	size_t len, at; /* bytes in the body, and of these got */
	int fds[LETTER_FDS_MAX];
	unsigned fd_count, fds_taken;
	char body[LETTER_BODY_MAX];
};

/* ---- writing ---- */

void letter_begin(struct letter *l, enum letter_type type);
void letter_put(struct letter *l, const void *p, size_t len);
void letter_put_u64(struct letter *l, uint64_t n);
void letter_put_text(struct letter *l, const char *s); /* NULL is "" */
void letter_put_fd(struct letter *l, int fd);	       /* a copy goes; it stays the caller's */

/* Sends it by then (monotonic ns).  0, or -1 and errno: EPIPE if nobody is there any more, ETIMEDOUT, EMSGSIZE if it is broken. */
int letter_send(int fd, const struct letter *l, uint64_t until);

/* A letter without a body. */
int letter_send_bare(int fd, enum letter_type type, uint64_t until);

/* ---- reading ---- */

enum letter_got {
	LETTER_HERE,
	LETTER_END,	 /* the other one is gone */
	LETTER_LATE,	 /* nothing came by then */
	LETTER_STOPPED,	 /* *stop became true */
	LETTER_BAD,	 /* it is no letter, or one of another version */
	LETTER_NO_FILES, /* there was no room for its descriptors */
};

/* Waits for one.  stop may be NULL; it is a relaxed atomic.  What is not LETTER_HERE has left nothing open. */
enum letter_got letter_receive(int fd, struct letter *l, uint64_t until, const bool *stop);
const char *letter_got_says(enum letter_got got);

const void *letter_get(struct letter *l, size_t len); /* NULL: there are not so many; it points into the letter */
uint64_t letter_get_u64(struct letter *l);
uint64_t letter_get_at_most(struct letter *l, uint64_t most); /* a larger one breaks it, and is 0 */
/* Into to[room], ending with NUL. */
void letter_get_text(struct letter *l, char *to, size_t room);
bool letter_has_more(const struct letter *l);
int letter_get_fd(struct letter *l); /* the next one, the caller's from now on; -1: there is none, and it is broken */

/* Was it whole, and is all of it got?  Closes the descriptors that were not. */
bool letter_finish(struct letter *l);

#endif
