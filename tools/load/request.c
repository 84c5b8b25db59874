/* One request: see request.h. */
#include "request.h"

#include <string.h>

#include "proto/number.h"

static const char *const verbs[VERB_COUNT] = {
	[VERB_GET] = "get",
	[VERB_GETS] = "gets",
	[VERB_GAT] = "gat",
	[VERB_GATS] = "gats",
	[VERB_GETE] = "gete",
	[VERB_SET] = "set",
	[VERB_ADD] = "add",
	[VERB_REPLACE] = "replace",
	[VERB_APPEND] = "append",
	[VERB_PREPEND] = "prepend",
	[VERB_CAS] = "cas",
	[VERB_DELETE] = "delete",
	[VERB_INCR] = "incr",
	[VERB_DECR] = "decr",
	[VERB_TOUCH] = "touch",
	[VERB_VERSION] = "version",
	[VERB_NOOP] = "noop",
	[VERB_FLUSH] = "flush_all",
};

static const char *const outcomes[OUTCOME_COUNT] = {
	[OUTCOME_OK] = "ok",
	[OUTCOME_MISS] = "a miss",
	[OUTCOME_NOT_STORED] = "not stored",
	[OUTCOME_EXISTS] = "another version exists",
	[OUTCOME_TOO_LARGE] = "too large",
	[OUTCOME_NOT_A_NUMBER] = "not a number",
	[OUTCOME_ERROR] = "an error",
};

const char *
verb_name(enum verb v)
{
	return verbs[v];
}

enum verb
verb_find(const char *name, size_t len)
{
	enum verb v;

	for (v = 0; v < VERB_COUNT; v++)
		if (strlen(verbs[v]) == len && memcmp(verbs[v], name, len) == 0)
			break;
	return v;
}

const char *
outcome_name(enum outcome o)
{
	return outcomes[o];
}

uint32_t
request_size(const struct request *r)
{
	char digits[NUMBER_MAX];

	return r->key & KEYS_NUMBER ? (uint32_t)number_print(digits, r->number) : r->piece[0].len;
}

char *
request_value(const struct request *r, const struct keys *k, char *to)
{
	struct stamp s = { .key = r->key, .len = r->piece[0].len, .version = r->piece[0].version };

	return r->key & KEYS_NUMBER ? to + number_print(to, r->number) : stamp_write(k, &s, to);
}
