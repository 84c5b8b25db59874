/*
 * memcached's text protocol: bytes to commands.
 *
 *	get k1 k2\r\n ──► the whole line is checked ──► [get k1] ──► [get k2, last]     one per call
 *	set k 0 0 5\r\n ──► [set k, body 5] ──► (5 bytes, the caller's) ──► text_body_end
 *	set k x 0 5\r\n ──► [refused], and 5 bytes and a line end are swallowed by the next call
 *
 * Where this file looks odd, memcached 1.6 answers so.
 */
#include <string.h>

#include "proto/field.h"
#include "proto/meta.h"
#include "proto/number.h"
#include "proto/text.h"
#include "proto/times.h"
#include "proto/words.h"
#include "rend/worker.h"

/* More words than any command but a get has, so that one too many can be counted. */
#define WORDS_MAX 8

/* memcached looks no further for the command when a line grows long. */
#define LEADING_SPACES_MAX 100

#define BAD_LINE	   TEXT_BAD_LINE
#define BAD_CHUNK	   "CLIENT_ERROR bad data chunk\r\n"
#define BAD_DELETE	   "CLIENT_ERROR bad command line format.  Usage: delete <key> [noreply]\r\n"
#define BAD_EXPTIME	   "CLIENT_ERROR invalid exptime argument\r\n"
#define BAD_DELTA	   "CLIENT_ERROR invalid numeric delta argument\r\n"
#define TOO_LONG	   "CLIENT_ERROR line too long\r\n"
#define NO_FLUSH	   "CLIENT_ERROR flush_all not allowed\r\n"
#define NO_SHUTDOWN	   "SERVER_ERROR: shutdown not enabled\r\n"
#define BAD_MODE	   "CLIENT_ERROR invalid shutdown mode\r\n"
#define UNKNOWN		   "ERROR\r\n"

struct line {
	const char *in;	  /* where the caller's bytes begin */
	const char *end;  /* of the words */
	const char *next; /* behind the line end */
	unsigned count;	  /* of words; WORDS_MAX: that many, or more */
	struct word words[WORDS_MAX];
};

struct text_command {
	const char *name;
	size_t len;
	/* Takes over when the number of words is right; words[0] is the command. */
	enum parse (*parse)(struct dialog *d, const struct text_command *t, struct line *l, struct command *cmd);
	uint8_t least,
	    most; /* words, the command included; most is 0 if it does not count them: then only words[0] is filled */
	uint8_t noreply; /* the first word that may be it; 0: none may */
	uint8_t verb;
	uint8_t with; /* CAS, TOUCH */
};

enum {
	CAS = 1 << 0,	/* gets, gats: tell it; cas: compare it */
	TOUCH = 1 << 1, /* gat, gats */
};

enum parse
text_refuse(struct command *cmd, const char *sentence)
{
	cmd->asked.kind = COMMAND_REFUSED;
	cmd->asked.sentence = sentence;
	return PARSE_COMMAND;
}

static void
line_split(struct line *l)
{
	while (l->count < WORDS_MAX) {
		struct word w = word_next(&l->words[l->count - 1], l->end);

		if (w.len == 0)
			return;
		l->words[l->count++] = w;
	}
}

/* ---- storing ---- */

void
text_swallow_body(struct dialog *d, size_t body)
{
	d->swallow = (uint32_t)body;
	d->swallow_line = true;
}

/* A refused line's value must not be read as commands; if its length cannot be read, nobody can tell where it ends. */
static void
swallow_body_of(struct dialog *d, const struct line *l)
{
	size_t body;

	if (l->count > 4 && field_body(&l->words[4], &body))
		text_swallow_body(d, body);
}

static enum parse
store_too_large(struct dialog *d, struct command *cmd)
{
	text_swallow_body(d, cmd->body);
	/* Only a set promises that what was there before is gone. */
	if (cmd->asked.verb == REND_SET && !(cmd->ask.mode & REND_IF_CAS)) {
		cmd->asked.kind = COMMAND_TOO_LARGE;
		return PARSE_COMMAND;
	}
	return text_refuse(cmd, TEXT_TOO_LARGE);
}

/* set k flags exptime bytes [noreply]; cas k flags exptime bytes unique [noreply] */
static enum parse
parse_store(struct dialog *d, const struct text_command *t, struct line *l, struct command *cmd)
{
	const struct word *w = l->words;

	if (!field_key(&w[1], cmd) || !field_flags(&w[2], &cmd->flags) || !field_exptime(&w[3], &cmd->exptime) ||
	    !field_body(&w[4], &cmd->body) || ((t->with & CAS) && !number_u64(w[5].p, w[5].len, &cmd->ask.cas))) {
		swallow_body_of(d, l);
		return text_refuse(cmd, BAD_LINE);
	}
	if (t->with & CAS)
		cmd->ask.mode = REND_IF_CAS;
	if (cmd->body > d->limits->item_size_max)
		return store_too_large(d, cmd);
	cmd->has_body = true;
	return PARSE_COMMAND;
}

enum parse
text_body_end(struct dialog *d, const char *in, size_t len, size_t *used, struct command *cmd)
{
	if (len == 1 && *in == '\r')
		return PARSE_MORE;
	if (len >= 2 && in[0] == '\r' && in[1] == '\n') {
		*used = 2;
		return PARSE_COMMAND;
	}
	d->swallow_line = true;
	return text_refuse(cmd, BAD_CHUNK);
}

/* ---- reading ---- */

/* Is it a get's line?  len is more than line_max, so that all of the word is there. */
static bool
begins_get(const char *in, size_t len)
{
	static const struct {
		const char *p;
		size_t len;
	} words[] = { { "get ", 4 }, { "gets ", 5 }, { "gat ", 4 }, { "gats ", 5 } };
	size_t skip = 0;

	while (skip < len && skip <= LEADING_SPACES_MAX && in[skip] == ' ')
		skip++;
	if (skip > LEADING_SPACES_MAX)
		return false;
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (len - skip >= words[i].len && memcmp(in + skip, words[i].p, words[i].len) == 0)
			return true;
	return false;
}

/* get k...; gat exptime k...  The first key is answered with, the others wait in the input. */
static enum parse
parse_get(struct dialog *d, const struct text_command *t, struct line *l, struct command *cmd)
{
	struct word exptime = l->words[0], key, second;

	if (t->with & TOUCH)
		exptime = word_next(&exptime, l->end);
	key = word_next(&exptime, l->end);
	if (key.len == 0)
		return text_refuse(cmd, BAD_LINE);
	if ((t->with & TOUCH) && !field_exptime(&exptime, &cmd->ask.exptime))
		return text_refuse(cmd, BAD_EXPTIME);
	second = word_next(&key, l->end);
	if (!field_key(&key, cmd) || !words_are_keys(second.p, l->end))
		return text_refuse(cmd, BAD_LINE);
	cmd->ask.mode = t->with & TOUCH ? REND_ALSO_TOUCH : 0;
	cmd->ask.want = REND_WANT_VALUE | REND_WANT_NO_WIN |
			((t->with & CAS) && d->limits->cas_enabled ? REND_WANT_CAS : 0);
	cmd->asked.with_cas = t->with & CAS;
	cmd->asked.last = second.len == 0;
	if (!cmd->asked.last) {
		d->in_keys = true;
		d->get.exptime = cmd->ask.exptime;
		d->get.want = (uint16_t)cmd->ask.want;
		d->get.mode = (uint16_t)cmd->ask.mode;
		d->get.with_cas = cmd->asked.with_cas;
		l->next = second.p;
	}
	return PARSE_COMMAND;
}

/*
 * What is said most, get and one key, is read in one go instead of line, words and keys after each other.  false: it is not that, or not all
 * there, and has to be read as anything else.
 */
static bool
parse_plain_get(const char *in, size_t len, size_t *used, struct command *cmd)
{
	const char *key = in + 4, *end;
	size_t most = 4 + REND_KEY_MAX + 2;

	if (len < 4 || memcmp(in, "get ", 4) != 0)
		return false;
	end = word_printable(key, in + (len < most ? len : most));
	if (end == key || end - key > REND_KEY_MAX || in + len - end < 2 || end[0] != '\r' || end[1] != '\n')
		return false;
	command_clear(cmd);
	cmd->asked.kind = COMMAND_OP;
	cmd->asked.verb = REND_GET;
	cmd->asked.last = true;
	cmd->ask.want = REND_WANT_VALUE | REND_WANT_NO_WIN;
	cmd->key = key;
	cmd->keylen = (size_t)(end - key);
	*used = (size_t)(end + 2 - in);
	return true;
}

/* The next key of a line that was found good when its first key was: control characters are its end. */
static enum parse
next_key(struct dialog *d, const char *in, size_t len, size_t *used, struct command *cmd)
{
	size_t keylen = (size_t)(word_printable(in, in + len) - in), at = keylen;

	while (at < len && in[at] == ' ')
		at++;
	if (at < len && in[at] == '\r')
		at++;
	if (at == len)
		return PARSE_MORE;
	command_clear(cmd);
	cmd->asked.kind = COMMAND_OP;
	cmd->asked.verb = REND_GET;
	cmd->asked.with_cas = d->get.with_cas;
	cmd->ask.exptime = d->get.exptime;
	cmd->ask.want = d->get.want;
	cmd->ask.mode = d->get.mode;
	cmd->key = in;
	cmd->keylen = keylen;
	if (in[at] == '\n') {
		cmd->asked.last = true;
		d->in_keys = false;
		at++;
	}
	*used = at;
	return PARSE_COMMAND;
}

/* ---- the others ---- */

/* delete k [0] [noreply] */
static enum parse
parse_delete(struct dialog *d, const struct text_command *t, struct line *l, struct command *cmd)
{
	/* The 0 once was a delay. */
	bool zero = l->count > 2 && WORD_IS(&l->words[2], "0");

	if (l->count > 2u + zero + cmd->asked.quiet)
		return text_refuse(cmd, BAD_DELETE);
	if (!field_key(&l->words[1], cmd))
		return text_refuse(cmd, BAD_LINE);
	return PARSE_COMMAND;
}

/* incr k delta [noreply] */
static enum parse
parse_delta(struct dialog *d, const struct text_command *t, struct line *l, struct command *cmd)
{
	if (!field_key(&l->words[1], cmd))
		return text_refuse(cmd, BAD_LINE);
	if (!number_u64(l->words[2].p, l->words[2].len, &cmd->ask.delta))
		return text_refuse(cmd, BAD_DELTA);
	return PARSE_COMMAND;
}

/* touch k exptime [noreply] */
static enum parse
parse_touch(struct dialog *d, const struct text_command *t, struct line *l, struct command *cmd)
{
	if (!field_key(&l->words[1], cmd))
		return text_refuse(cmd, BAD_LINE);
	if (!field_exptime(&l->words[2], &cmd->ask.exptime))
		return text_refuse(cmd, BAD_EXPTIME);
	return PARSE_COMMAND;
}

/* flush_all [delay] [noreply] */
static enum parse
parse_flush_all(struct dialog *d, const struct text_command *t, struct line *l, struct command *cmd)
{
	int64_t delay = 0;

	if (!d->limits->flush_enabled)
		return text_refuse(cmd, NO_FLUSH);
	if (l->count > 1u + cmd->asked.quiet && !number_i64(l->words[1].p, l->words[1].len, &delay))
		return text_refuse(cmd, BAD_EXPTIME);
	cmd->asked.kind = COMMAND_FLUSH_ALL;
	cmd->delay = times_delay(delay, rend_wall());
	return PARSE_COMMAND;
}

/* verbosity level [noreply] */
static enum parse
parse_verbosity(struct dialog *d, const struct text_command *t, struct line *l, struct command *cmd)
{
	uint64_t level;

	if (!number_u64(l->words[1].p, l->words[1].len, &level))
		return text_refuse(cmd, BAD_LINE);
	cmd->asked.kind = COMMAND_VERBOSITY;
	return PARSE_COMMAND;
}

static enum parse
parse_version(struct dialog *d, const struct text_command *t, struct line *l, struct command *cmd)
{
	cmd->asked.kind = COMMAND_VERSION;
	return PARSE_COMMAND;
}

/* stats [words] */
static enum parse
parse_stats(struct dialog *d, const struct text_command *t, struct line *l, struct command *cmd)
{
	struct word first = word_next(&l->words[0], l->end), last = word_last(first.p, l->end);

	cmd->asked.kind = COMMAND_STATS;
	cmd->args = first.p;
	cmd->args_len = (size_t)(last.p + last.len - first.p);
	return PARSE_COMMAND;
}

/* shutdown [graceful] */
static enum parse
parse_shutdown(struct dialog *d, const struct text_command *t, struct line *l, struct command *cmd)
{
	struct word mode = word_next(&l->words[0], l->end), more = word_next(&mode, l->end);

	if (!d->limits->shutdown_enabled)
		return text_refuse(cmd, NO_SHUTDOWN);
	if (mode.len > 0 && (!WORD_IS(&mode, "graceful") || more.len > 0))
		return text_refuse(cmd, BAD_MODE);
	cmd->asked.kind = COMMAND_SHUTDOWN;
	cmd->asked.close = true;
	return PARSE_COMMAND;
}

static enum parse
parse_quit(struct dialog *d, const struct text_command *t, struct line *l, struct command *cmd)
{
	cmd->asked.kind = COMMAND_QUIT;
	cmd->asked.close = true;
	return PARSE_COMMAND;
}

/* mg k flag...; the other meta commands */
static enum parse
parse_meta(struct dialog *d, const struct text_command *t, struct line *l, struct command *cmd)
{
	return meta_parse(d, &l->words[0], l->end, cmd);
}

#define NAME(s) s, sizeof(s) - 1

/* Looked through in this order.  Columns: name and its length, function, least and most words, noreply, verb, with. */
static const struct text_command commands[] = {
	{ NAME("get"), parse_get, 2, 0, 0, REND_GET, 0 },
	{ NAME("mg"), parse_meta, 2, 0, 0, REND_GET, 0 },
	{ NAME("set"), parse_store, 5, 6, 4, REND_SET, 0 },
	{ NAME("ms"), parse_meta, 3, 0, 0, REND_SET, 0 },
	{ NAME("gets"), parse_get, 2, 0, 0, REND_GET, CAS },
	{ NAME("delete"), parse_delete, 2, 4, 2, REND_DELETE, 0 },
	{ NAME("incr"), parse_delta, 3, 4, 2, REND_INCR, 0 },
	{ NAME("decr"), parse_delta, 3, 4, 2, REND_DECR, 0 },
	{ NAME("md"), parse_meta, 2, 0, 0, REND_DELETE, 0 },
	{ NAME("ma"), parse_meta, 2, 0, 0, REND_INCR, 0 },
	{ NAME("mn"), parse_meta, 1, 0, 0, REND_GET, 0 },
	{ NAME("touch"), parse_touch, 3, 4, 2, REND_TOUCH, 0 },
	{ NAME("add"), parse_store, 5, 6, 4, REND_ADD, 0 },
	{ NAME("cas"), parse_store, 6, 7, 4, REND_SET, CAS },
	{ NAME("gat"), parse_get, 3, 0, 0, REND_GET, TOUCH },
	{ NAME("gats"), parse_get, 3, 0, 0, REND_GET, CAS | TOUCH },
	{ NAME("replace"), parse_store, 5, 6, 4, REND_REPLACE, 0 },
	{ NAME("append"), parse_store, 5, 6, 4, REND_APPEND, 0 },
	{ NAME("prepend"), parse_store, 5, 6, 4, REND_PREPEND, 0 },
	{ NAME("me"), parse_meta, 2, 0, 0, REND_GET, 0 },
	{ NAME("version"), parse_version, 1, 0, 0, REND_GET, 0 },
	{ NAME("stats"), parse_stats, 1, 0, 0, REND_GET, 0 },
	{ NAME("flush_all"), parse_flush_all, 1, 3, 1, REND_FLUSH_ALL, 0 },
	{ NAME("verbosity"), parse_verbosity, 2, 3, 1, REND_GET, 0 },
	{ NAME("quit"), parse_quit, 1, 0, 0, REND_GET, 0 },
	{ NAME("shutdown"), parse_shutdown, 1, 0, 0, REND_GET, 0 },
};

static const struct text_command *
find_command(const struct word *w)
{
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (word_is(w, commands[i].name, commands[i].len))
			return &commands[i];
	return NULL;
}

static enum parse
parse_unknown(const struct line *l, struct command *cmd)
{
	struct word last = word_last(l->in, l->end);

	/* A browser, or somebody's page in one, that would go on with lines of its choice. */
	if (last.len >= 5 && memcmp(last.p, "HTTP/", 5) == 0)
		return PARSE_CLOSE;
	return text_refuse(cmd, UNKNOWN);
}

static enum parse
parse_line(struct dialog *d, struct line *l, struct command *cmd)
{
	const struct text_command *t;

	command_clear(cmd);
	if (l->end == l->in)
		return text_refuse(cmd, BAD_LINE);
	l->words[0] = word_first(l->in, l->end);
	l->count = 1;
	t = find_command(&l->words[0]);
	if (t == NULL)
		return parse_unknown(l, cmd);
	cmd->asked.kind = COMMAND_OP;
	cmd->asked.verb = t->verb;
	if (t->most == 0)
		return t->parse(d, t, l, cmd);

	line_split(l);
	if (l->count < t->least || l->count > t->most) {
		if (rend_verb_stores(t->verb))
			swallow_body_of(d, l);
		return text_refuse(cmd, l->count < t->least ? BAD_LINE : UNKNOWN);
	}
	cmd->asked.quiet = l->count > t->noreply && WORD_IS(&l->words[l->count - 1], "noreply");
	return t->parse(d, t, l, cmd);
}

/* Drops what is left of a refused value.  true: it is gone; *used is behind it. */
static bool
swallow(struct dialog *d, const char *in, size_t len, size_t *used)
{
	const char *nl;

	*used = d->swallow < len ? d->swallow : len;
	d->swallow -= (uint32_t)*used;
	if (d->swallow > 0)
		return false;
	if (!d->swallow_line)
		return true;
	nl = memchr(in + *used, '\n', len - *used);
	*used = nl == NULL ? len : (size_t)(nl + 1 - in);
	d->swallow_line = nl == NULL;
	return nl != NULL;
}

/* A line that is longer than it may be. */
static enum parse
too_long(const char *in, size_t len, size_t *used, struct command *cmd)
{
	if (!begins_get(in, len))
		return PARSE_CLOSE;
	*used = len;
	*cmd = (struct command){ .asked.close = true };
	return text_refuse(cmd, TOO_LONG);
}

/* Of all else. */
static enum parse
parse_any(struct dialog *d, const char *in, size_t len, size_t *used, struct command *cmd)
{
	struct line l;
	const char *nl;
	size_t line_len, skip, swallowed = 0;
	enum parse r;

	if ((d->swallow > 0 || d->swallow_line) && !swallow(d, in, len, used))
		return PARSE_MORE;
	swallowed = *used;
	in += swallowed;
	len -= swallowed;
	skip = d->scanned < len ? d->scanned : len;
	nl = memchr(in + skip, '\n', len - skip);
	line_len = nl == NULL ? len : (size_t)(nl - in);
	if (line_len > d->limits->line_max && (line_len > d->limits->get_line_max || !begins_get(in, line_len))) {
		r = too_long(in, len, used, cmd);
		*used += r == PARSE_COMMAND ? swallowed : 0;
		return r;
	}
	d->scanned = nl == NULL ? (uint32_t)len : 0;
	if (nl == NULL)
		return PARSE_MORE;
	l.in = in;
	l.end = nl > in && nl[-1] == '\r' ? nl - 1 : nl;
	l.next = nl + 1;
	r = parse_line(d, &l, cmd);
	*used = swallowed + (size_t)(l.next - in);
	return r;
}

enum parse
text_parse(struct dialog *d, const char *in, size_t len, size_t *used, struct command *cmd)
{
	if (d->in_keys)
		return next_key(d, in, len, used, cmd);
	if (d->scanned == 0 && d->swallow == 0 && !d->swallow_line && parse_plain_get(in, len, used, cmd))
		return PARSE_COMMAND;
	return parse_any(d, in, len, used, cmd);
}
