/* memcached's text protocol: what its two halves share. */
#ifndef PROTO_TEXT_H
#define PROTO_TEXT_H

#include "proto/proto.h"

#define TEXT_BAD_LINE  "CLIENT_ERROR bad command line format\r\n"
#define TEXT_TOO_LARGE "SERVER_ERROR object too large for cache\r\n"

enum parse text_parse(struct dialog *d, const char *in, size_t len, size_t *used, struct command *cmd);
enum parse text_body_end(struct dialog *d, const char *in, size_t len, size_t *used, struct command *cmd);

/* The line is answered with a sentence, whole and static, instead of being carried out. */
enum parse text_refuse(struct command *cmd, const char *sentence);

/* A refused line's value, and what stands behind it up to a line end, must not be read as commands. */
void text_swallow_body(struct dialog *d, size_t body);

void text_reply(struct dialog *d, struct chain *out, const struct asked *asked, const struct rend_op *op);
void text_stat(struct dialog *d, struct chain *out, const struct asked *asked, const char *name, const char *value);
void text_stat_text(
    struct dialog *d, struct chain *out, const struct asked *asked, const char *name, const char *text, size_t len);
void text_stat_end(struct dialog *d, struct chain *out, const struct asked *asked, enum stats_end how);

/* The line that says how an op of this verb ended. */
void text_say(struct chain *out, unsigned verb, unsigned status);

#endif
