/*
 * Bytes to commands, answers to bytes.  No I/O, no threads: whoever has the socket feeds a dialog and sends what it says.
 *
 *	            dialog_parse()                    engine
 *	bytes in ─────────────────► struct command ────────────► status, item
 *	bytes out ◄───────────────────────────────────────────── dialog_reply()
 */
#ifndef PROTO_PROTO_H
#define PROTO_PROTO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/chain.h"
#include "proto/command.h"

/* Bounds, the same for all connections of a server. */
struct proto_limits {
	size_t item_size_max; /* bytes of value */
	size_t line_max;      /* of any line but a get's: then the connection closes */
	size_t get_line_max;  /* of a get's line: then the connection closes */
	bool flush_enabled, shutdown_enabled, cas_enabled;
};

/* memcached's own numbers, 1 MiB values, and a bound of 1 MiB + 64 KiB for a line of keys. */
extern const struct proto_limits proto_limits_default;

enum parse {
	PARSE_MORE,    /* a whole command is not there yet; *used bytes are dealt with */
	PARSE_COMMAND, /* *cmd is one; *used bytes belong to it */
	PARSE_CLOSE,   /* nothing more can be said to this client; close when what is owed is sent */
};

struct dialog;

/* How a stats command ends: behind its lines, or without any. */
enum stats_end {
	STATS_END,
	STATS_RESET, /* the counts begin anew */
	STATS_OK,    /* it is switched */
	STATS_SAID,  /* its text had an end of its own */
	/* refusals from here on */
	STATS_UNKNOWN,	    /* there is no such group */
	STATS_DETAIL_USAGE, /* stats detail, but what? */
	STATS_NO_CACHEDUMP,
};

/* What a protocol can. */
struct protocol {
	const char *name;
	enum parse (*parse)(struct dialog *d, const char *in, size_t len, size_t *used, struct command *cmd);
	/* NULL: a body ends with its last byte. */
	enum parse (*body_end)(struct dialog *d, const char *in, size_t len, size_t *used, struct command *cmd);
	void (*reply)(struct dialog *d, struct chain *out, const struct asked *asked, const struct rend_op *op);
	void (*stat)(
	    struct dialog *d, struct chain *out, const struct asked *asked, const char *name, const char *value);
	void (*stat_text)(struct dialog *d, struct chain *out, const struct asked *asked, const char *name,
	    const char *text, size_t len);
	void (*stat_end)(struct dialog *d, struct chain *out, const struct asked *asked, enum stats_end how);
};

enum dialog_only { DIALOG_ANY, DIALOG_TEXT, DIALOG_BINARY };

/* What one connection's protocol has to remember.  All-zero but for limits is the beginning. */
struct dialog {
	const struct protocol *protocol; /* NULL: nothing has been said yet */
	const struct proto_limits *limits;
	/* parsing */
	uint32_t scanned;  /* bytes at the beginning of what comes next that hold no line end: not looked at again */
	uint32_t swallow;  /* bytes of a refused value still to be dropped */
	bool swallow_line; /* then everything up to a line end */
	uint8_t only;	   /* enum dialog_only: what the first byte may say */
	bool in_keys;	   /* the line was checked; the next byte belongs to its keys */
	uint8_t failed;	   /* replying: the status of a key that failed, of the get being answered */
	struct {
		int64_t exptime;
		uint16_t want, mode;
		bool with_cas;
	} get; /* in_keys: what each key is asked */
};

/*
 * Looks at len bytes.  PARSE_COMMAND: *cmd is filled; with has_body the caller takes cmd->body bytes from behind *used
 * and then calls dialog_body_end() before the next parse.  Needs no more memory for a claim: nothing is kept here but
 * counters.
 */
enum parse dialog_parse(struct dialog *d, const char *in, size_t len, size_t *used, struct command *cmd);

/*
 * What follows a body, asked as soon as its last byte is there.  PARSE_COMMAND: the body was well ended, *cmd (the command that had it) may be carried out, or,
 * if cmd's kind is now COMMAND_REFUSED, is to be answered so and its body dropped.
 */
enum parse dialog_body_end(struct dialog *d, const char *in, size_t len, size_t *used, struct command *cmd);

/*
 * Appends the answer to a command.  op: its op, finished (key, ask, status, item are read); NULL for the kinds without one.
 * Answers must be given in the order of the commands.
 */
void dialog_reply(struct dialog *d, struct chain *out, const struct asked *asked, const struct rend_op *op);

/* One line of stats, and its end. */
void dialog_stat(struct dialog *d, struct chain *out, const struct asked *asked, const char *name, const char *value);

/* Whole lines that are no STAT lines, with their line ends; where lines are packets, they are one packet's value. */
void dialog_stat_text(
    struct dialog *d, struct chain *out, const struct asked *asked, const char *name, const char *text, size_t len);
void dialog_stat_end(struct dialog *d, struct chain *out, const struct asked *asked, enum stats_end how);

extern const struct protocol text_protocol, binary_protocol;

/* Clients read a memcached's version from it, and libmemcached takes a 0 in front for an error. */
#define PROTO_VERSION "1.6.18-rend-" PACKAGE_VERSION

#endif
