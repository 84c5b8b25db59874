/*
 * memcached's meta commands: lines to commands.
 *
 *	mg k v t Oab q ──► get, want: value, exptime; answered with t, O; quiet
 *	ms k 2 ME T60  ──► add, body 2, until now + 60
 *
 * What a flag's token is, is the same in all commands (flags[]); what the flag does is the command's (struct effect).  A
 * flag that does nothing in a command is taken all the same.  Where this file looks odd, memcached 1.6 answers so.
 */
#include <string.h>

#include "proto/base64.h"
#include "proto/field.h"
#include "proto/meta.h"
#include "proto/number.h"
#include "proto/text.h"
#include "proto/times.h"
#include "rend/worker.h"

/* Words of a line, its command included. */
#define WORDS_MAX 20

/* Flags are ASCII. */
#define FLAGS	    127

#define TOO_MANY    "CLIENT_ERROR options flags are too long\r\n"
#define DUPLICATE   "CLIENT_ERROR duplicate flag\r\n"
#define INVALID	    "CLIENT_ERROR invalid flag\r\n"
#define INVALID_MA  "CLIENT_ERROR invalid or duplicate flag\r\n"
#define BAD_KEY	    "CLIENT_ERROR error decoding key\r\n"
#define BAD_TOKEN   "CLIENT_ERROR bad token in command line format\r\n"
#define BAD_INITIAL "CLIENT_ERROR invalid numeric initial value\r\n"
#define BAD_DELTA   "CLIENT_ERROR invalid numeric delta value\r\n"
#define BAD_MS_MODE "CLIENT_ERROR invalid mode for ms M token\r\n"
#define BAD_MA_MODE "CLIENT_ERROR invalid mode for ma M token\r\n"
#define LONG_OPAQUE "CLIENT_ERROR opaque token too long\r\n"

/* The M that was not given, and one without its letter. */
#define MODE_DEFAULT '\0'
#define MODE_NONE    ' '

/* What a flag means to one command. */
struct effect {
	uint8_t want, mode; /* REND_WANT_*, REND_* that it adds to the question */
	bool told;	    /* the answer repeats it */
};

/* One line on its way to a command. */
struct reading {
	struct command *cmd;
	const struct effect *effects;
	struct word key;
	uint64_t seen[2];  /* a bit for each flag */
	const char *wrong; /* the sentence for a token that cannot be read; NULL: all can */
	uint32_t flags;	   /* F */
	char mode;	   /* M */
	bool long_opaque;
	size_t last_time; /* T or N, whichever came last: its field's place in struct rend_ask */
};

/* What `b` made of a key: until this thread's next parse. */
static _Thread_local char decoded[REND_KEY_MAX];

/* ---- flags ---- */

struct flag {
	bool (*take)(
	    struct reading *r, const struct flag *f, const struct word *token); /* NULL: there is no such flag */
	size_t at;	   /* of the field that a number goes to, in struct rend_ask */
	const char *wrong; /* the sentence if it cannot be read; NULL: the mildest, which no other gives way to */
};

static bool
take_nothing(struct reading *r, const struct flag *f, const struct word *token)
{
	return true;
}

static bool
take_number(struct reading *r, const struct flag *f, const struct word *token)
{
	return number_u64(token->p, token->len, (uint64_t *)(void *)((char *)&r->cmd->ask + f->at));
}

static bool
take_time(struct reading *r, const struct flag *f, const struct word *token)
{
	r->last_time = f->at;
	return field_exptime(token, (int64_t *)(void *)((char *)&r->cmd->ask + f->at));
}

static bool
take_recache(struct reading *r, const struct flag *f, const struct word *token)
{
	int64_t given;

	if (!number_i64(token->p, token->len, &given))
		return false;
	r->cmd->ask.recache = times_delay(given, rend_wall());
	return true;
}

static bool
take_flags(struct reading *r, const struct flag *f, const struct word *token)
{
	return field_flags(token, &r->flags);
}

static bool
take_mode(struct reading *r, const struct flag *f, const struct word *token)
{
	r->mode = token->len == 0 ? MODE_NONE : *token->p;
	return true;
}

static bool
take_quiet(struct reading *r, const struct flag *f, const struct word *token)
{
	r->cmd->asked.quiet = true;
	return true;
}

static bool
take_value(struct reading *r, const struct flag *f, const struct word *token)
{
	r->cmd->asked.meta.value = true;
	return true;
}

static bool
take_opaque(struct reading *r, const struct flag *f, const struct word *token)
{
	struct meta_asked *meta = &r->cmd->asked.meta;

	r->long_opaque = token->len >= META_OPAQUE_MAX; /* memcached counts the O, too */
	if (r->long_opaque)
		return true;
	memcpy(meta->opaque, token->p, token->len);
	meta->opaque_len = (uint8_t)token->len;
	return true;
}

static bool
decode_key(const struct word *key, struct command *cmd)
{
	size_t len = base64_decode(key->p, key->len, decoded);

	if (len == 0)
		return false;
	cmd->key = decoded;
	cmd->keylen = len;
	cmd->asked.meta.base64 = true;
	return true;
}

static bool
take_base64(struct reading *r, const struct flag *f, const struct word *token)
{
	return decode_key(&r->key, r->cmd);
}

#define AT(field) offsetof(struct rend_ask, field)

static const struct flag flags[FLAGS] = {
	['C'] = { take_number, AT(cas), BAD_TOKEN },
	['D'] = { take_number, AT(delta), BAD_DELTA },
	['E'] = { take_number, AT(cas_new), BAD_TOKEN },
	['F'] = { take_flags, 0, NULL },
	['I'] = { take_nothing, 0, NULL },
	['J'] = { take_number, AT(initial), BAD_INITIAL },
	['L'] = { take_nothing, 0, NULL }, /* L and P are for proxies */
	['M'] = { take_mode, 0, NULL },
	['N'] = { take_time, AT(vivify), BAD_TOKEN },
	['O'] = { take_opaque, 0, NULL },
	['P'] = { take_nothing, 0, NULL },
	['R'] = { take_recache, 0, BAD_TOKEN },
	['T'] = { take_time, AT(exptime), BAD_TOKEN },
	['b'] = { take_base64, 0, BAD_KEY },
	['c'] = { take_nothing, 0, NULL },
	['f'] = { take_nothing, 0, NULL },
	['h'] = { take_nothing, 0, NULL },
	['k'] = { take_nothing, 0, NULL },
	['l'] = { take_nothing, 0, NULL },
	['q'] = { take_quiet, 0, NULL },
	['s'] = { take_nothing, 0, NULL },
	['t'] = { take_nothing, 0, NULL },
	['u'] = { take_nothing, 0, NULL },
	['v'] = { take_value, 0, NULL },
	['x'] = { take_nothing, 0, NULL },
};

static const struct effect of_mg[FLAGS] = {
	['C'] = { .mode = REND_IF_CAS },
	['N'] = { .mode = REND_VIVIFY },
	['O'] = { .told = true },
	['R'] = { .mode = REND_RECACHE },
	['T'] = { .mode = REND_ALSO_TOUCH },
	['c'] = { .want = REND_WANT_CAS, .told = true },
	['f'] = { .told = true },
	['h'] = { .want = REND_WANT_ACCESS, .told = true },
	['k'] = { .told = true },
	['l'] = { .want = REND_WANT_ACCESS, .told = true },
	['s'] = { .want = REND_WANT_SIZE, .told = true },
	['t'] = { .want = REND_WANT_EXPTIME, .told = true },
	['u'] = { .mode = REND_NO_BUMP },
	['v'] = { .want = REND_WANT_VALUE },
};

static const struct effect of_ms[FLAGS] = {
	['C'] = { .mode = REND_IF_CAS },
	['I'] = { .mode = REND_INVALIDATE },
	['N'] = { .mode = REND_VIVIFY },
	['O'] = { .told = true },
	['c'] = { .want = REND_WANT_CAS, .told = true },
	['k'] = { .told = true },
	['s'] = { .want = REND_WANT_SIZE, .told = true },
};

static const struct effect of_md[FLAGS] = {
	['C'] = { .mode = REND_IF_CAS },
	['I'] = { .mode = REND_INVALIDATE },
	['O'] = { .told = true },
	['T'] = { .mode = REND_ALSO_TOUCH },
	['k'] = { .told = true },
	['x'] = { .mode = REND_DROP_VALUE },
};

static const struct effect of_ma[FLAGS] = {
	['C'] = { .mode = REND_IF_CAS },
	['N'] = { .mode = REND_VIVIFY },
	['O'] = { .told = true },
	['T'] = { .mode = REND_ALSO_TOUCH },
	['c'] = { .want = REND_WANT_CAS, .told = true },
	['k'] = { .told = true },
	['t'] = { .want = REND_WANT_EXPTIME, .told = true },
};

static bool
was_given(const struct reading *r, char flag)
{
	return r->seen[(unsigned char)flag / 64] >> ((unsigned char)flag % 64) & 1;
}

/* Returns the sentence that ends the reading, or NULL. */
static const char *
read_flag(struct reading *r, const struct word *w)
{
	unsigned char c = (unsigned char)*w->p;
	const struct word token = { w->p + 1, w->len - 1, w->printable };
	const struct flag *f;
	const struct effect *e;
	struct command *cmd = r->cmd;

	if (c >= FLAGS || was_given(r, (char)c))
		return DUPLICATE;
	r->seen[c / 64] |= UINT64_C(1) << c % 64;
	f = &flags[c];
	if (f->take == NULL)
		return INVALID;
	if (!f->take(r, f, &token) && (f->wrong != NULL || r->wrong == NULL))
		r->wrong = f->wrong != NULL ? f->wrong : TEXT_BAD_LINE;
	e = &r->effects[c];
	cmd->ask.want |= e->want;
	cmd->ask.mode |= e->mode;
	if (e->told)
		cmd->asked.meta.returns[cmd->asked.meta.count++] = (char)c;
	return NULL;
}

/* All flags behind a word, which is the line's n-th.  Returns the sentence that they are refused with, or NULL. */
static const char *
read_flags(struct reading *r, const struct word *behind, unsigned n, const char *end)
{
	const char *ended = NULL;

	for (struct word w = word_next(behind, end); w.len > 0; w = word_next(&w, end)) {
		if (++n > WORDS_MAX)
			return TOO_MANY;
		if (ended == NULL)
			ended = read_flag(r, &w);
	}
	return ended != NULL ? ended : r->wrong;
}

static void
reading_begin(
    struct reading *r, const struct effect *effects, const struct word *name, const char *end, struct command *cmd)
{
	*r = (struct reading){ .cmd = cmd, .effects = effects, .key = word_next(name, end), .mode = MODE_DEFAULT };
}

/* Of a T and an N, the later one is for an item that is made on a miss. */
static void
set_vivify(const struct reading *r)
{
	struct rend_ask *ask = &r->cmd->ask;

	if ((ask->mode & REND_VIVIFY) && r->last_time == AT(exptime))
		ask->vivify = ask->exptime;
}

/* ---- commands ---- */

/* mg k flag... */
static enum parse
parse_mg(struct dialog *d, const struct word *name, const char *end, struct command *cmd)
{
	struct reading r;
	const char *wrong;

	reading_begin(&r, of_mg, name, end, cmd);
	if (!field_key(&r.key, cmd))
		return text_refuse(cmd, TEXT_BAD_LINE);
	wrong = read_flags(&r, &r.key, 2, end);
	if (wrong != NULL || r.long_opaque)
		return text_refuse(cmd, wrong != NULL ? wrong : LONG_OPAQUE);
	set_vivify(&r);
	/* Not even what is over has less left than nothing. */
	if (cmd->ask.recache == 0)
		cmd->ask.mode &= ~(uint32_t)REND_RECACHE;
	if (!d->limits->cas_enabled)
		cmd->ask.want &= ~(uint32_t)REND_WANT_CAS;
	cmd->asked.last = true;
	return PARSE_COMMAND;
}

/* How ms stores. */
static const struct storing {
	char letter;
	uint8_t verb;
	uint8_t modes; /* those that make sense with it */
} storings[] = {
	{ MODE_DEFAULT, REND_SET, REND_IF_CAS | REND_INVALIDATE },
	{ 'S', REND_SET, REND_IF_CAS | REND_INVALIDATE },
	{ 'E', REND_ADD, 0 },
	{ 'R', REND_REPLACE, REND_IF_CAS | REND_INVALIDATE },
	{ 'A', REND_APPEND, REND_IF_CAS | REND_VIVIFY },
	{ 'P', REND_PREPEND, REND_IF_CAS | REND_VIVIFY },
};

static const struct storing *
find_storing(char letter)
{
	for (size_t i = 0; i < sizeof(storings) / sizeof(storings[0]); i++)
		if (storings[i].letter == letter)
			return &storings[i];
	return NULL;
}

static void
set_storing(const struct reading *r, const struct storing *s)
{
	struct command *cmd = r->cmd;
	struct rend_ask *ask = &cmd->ask;
	bool appends = s->verb == REND_APPEND || s->verb == REND_PREPEND;

	cmd->asked.verb = s->verb;
	cmd->flags = r->flags;
	cmd->exptime = appends ? 0 : ask->exptime;
	ask->exptime = 0;
	ask->mode &= s->modes;
	if (appends && ask->cas == 0)
		ask->mode &= ~(uint32_t)REND_IF_CAS;
	if ((ask->mode & REND_IF_CAS) == 0)
		ask->mode &= ~(uint32_t)REND_INVALIDATE;
	/* A replace of one version is a cas, also on a miss. */
	else if (s->verb == REND_REPLACE)
		cmd->asked.verb = REND_SET;
}

/* Returns the sentence that the line is refused with, or NULL. */
static const char *
read_ms(struct reading *r, const struct word *len, const char *end)
{
	const struct storing *s;
	const char *wrong;

	if (!field_key(&r->key, r->cmd))
		return TEXT_BAD_LINE;
	wrong = read_flags(r, len, 3, end);
	if (wrong != NULL)
		return wrong;
	s = find_storing(r->mode);
	if (s == NULL)
		return BAD_MS_MODE;
	if (r->long_opaque)
		return LONG_OPAQUE;
	set_storing(r, s);
	return NULL;
}

/* ms k bytes flag... */
static enum parse
parse_ms(struct dialog *d, const struct word *name, const char *end, struct command *cmd)
{
	struct reading r;
	struct word len;
	const char *wrong;

	reading_begin(&r, of_ms, name, end, cmd);
	len = word_next(&r.key, end);
	if (!field_body(&len, &cmd->body))
		return text_refuse(cmd, TEXT_BAD_LINE); /* nobody can tell where its value ends */
	wrong = read_ms(&r, &len, end);
	if (wrong != NULL) {
		text_swallow_body(d, cmd->body);
		return text_refuse(cmd, wrong);
	}
	if (cmd->body > d->limits->item_size_max) {
		/* In every mode, what was there before is gone. */
		text_swallow_body(d, cmd->body);
		cmd->asked.kind = COMMAND_TOO_LARGE;
		return PARSE_COMMAND;
	}
	cmd->has_body = true;
	return PARSE_COMMAND;
}

/* md k flag... */
static enum parse
parse_md(struct dialog *d, const struct word *name, const char *end, struct command *cmd)
{
	struct reading r;
	const char *wrong;

	reading_begin(&r, of_md, name, end, cmd);
	if (!field_key(&r.key, cmd))
		return text_refuse(cmd, TEXT_BAD_LINE);
	wrong = read_flags(&r, &r.key, 2, end);
	if (wrong != NULL || r.long_opaque)
		return text_refuse(cmd, wrong != NULL ? wrong : LONG_OPAQUE);
	if (!(cmd->ask.mode & REND_INVALIDATE))
		cmd->ask.mode &= ~(uint32_t)REND_ALSO_TOUCH;
	return PARSE_COMMAND;
}

/* ma k flag... */
static enum parse
parse_ma(struct dialog *d, const struct word *name, const char *end, struct command *cmd)
{
	static const struct {
		char letter;
		uint8_t verb;
	} modes[] = { { MODE_DEFAULT, REND_INCR }, { 'I', REND_INCR }, { '+', REND_INCR }, { 'D', REND_DECR },
		{ '-', REND_DECR } };
	struct reading r;
	size_t i = 0;

	reading_begin(&r, of_ma, name, end, cmd);
	if (!field_key(&r.key, cmd))
		return text_refuse(cmd, TEXT_BAD_LINE);
	if (read_flags(&r, &r.key, 2, end) != NULL)
		return text_refuse(cmd, INVALID_MA);
	while (i < sizeof(modes) / sizeof(modes[0]) && modes[i].letter != r.mode)
		i++;
	if (i == sizeof(modes) / sizeof(modes[0]))
		return text_refuse(cmd, BAD_MA_MODE);
	if (r.long_opaque)
		return text_refuse(cmd, LONG_OPAQUE);
	cmd->asked.verb = modes[i].verb;
	set_vivify(&r);
	if (!was_given(&r, 'D'))
		cmd->ask.delta = 1;
	if (cmd->ask.cas == 0)
		cmd->ask.mode &= ~(uint32_t)REND_IF_CAS;
	return PARSE_COMMAND;
}

/* me k [b] */
static enum parse
parse_me(struct dialog *d, const struct word *name, const char *end, struct command *cmd)
{
	struct word key = word_next(name, end), flag = word_next(&key, end);

	if (!field_key(&key, cmd) || (WORD_IS(&flag, "b") && !decode_key(&key, cmd)))
		return text_refuse(cmd, TEXT_BAD_LINE);
	cmd->ask.want = REND_WANT_EXPTIME | REND_WANT_CAS | REND_WANT_SIZE | REND_WANT_ACCESS | REND_WANT_NO_WIN;
	cmd->ask.mode = REND_NO_BUMP;
	cmd->asked.meta.debug = true;
	cmd->asked.last = true;
	return PARSE_COMMAND;
}

static enum parse
parse_mn(struct dialog *d, const struct word *name, const char *end, struct command *cmd)
{
	cmd->asked.kind = COMMAND_NOOP;
	return PARSE_COMMAND;
}

enum parse
meta_parse(struct dialog *d, const struct word *name, const char *end, struct command *cmd)
{
	static enum parse (*const parsers['z' + 1])(
	    struct dialog *, const struct word *, const char *, struct command *) = {
		['a'] = parse_ma,
		['d'] = parse_md,
		['e'] = parse_me,
		['g'] = parse_mg,
		['n'] = parse_mn,
		['s'] = parse_ms,
	};

	cmd->asked.form = FORM_META;
	cmd->asked.meta.count = cmd->asked.meta.opaque_len = 0;
	cmd->asked.meta.value = cmd->asked.meta.base64 = cmd->asked.meta.debug = false;
	return parsers[(unsigned char)name->p[1]](d, name, end, cmd);
}
