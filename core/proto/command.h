/* One parsed request, the same for all protocols. */
#ifndef PROTO_COMMAND_H
#define PROTO_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/blank.h"
#include "rend/op.h"

enum command_kind {
	COMMAND_OP,	   /* verb on key; one per key of a multi-get */
	COMMAND_FLUSH_ALL, /* after `delay` seconds */
	COMMAND_REFUSED,   /* answered with asked.sentence */
	COMMAND_NO_MEMORY, /* there was no memory to carry it out: made by the caller, not by a parser */
	COMMAND_TOO_LARGE, /* REFUSED, once an older value under key is dropped */
	COMMAND_VERSION,
	COMMAND_VERBOSITY,
	COMMAND_NOOP,
	COMMAND_STATS, /* of args */
	COMMAND_SHUTDOWN,
	COMMAND_QUIT, /* answered by closing, when all before it is answered */
};

/* What a meta command's answer repeats. */
#define META_RETURNS_MAX 16
#define META_OPAQUE_MAX	 32
struct meta_asked {
	uint8_t count; /* of returns */
	uint8_t opaque_len;
	bool value;			/* the answer brings it: mg, ma */
	bool base64;			/* the key came so, and goes back so */
	bool debug;			/* me: all that is known of the item, in one line */
	char returns[META_RETURNS_MAX]; /* the flags that are answered, in the order in which they were asked */
	char opaque[META_OPAQUE_MAX];
};

/* What a binary request's answer repeats. */
struct bin_asked {
	uint8_t opcode;
	bool with_key;
	uint32_t opaque; /* as it lay on the wire */
};

enum asked_form { FORM_CLASSIC, FORM_META, FORM_BINARY, FORM_COUNT };

/* What a reply has to know of the command it answers.  Copied; owns nothing. */
struct asked {
	uint8_t kind;	      /* enum command_kind */
	uint8_t verb;	      /* enum rend_verb */
	bool quiet;	      /* noreply */
	bool with_cas;	      /* gets, gats */
	bool last;	      /* of a text get: END comes behind this key's answer */
	bool close;	      /* the connection ends behind this answer */
	uint8_t group;	      /* of stats: the caller's, who alone knows what groups there are */
	uint8_t form;	      /* enum asked_form: whose words answer it, and which of the two at the end is filled */
	uint16_t code;	      /* of a refused binary request: the status on the wire */
	uint16_t part;	      /* of stats: the caller's, which of a group's things */
	const char *sentence; /* static: the whole line of a refusal, with its line end; binary: its body */
	union {
		struct meta_asked meta;
		struct bin_asked bin;
	};
};

/* key and args point into the bytes that were parsed, or to what the parser decoded of them: they are valid until this
 * thread's next parse. */
struct command {
	struct asked asked;
	const char *key;
	size_t keylen;
	struct rend_ask ask;
	uint32_t flags;	 /* storing verbs */
	int64_t exptime; /* storing verbs; absolute unix seconds, 0 never */
	size_t body;	 /* storing verbs: bytes of value that follow */
	bool has_body;
	int64_t delay;	  /* flush_all: seconds; 0 now */
	const char *args; /* stats: what comes behind the word, without spaces around it */
	size_t args_len;
};

/*
 * All-zero, but for what a form fills by itself.  Field by field: for a struct of this size the compiler's own way is the
 * slowest part of a get.
 */
static inline void
command_clear(struct command *cmd)
{
	cmd->asked.kind = cmd->asked.verb = cmd->asked.group = cmd->asked.form = 0;
	cmd->asked.quiet = cmd->asked.with_cas = cmd->asked.last = cmd->asked.close = false;
	cmd->asked.code = 0;
	cmd->asked.sentence = NULL;
	BLANK(cmd->ask);
	cmd->key = cmd->args = NULL;
	cmd->keylen = cmd->args_len = cmd->body = 0;
	cmd->flags = 0;
	cmd->exptime = cmd->delay = 0;
	cmd->has_body = false;
}

#endif
