/* The flags of a meta answer: one function for each that we read. */
#include "flags.h"

/* Which flags of an answer came. */
struct came {
	bool opaque, flags;
};

static const char *
flag_opaque(struct answer *a, struct word w, const struct question *asked, int64_t wall, struct came *came)
{
	uint64_t n;

	if (!word_number(w, UINT32_MAX, &n) || n != asked->token)
		return "the opaque is of another request";
	came->opaque = true;
	return NULL;
}

static const char *
flag_flags(struct answer *a, struct word w, const struct question *asked, int64_t wall, struct came *came)
{
	uint64_t n;

	if (!word_number(w, UINT32_MAX, &n))
		return "the client flags are no number of 32 bits";
	a->item.flags = (uint32_t)n;
	came->flags = true;
	return NULL;
}

static const char *
flag_cas(struct answer *a, struct word w, const struct question *asked, int64_t wall, struct came *came)
{
	if (!word_number(w, UINT64_MAX, &a->item.cas))
		return "the cas is no number";
	a->item.have |= REND_WANT_CAS;
	return NULL;
}

static const char *
flag_ttl(struct answer *a, struct word w, const struct question *asked, int64_t wall, struct came *came)
{
	uint64_t n;

	a->item.have |= REND_WANT_EXPTIME;
	if (WORD_IS(w, "-1")) {
		a->item.exptime = 0;
		return NULL;
	}
	if (!word_number(w, UINT32_MAX, &n))
		return "the time to live is no number";
	/* memcached says -1 second for an item that is over, but as a number without a sign. */
	a->item.exptime = wall + (int32_t)(uint32_t)n;
	return NULL;
}

static const char *
flag_size(struct answer *a, struct word w, const struct question *asked, int64_t wall, struct came *came)
{
	if (!word_number(w, UINT32_MAX, &a->item.size))
		return "the size is no number";
	a->item.have |= REND_WANT_SIZE;
	return NULL;
}

static const char *
flag_last_access(struct answer *a, struct word w, const struct question *asked, int64_t wall, struct came *came)
{
	uint64_t n;

	if (!word_number(w, INT64_MAX, &n))
		return "the time of the last access is no number";
	a->item.last_access = (int64_t)n;
	a->item.have |= REND_WANT_ACCESS;
	return NULL;
}

static const char *
flag_hit_before(struct answer *a, struct word w, const struct question *asked, int64_t wall, struct came *came)
{
	a->item.signs |= WORD_IS(w, "1") ? REND_HIT_BEFORE : 0;
	return NULL;
}

static const char *
flag_won(struct answer *a, struct word w, const struct question *asked, int64_t wall, struct came *came)
{
	a->item.signs |= REND_WON;
	return NULL;
}

static const char *
flag_sent(struct answer *a, struct word w, const struct question *asked, int64_t wall, struct came *came)
{
	a->item.signs |= REND_SENT;
	return NULL;
}

static const char *
flag_stale(struct answer *a, struct word w, const struct question *asked, int64_t wall, struct came *came)
{
	a->item.signs |= REND_STALE;
	return NULL;
}

typedef const char *flag_f(
    struct answer *a, struct word w, const struct question *asked, int64_t wall, struct came *came);

/* What we read of an answer; other flags are left alone. */
static flag_f *const flags[128] = {
	['O'] = flag_opaque,
	['f'] = flag_flags,
	['c'] = flag_cas,
	['t'] = flag_ttl,
	['s'] = flag_size,
	['l'] = flag_last_access,
	['h'] = flag_hit_before,
	['W'] = flag_won,
	['Z'] = flag_sent,
	['X'] = flag_stale,
};

const char *
flags_read(struct answer *a, struct line *l, const struct question *asked, int64_t wall)
{
	struct came came = { false, false };

	while (l->p < l->end) {
		struct word w = line_word(l);
		unsigned letter = w.len == 0 ? 0 : (unsigned char)w.p[0];
		const char *why = NULL;

		if (w.len == 0)
			continue;
		if (letter >= 128 || letter <= ' ')
			return "a flag is no letter";
		if (flags[letter] != NULL)
			why = flags[letter](a, (struct word){ w.p + 1, w.len - 1 }, asked, wall, &came);
		if (why != NULL)
			return why;
	}
	if (!came.opaque)
		return "the opaque is missing";
	if (a->hit && asked->form == FORM_MG && !came.flags)
		return "the client flags are missing";
	return NULL;
}
