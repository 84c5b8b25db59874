/* The fields of a line: see field.h. */
#include "proto/field.h"

#include "proto/number.h"
#include "proto/times.h"
#include "rend/worker.h"

/* The longest value whose length memcached can still read. */
#define BODY_MAX (INT32_MAX - 2)

bool
field_key(const struct word *w, struct command *cmd)
{
	if (!word_is_key(w))
		return false;
	cmd->key = w->p;
	cmd->keylen = w->len;
	return true;
}

bool
field_exptime(const struct word *w, int64_t *exptime)
{
	int64_t given;

	if (!number_i64(w->p, w->len, &given))
		return false;
	*exptime = given == 0 ? 0 : times_exptime(given, rend_wall());
	return true;
}

bool
field_body(const struct word *w, size_t *len)
{
	int64_t given;

	if (!number_i64(w->p, w->len, &given) || given < 0 || given > BODY_MAX)
		return false;
	*len = (size_t)given;
	return true;
}

bool
field_flags(const struct word *w, uint32_t *flags)
{
	uint64_t n;

	if (!number_u64(w->p, w->len, &n) || n > UINT32_MAX)
		return false;
	*flags = (uint32_t)n;
	return true;
}
