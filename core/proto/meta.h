/* memcached's meta commands: the lines of the text protocol that begin with mg, ms, md, ma, me or mn, and their answers. */
#ifndef PROTO_META_H
#define PROTO_META_H

#include "proto/proto.h"
#include "proto/words.h"

/* A line that ends at end.  name: its first word, which is one of the six. */
enum parse meta_parse(struct dialog *d, const struct word *name, const char *end, struct command *cmd);

/* The answer to a command of FORM_META. */
void meta_reply(struct chain *out, const struct asked *asked, const struct rend_op *op);

#endif
