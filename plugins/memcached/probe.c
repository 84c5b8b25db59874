/* What a new connection is asked first. */
#include "probe.h"

#include <string.h>

#include "rend/check.h"

/* memcached's versions, as answer.version has them. */
#define META_SINCE 10613

int
probe_put(struct probe *p, struct sendq *q)
{
	/*
	 * A miss that brings its opaque back: memcached can since 1.6.13, which is also when all else we use was there.  The same with
	 * E: since 1.6.27; before, that is an invalid flag.  What others call themselves says nothing of it: another rend is a 1.6.18.
	 */
	static const char line[] = "mg rend:probe f O1001\r\nmg rend:probe E1 f O1002\r\nversion\r\n";
	char *to = sendq_begin(q, sizeof line, 0);

	if (to == NULL)
		return -1;
	memcpy(to, line, sizeof line - 1);
	sendq_wrote(q, sizeof line - 1);
	*p = (struct probe){
		.asked = { { .form = FORM_MG, .verb = REND_GET, .token = { "1001" } },
		    { .form = FORM_MG, .verb = REND_GET, .token = { "1002" } }, { .form = FORM_VERSION } },
	};
	return 0;
}

const struct question *
probe_next(const struct probe *p)
{
	REND_ASSERT(p->answered < PROBE_QUESTIONS);
	return &p->asked[p->answered];
}

bool
probe_answered(struct probe *p, const struct answer *a)
{
	if (p->answered == 0)
		p->meta = a->meta;
	if (p->answered == 1)
		p->sets_cas = a->meta;
	p->version = a->version;
	return ++p->answered == PROBE_QUESTIONS;
}

struct dialect
probe_dialect(const struct probe *p)
{
	/* A version that is no memcached's says nothing; the miss has shown what it can. */
	bool meta = p->meta && (p->version == 0 || p->version >= META_SINCE);

	return (struct dialect){ .meta = meta, .sets_cas = meta && p->sets_cas };
}
