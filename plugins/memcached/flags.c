/* The flags of a meta answer: one function for each that we read. */
#include "flags.h"

/* Which flags of an answer came. */
struct came {
	bool opaque, flags;
};

static const char *
flag_cas(struct answer *a, struct word w, int64_t wall)
{
	if (!word_number(w, UINT64_MAX, &a->item.cas))
		return "the cas is no number";
	a->item.have |= REND_WANT_CAS;
	return NULL;
}

static const char *
flag_ttl(struct answer *a, struct word w, int64_t wall)
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
flag_size(struct answer *a, struct word w, int64_t wall)
{
	if (!word_number(w, UINT32_MAX, &a->item.size))
		return "the size is no number";
	a->item.have |= REND_WANT_SIZE;
	return NULL;
}

static const char *
flag_last_access(struct answer *a, struct word w, int64_t wall)
{
	uint64_t n;

	if (!word_number(w, INT64_MAX, &n))
		return "the time of the last access is no number";
	a->item.last_access = (int64_t)n;
	a->item.have |= REND_WANT_ACCESS;
	return NULL;
}

static const char *
flag_hit_before(struct answer *a, struct word w, int64_t wall)
{
	a->item.signs |= WORD_IS(w, "1") ? REND_HIT_BEFORE : 0;
	return NULL;
}

static const char *
flag_won(struct answer *a, struct word w, int64_t wall)
{
	a->item.signs |= REND_WON;
	return NULL;
}

static const char *
flag_sent(struct answer *a, struct word w, int64_t wall)
{
	a->item.signs |= REND_SENT;
	return NULL;
}

static const char *
flag_stale(struct answer *a, struct word w, int64_t wall)
{
	a->item.signs |= REND_STALE;
	return NULL;
}

typedef const char *flag_f(struct answer *a, struct word w, int64_t wall);

/* What we read of an answer beside those that are always there; other flags are left alone. */
static flag_f *const flags[128] = {
	['c'] = flag_cas,
	['t'] = flag_ttl,
	['s'] = flag_size,
	['l'] = flag_last_access,
	['h'] = flag_hit_before,
	['W'] = flag_won,
	['Z'] = flag_sent,
	['X'] = flag_stale,
};

/* Those that are always there are read where they stand: the opaque, and a hit's client flags. */
static const char *
read_opaque(struct line *l, const struct question *asked, struct came *came)
{
	struct word w = line_word(l);

	if (!word_is(w, asked->token.digits, TOKEN_LEN))
		return "the opaque is of another request";
	came->opaque = true;
	return NULL;
}

static const char *
read_client_flags(struct answer *a, struct line *l, struct came *came)
{
	uint64_t n;

	if (!line_number(l, UINT32_MAX, &n))
		return "the client flags are no number of 32 bits";
	a->item.flags = (uint32_t)n;
	came->flags = true;
	return NULL;
}

static const char *
read_other(struct answer *a, struct line *l, int64_t wall)
{
	struct word w = line_word(l);
	unsigned letter = (unsigned char)w.p[0];

	if (letter >= 128 || letter <= ' ')
		return "a flag is no letter";
	return flags[letter] == NULL ? NULL : flags[letter](a, (struct word){ w.p + 1, w.len - 1 }, wall);
}

const char *
flags_read(struct answer *a, struct line *l, const struct question *asked, int64_t wall)
{
	struct came came = { false, false };
	const char *why = NULL;

	while (l->p < l->end && why == NULL)
		switch (*l->p) {
		case ' ':
			l->p++;
			break;
		case 'O':
			l->p++;
			why = read_opaque(l, asked, &came);
			break;
		case 'f':
			l->p++;
			why = read_client_flags(a, l, &came);
			break;
		default:
			why = read_other(a, l, wall);
		}
	if (why != NULL)
		return why;
	if (!came.opaque)
		return "the opaque is missing";
	if (a->hit && asked->form == FORM_MG && !came.flags)
		return "the client flags are missing";
	return NULL;
}
