/* memcached's binary protocol: what its two halves share. */
#ifndef PROTO_BIN_H
#define PROTO_BIN_H

#include "proto/bin_wire.h"
#include "proto/proto.h"

#define BIN_SAY_TOO_LARGE "Too large."

enum parse bin_parse(struct dialog *d, const char *in, size_t len, size_t *used, struct command *cmd);

void bin_reply(struct dialog *d, struct chain *out, const struct asked *asked, const struct rend_op *op);
void bin_stat(struct dialog *d, struct chain *out, const struct asked *asked, const char *name, const char *value);
void bin_stat_text(
    struct dialog *d, struct chain *out, const struct asked *asked, const char *name, const char *text, size_t len);
void bin_stat_end(struct dialog *d, struct chain *out, const struct asked *asked, enum stats_end how);

#endif
