/* Bytes through a dialog: see feed.h. */
#include "feed.h"

#include <endian.h>

#include "../base/unit.h"

static void
say(struct feed *f, const char *fmt, ...)
{
	va_list ap;
	int len;

	for (;;) {
		size_t room = f->said_room - f->said_len;

		va_start(ap, fmt);
		len = vsnprintf(f->said == NULL ? NULL : f->said + f->said_len, room, fmt, ap);
		va_end(ap);
		assert_true(len >= 0);
		if ((size_t)len < room)
			break;
		f->said_room = (f->said_room + (size_t)len + 1) * 2;
		f->said = realloc(f->said, f->said_room);
		assert_non_null(f->said);
	}
	f->said_len += (size_t)len;
}

static void
say_escaped(struct feed *f, const char *p, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)p[i];

		if (c < ' ' || c > '~')
			say(f, "\\x%02x", c);
		else
			say(f, "%c", c);
	}
}

static void
say_bytes(struct feed *f, const char *name, const char *p, size_t len)
{
	say(f, " %s[", name);
	say_escaped(f, p, len);
	say(f, "]");
}

static void
say_ask(struct feed *f, const struct command *cmd)
{
	const struct rend_ask *ask = &cmd->ask;

	if (ask->want & REND_WANT_VALUE)
		say(f, " value");
	if (ask->want & REND_WANT_EXPTIME)
		say(f, " exptime");
	if (ask->want & REND_WANT_CAS)
		say(f, " cas");
	if (ask->want & REND_WANT_SIZE)
		say(f, " size");
	if (ask->want & REND_WANT_ACCESS)
		say(f, " access");
	if (ask->mode & REND_ALSO_TOUCH)
		say(f, " touch");
	if (ask->mode & REND_IF_CAS)
		say(f, " if_cas=%llu", (unsigned long long)ask->cas);
	if (ask->mode & REND_VIVIFY)
		say(f, " vivify=%lld initial=%llu", (long long)ask->vivify, (unsigned long long)ask->initial);
	if (ask->mode & REND_RECACHE)
		say(f, " recache=%lld", (long long)ask->recache);
	if (ask->mode & REND_NO_BUMP)
		say(f, " no_bump");
	if (ask->mode & REND_INVALIDATE)
		say(f, " invalidate");
	if (ask->mode & REND_DROP_VALUE)
		say(f, " drop_value");
	if (ask->cas_new != 0)
		say(f, " cas_new=%llu", (unsigned long long)ask->cas_new);
	if (ask->exptime != 0)
		say(f, " until=%lld", (long long)ask->exptime);
	if (ask->delta != 0)
		say(f, " delta=%llu", (unsigned long long)ask->delta);
	if (cmd->flags != 0)
		say(f, " flags=%u", cmd->flags);
	if (cmd->exptime != 0)
		say(f, " exptime=%lld", (long long)cmd->exptime);
}

static void
say_meta(struct feed *f, const struct meta_asked *meta)
{
	assert_true(meta->count <= META_RETURNS_MAX && meta->opaque_len <= META_OPAQUE_MAX);
	say(f, " <%.*s", meta->count, meta->returns);
	if (meta->opaque_len > 0)
		say_bytes(f, "", meta->opaque, meta->opaque_len);
	if (meta->value)
		say(f, " VA");
	if (meta->base64)
		say(f, " base64");
	if (meta->debug)
		say(f, " debug");
	say(f, ">");
}

static void
say_asked(struct feed *f, const struct asked *asked)
{
	if (asked->form == FORM_BINARY)
		say(f, "%s <%02x %08x>", asked->bin.with_key ? " with_key" : "", asked->bin.opcode,
		    be32toh(asked->bin.opaque));
	if (asked->code != 0)
		say(f, " code=%02x", asked->code);
	if (asked->with_cas)
		say(f, " with_cas");
	if (asked->last)
		say(f, " last");
	if (asked->quiet)
		say(f, " quiet");
	if (asked->close)
		say(f, " close");
	say(f, "\n");
}

static void
say_command(struct feed *f, const struct command *cmd, const char *body)
{
	static const char *const kinds[] = {
		[COMMAND_FLUSH_ALL] = "FLUSH_ALL",
		[COMMAND_REFUSED] = "REFUSED",
		[COMMAND_TOO_LARGE] = "TOO_LARGE",
		[COMMAND_VERSION] = "VERSION",
		[COMMAND_VERBOSITY] = "VERBOSITY",
		[COMMAND_NOOP] = "NOOP",
		[COMMAND_STATS] = "STATS",
		[COMMAND_SHUTDOWN] = "SHUTDOWN",
		[COMMAND_QUIT] = "QUIT",
	};
	const struct asked *asked = &cmd->asked;

	if (asked->kind == COMMAND_OP || asked->kind == COMMAND_TOO_LARGE) {
		/* A key is one: the rest of the program counts on it. */
		assert_in_range(cmd->keylen, 1, REND_KEY_MAX);
		say(f, "%s%s ", asked->kind == COMMAND_OP ? "" : "TOO_LARGE ", rend_verb_name(asked->verb));
		if (asked->form == FORM_BINARY || (asked->form == FORM_META && asked->meta.base64))
			say_escaped(f, cmd->key, cmd->keylen);
		else
			say(f, "%.*s", (int)cmd->keylen, cmd->key);
		say_ask(f, cmd);
		if (asked->form == FORM_META)
			say_meta(f, &asked->meta);
	} else {
		say(f, "%s", kinds[asked->kind]);
	}
	if (asked->kind == COMMAND_REFUSED)
		say_bytes(f, "", asked->sentence, strlen(asked->sentence));
	if (asked->kind == COMMAND_STATS)
		say_bytes(f, "", cmd->args, cmd->args_len);
	if (asked->kind == COMMAND_FLUSH_ALL)
		say(f, " delay=%lld", (long long)cmd->delay);
	if (body != NULL && asked->kind == COMMAND_OP)
		say_bytes(f, "body=", body, cmd->body);
	say_asked(f, asked);
}

void
feed_init(struct feed *f, const struct proto_limits *limits)
{
	*f = (struct feed){ .dialog.limits = limits };
	say(f, "%s", "");
}

void
feed_fini(struct feed *f)
{
	free(f->in);
	free(f->said);
}

/* The first bytes are dealt with. */
static void
used_up(struct feed *f, size_t used)
{
	char *rest;

	assert_true(used <= f->len);
	f->len -= used;
	rest = malloc(f->len + (f->len == 0));
	assert_non_null(rest);
	memcpy(rest, f->in + used, f->len);
	free(f->in);
	f->in = rest;
}

/* false: more bytes are needed. */
static bool
feed_body(struct feed *f)
{
	struct command *cmd = &f->storing;
	size_t used;
	enum parse r;
	char *at_end;

	if (f->len < cmd->body)
		return false;
	at_end = malloc(f->len - cmd->body);
	assert_non_null(at_end);
	memcpy(at_end, f->in + cmd->body, f->len - cmd->body);
	r = dialog_body_end(&f->dialog, at_end, f->len - cmd->body, &used, cmd);
	free(at_end);
	if (r == PARSE_MORE) {
		assert_int_equal(used, 0);
		return false;
	}
	assert_int_equal(r, PARSE_COMMAND);
	say_command(f, cmd, f->in);
	used_up(f, cmd->body + used);
	cmd->has_body = false;
	return true;
}

/* false: more bytes are needed, or none are wanted. */
static bool
feed_command(struct feed *f)
{
	struct command cmd;
	size_t used;

	/* What a parser does not set must not be used either. */
	memset(&cmd, 0xee, sizeof(cmd));
	switch (dialog_parse(&f->dialog, f->in, f->len, &used, &cmd)) {
	case PARSE_MORE:
		used_up(f, used);
		return false;
	case PARSE_CLOSE:
		say(f, "CLOSE\n");
		f->closed = true;
		return false;
	case PARSE_COMMAND:
		break;
	}
	assert_true(used > 0);
	if (cmd.has_body) {
		assert_in_range(cmd.keylen, 1, REND_KEY_MAX);
		memcpy(f->key, cmd.key, cmd.keylen);
		f->storing = cmd;
		f->storing.key = f->key;
	} else {
		say_command(f, &cmd, NULL);
		f->closed = cmd.asked.close;
	}
	used_up(f, used);
	return !f->closed;
}

void
feed_bytes(struct feed *f, const void *p, size_t len)
{
	char *in = malloc(f->len + len);

	assert_non_null(in);
	if (f->len > 0)
		memcpy(in, f->in, f->len);
	memcpy(in + f->len, p, len);
	free(f->in);
	f->in = in;
	f->len += len;
	while (!f->closed && (f->storing.has_body ? feed_body(f) : feed_command(f)))
		;
}

static void
check_said(struct feed *f, const char *said)
{
	if (f->storing.has_body)
		say(f, "a body waits\n");
	if (!f->closed && f->len > 0)
		say(f, "%zu bytes wait\n", f->len);
	assert_string_equal(f->said, said);
	feed_fini(f);
}

void
feed_two_ways(const struct proto_limits *limits, const void *p, size_t len, const char *said)
{
	const char *in = p;
	struct feed f;

	feed_init(&f, limits);
	feed_bytes(&f, in, len);
	check_said(&f, said);

	feed_init(&f, limits);
	for (size_t i = 0; i < len && !f.closed; i++)
		feed_bytes(&f, in + i, 1);
	check_said(&f, said);
}

void
feed_all_ways(const struct proto_limits *limits, const void *p, size_t len, const char *said)
{
	const char *in = p;
	struct feed f;

	feed_two_ways(limits, p, len, said);
	for (size_t at = 1; at < len; at++) {
		feed_init(&f, limits);
		feed_bytes(&f, in, at);
		if (!f.closed)
			feed_bytes(&f, in + at, len - at);
		check_said(&f, said);
	}
}

void
feed_in_step(const struct proto_limits *limits, const char *in, const char *said)
{
	char *more = NULL, *more_said = NULL;

	assert_true(asprintf(&more, "%sdelete after\r\n", in) > 0);
	assert_true(asprintf(&more_said, "%sdelete after\n", said) > 0);
	feed_all_ways(limits, more, strlen(more), more_said);
	free(more);
	free(more_said);
}
