/* The names of verbs. */
#include "rend/op.h"

static const char *const names[] = {
	[REND_GET] = "get",
	[REND_SET] = "set",
	[REND_ADD] = "add",
	[REND_REPLACE] = "replace",
	[REND_APPEND] = "append",
	[REND_PREPEND] = "prepend",
	[REND_INCR] = "incr",
	[REND_DECR] = "decr",
	[REND_DELETE] = "delete",
	[REND_TOUCH] = "touch",
	[REND_GET_TOUCH] = "get_touch",
	[REND_FLUSH_ALL] = "flush_all",
};
_Static_assert(sizeof(names) / sizeof(names[0]) == REND_VERB_COUNT, "a verb has no name");

const char *
rend_verb_name(unsigned verb)
{
	return verb < REND_VERB_COUNT ? names[verb] : "?";
}
