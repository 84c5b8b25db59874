/* The fields of a line of text: what its words say, if they say it well. */
#ifndef PROTO_FIELD_H
#define PROTO_FIELD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/command.h"
#include "proto/words.h"

/* Each of these: false, and nothing is changed, if the word is none. */
bool field_key(const struct word *w, struct command *cmd);
bool field_exptime(const struct word *w, int64_t *exptime); /* to absolute unix seconds; 0 never */
bool field_body(const struct word *w, size_t *len);	    /* how long a value is */
bool field_flags(const struct word *w, uint32_t *flags);

#endif
