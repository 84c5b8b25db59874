/*
 * One who asks at the control socket: a line is heard, the answer to it is said, and the connection is closed behind it.  On the main thread,
 * with CALLER_NS to ask and CALLER_NS to read, but for what it waits in between.
 */
#ifndef NET_CALLER_H
#define NET_CALLER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/list.h"
#include "base/strbuf.h"

struct event;
struct event_base;

#define CALLER_LINE_MAX	  256
#define CALLER_ANSWER_MAX (4 * 1024 * 1024)
#define CALLER_NS	  10000000000ULL

/* A line may be longer if it begins with this, which has bytes of others' in it. */
#define CALLER_LONG	"node "
#define CALLER_LONG_MAX (3 * 64 * 1024 + 1024)

/* What its answer waits for. */
enum caller_wait { CALLER_NOTHING, CALLER_RENEWAL, CALLER_COMMAND };

struct caller;

/* All who ask. */
struct callers {
	struct event_base *base;
	void (*carry_out)(struct caller *c, char *line); /* answers, or has it wait */
	void *arg;
	struct list all;
	unsigned count;
};

struct caller {
	struct callers *callers;
	struct link link;
	int fd;
	struct event *event;
	char *line;
	size_t len, room;
	struct strbuf answer;
	size_t said;
	enum caller_wait waits;
	uint64_t by; /* until when it may ask, and from its answer on, until when it may read: monotonic ns */
};

/* Begins to hear whoever is at the other end of fd, which is the caller's; without memory it is closed. */
void caller_new(struct callers *all, int fd);

/* Its answer comes later. */
void caller_wait(struct caller *c, enum caller_wait what);

/*
 * "ok", or "error" and the exit code that fits; then the text.  Behind the answer to a command, which may be long, there is its length in bytes: "ok 12",
 * "error 1 12", so that who reads it knows whether it was cut off.
 */
void caller_answer(struct caller *c, int exit_code, const char *text, size_t len);

/* The same of all who wait for that. */
void callers_answer(struct callers *all, enum caller_wait what, int exit_code, const char *text, size_t len);

/* Is there anybody who has not read all of an answer? */
bool callers_are_owed(struct callers *all);

void caller_hang_up(struct caller **cp);
void callers_hang_up(struct callers *all);

#endif
