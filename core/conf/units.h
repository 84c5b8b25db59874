/* Numbers as people write them: "64MiB", "1.5s", 12; and ranges of them, "1KiB..64MiB". */
#ifndef CONF_UNITS_H
#define CONF_UNITS_H

#include <stdint.h>

#include "base/error.h"
#include "rend/plugin.h"

/*
 * One number of a type (REND_INT, REND_SIZE, REND_DURATION) in the unit the type counts in: bytes, ns.  Sizes and
 * durations are not negative and at most INT64_MAX.  0, or -1 and what is wrong with it.
 */
int units_parse(enum rend_option_type type, const char *text, int64_t *value, struct rend_error *err);

/*
 * Is value in a range of that type: "1..64", "1KiB..", "..1h"; NULL: anything is.  0, or -1 and a sentence; EX_SOFTWARE
 * if it is the range that cannot be read.
 */
int units_check(enum rend_option_type type, const char *range, int64_t value, struct rend_error *err);

#endif
