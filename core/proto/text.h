/* memcached's text protocol: what its two halves share. */
#ifndef PROTO_TEXT_H
#define PROTO_TEXT_H

#include "proto/proto.h"

#define TEXT_TOO_LARGE "SERVER_ERROR object too large for cache\r\n"

enum parse text_parse(struct dialog *d, const char *in, size_t len, size_t *used, struct command *cmd);
enum parse text_body_end(struct dialog *d, const char *in, size_t len, size_t *used, struct command *cmd);

void text_reply(struct dialog *d, struct chain *out, const struct asked *asked, const struct rend_op *op);
void text_stat(struct dialog *d, struct chain *out, const struct asked *asked, const char *name, const char *value);
void text_stat_end(struct dialog *d, struct chain *out, const struct asked *asked, enum stats_end how);

#endif
