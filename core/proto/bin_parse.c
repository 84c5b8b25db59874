/*
 * memcached's binary protocol: bytes to commands.
 *
 *	[header][extras][key] ──► one command, when all three are there
 *	[value]               ──► the caller's
 *
 * The header is checked before anything behind it is waited for.  Where this file looks odd, memcached 1.6 answers so.
 */
#include "proto/bin.h"
#include "proto/times.h"
#include "rend/worker.h"

/* An exptime of incr and decr: a miss stays one. */
#define NO_VIVIFY UINT32_MAX

struct request {
	uint8_t opcode, extlen;
	uint16_t keylen;
	uint32_t bodylen; /* of extras, key and value */
	uint32_t value;	  /* what of it is value */
	uint64_t cas;
	const char *extras;
};

struct bin_command {
	/* Takes over when the lengths are right, and extras and key are there. */
	enum parse (*parse)(
	    struct dialog *d, const struct bin_command *t, const struct request *r, struct command *cmd);
	uint8_t kind, verb;
	uint8_t extras; /* bytes */
	uint16_t is;
};

enum {
	KEY = 1 << 0,	     /* has one */
	MAY_KEY = 1 << 1,    /* may have one */
	VALUE = 1 << 2,	     /* may bring a value; of a get: is answered with one */
	MAY_EXTRAS = 1 << 3, /* or has none */
	QUIET = 1 << 4,
	WITH_KEY = 1 << 5,   /* the answer repeats the key */
	TOUCHING = 1 << 6,   /* gives a new exptime */
	TELLS_TIME = 1 << 7, /* the answer gives the exptime */
	LENIENT = 1 << 8,    /* a body as long as the key: the extras were not counted */
};

static enum parse
refuse(struct command *cmd, uint16_t code, const char *sentence)
{
	cmd->asked.kind = COMMAND_REFUSED;
	cmd->asked.code = code;
	cmd->asked.sentence = sentence;
	return PARSE_COMMAND;
}

static enum parse
refuse_and_close(struct command *cmd, uint16_t code, const char *sentence)
{
	cmd->asked.close = true;
	return refuse(cmd, code, sentence);
}

static int64_t
exptime_at(const char *p)
{
	uint32_t given = bin_u32(p);

	return given == 0 ? 0 : times_exptime(given, rend_wall());
}

static void
take_cas(const struct request *r, struct command *cmd)
{
	if (r->cas == 0)
		return;
	cmd->ask.mode |= REND_IF_CAS;
	cmd->ask.cas = r->cas;
}

/* Of what is stored or changed: a quiet one is not told. */
static uint32_t
want_cas(const struct dialog *d, const struct bin_command *t)
{
	return d->limits->cas_enabled && !(t->is & QUIET) ? REND_WANT_CAS : 0;
}

static enum parse
parse_get(struct dialog *d, const struct bin_command *t, const struct request *r, struct command *cmd)
{
	cmd->ask.want = REND_WANT_NO_WIN;
	if (d->limits->cas_enabled)
		cmd->ask.want |= REND_WANT_CAS | REND_WANT_ANY_CAS;
	if (t->is & VALUE)
		cmd->ask.want |= REND_WANT_VALUE;
	if (t->is & TELLS_TIME)
		cmd->ask.want |= REND_WANT_EXPTIME;
	if (t->is & TOUCHING) {
		cmd->ask.mode = REND_ALSO_TOUCH;
		cmd->ask.exptime = exptime_at(r->extras);
	}
	/* A run of quiet ones is what a get of many keys is in text. */
	cmd->asked.last = !cmd->asked.quiet;
	return PARSE_COMMAND;
}

/* ---- storing ---- */

static enum parse
take_value(struct dialog *d, const struct bin_command *t, const struct request *r, struct command *cmd)
{
	cmd->body = r->value;
	cmd->ask.want = want_cas(d, t);
	if (cmd->body <= d->limits->item_size_max) {
		cmd->has_body = true;
		return PARSE_COMMAND;
	}
	d->swallow = cmd->body;
	/* Only a set promises that what was there before is gone. */
	if (t->verb == REND_SET) {
		cmd->asked.kind = COMMAND_TOO_LARGE;
		return PARSE_COMMAND;
	}
	return refuse(cmd, BIN_TOO_LARGE, BIN_SAY_TOO_LARGE);
}

/* extras: flags, exptime */
static enum parse
parse_store(struct dialog *d, const struct bin_command *t, const struct request *r, struct command *cmd)
{
	cmd->flags = bin_u32(r->extras);
	cmd->exptime = exptime_at(r->extras + 4);
	take_cas(r, cmd);
	/* With a version, add and replace are a cas as set is. */
	if (r->cas != 0)
		cmd->asked.verb = REND_SET;
	return take_value(d, t, r, cmd);
}

static enum parse
parse_join(struct dialog *d, const struct bin_command *t, const struct request *r, struct command *cmd)
{
	take_cas(r, cmd);
	return take_value(d, t, r, cmd);
}

/* ---- the others ---- */

static enum parse
parse_delete(struct dialog *d, const struct bin_command *t, const struct request *r, struct command *cmd)
{
	take_cas(r, cmd);
	return PARSE_COMMAND;
}

/* extras: delta, initial, exptime */
static enum parse
parse_delta(struct dialog *d, const struct bin_command *t, const struct request *r, struct command *cmd)
{
	take_cas(r, cmd);
	cmd->ask.want = want_cas(d, t);
	cmd->ask.delta = bin_u64(r->extras);
	if (bin_u32(r->extras + 16) == NO_VIVIFY)
		return PARSE_COMMAND;
	cmd->ask.mode |= REND_VIVIFY;
	cmd->ask.initial = bin_u64(r->extras + 8);
	cmd->ask.vivify = exptime_at(r->extras + 16);
	return PARSE_COMMAND;
}

/* extras: delay, or none */
static enum parse
parse_flush(struct dialog *d, const struct bin_command *t, const struct request *r, struct command *cmd)
{
	if (!d->limits->flush_enabled)
		return refuse(cmd, BIN_AUTH, "Auth failure.");
	if (r->extlen > 0)
		cmd->delay = times_delay(bin_u32(r->extras), rend_wall());
	return PARSE_COMMAND;
}

static enum parse
parse_stat(struct dialog *d, const struct bin_command *t, const struct request *r, struct command *cmd)
{
	cmd->args = cmd->key;
	cmd->args_len = cmd->keylen;
	return PARSE_COMMAND;
}

static enum parse
parse_quit(struct dialog *d, const struct bin_command *t, const struct request *r, struct command *cmd)
{
	cmd->asked.close = true;
	return PARSE_COMMAND;
}

static enum parse
parse_bare(struct dialog *d, const struct bin_command *t, const struct request *r, struct command *cmd)
{
	return PARSE_COMMAND;
}

/* Columns: function, kind, verb, bytes of extras, what it is. */
static const struct bin_command commands[256] = {
	[BIN_GET] = { parse_get, COMMAND_OP, REND_GET, 0, KEY | VALUE },
	[BIN_GETQ] = { parse_get, COMMAND_OP, REND_GET, 0, KEY | VALUE | QUIET },
	[BIN_GETK] = { parse_get, COMMAND_OP, REND_GET, 0, KEY | VALUE | WITH_KEY },
	[BIN_GETKQ] = { parse_get, COMMAND_OP, REND_GET, 0, KEY | VALUE | WITH_KEY | QUIET },
	[BIN_GETE] = { parse_get, COMMAND_OP, REND_GET, 0, KEY | VALUE | TELLS_TIME },
	[BIN_GETEQ] = { parse_get, COMMAND_OP, REND_GET, 0, KEY | VALUE | TELLS_TIME | QUIET },
	[BIN_TOUCH] = { parse_get, COMMAND_OP, REND_GET, 4, KEY | TOUCHING },
	[BIN_GAT] = { parse_get, COMMAND_OP, REND_GET, 4, KEY | VALUE | TOUCHING | LENIENT },
	[BIN_GATQ] = { parse_get, COMMAND_OP, REND_GET, 4, KEY | VALUE | TOUCHING | QUIET },
	[BIN_GATK] = { parse_get, COMMAND_OP, REND_GET, 4, KEY | VALUE | TOUCHING | WITH_KEY },
	[BIN_GATKQ] = { parse_get, COMMAND_OP, REND_GET, 4, KEY | VALUE | TOUCHING | WITH_KEY | QUIET },

	[BIN_SET] = { parse_store, COMMAND_OP, REND_SET, 8, KEY | VALUE },
	[BIN_SETQ] = { parse_store, COMMAND_OP, REND_SET, 8, KEY | VALUE | QUIET },
	[BIN_ADD] = { parse_store, COMMAND_OP, REND_ADD, 8, KEY | VALUE },
	[BIN_ADDQ] = { parse_store, COMMAND_OP, REND_ADD, 8, KEY | VALUE | QUIET },
	[BIN_REPLACE] = { parse_store, COMMAND_OP, REND_REPLACE, 8, KEY | VALUE },
	[BIN_REPLACEQ] = { parse_store, COMMAND_OP, REND_REPLACE, 8, KEY | VALUE | QUIET },
	[BIN_APPEND] = { parse_join, COMMAND_OP, REND_APPEND, 0, KEY | VALUE },
	[BIN_APPENDQ] = { parse_join, COMMAND_OP, REND_APPEND, 0, KEY | VALUE | QUIET },
	[BIN_PREPEND] = { parse_join, COMMAND_OP, REND_PREPEND, 0, KEY | VALUE },
	[BIN_PREPENDQ] = { parse_join, COMMAND_OP, REND_PREPEND, 0, KEY | VALUE | QUIET },

	[BIN_DELETE] = { parse_delete, COMMAND_OP, REND_DELETE, 0, KEY },
	[BIN_DELETEQ] = { parse_delete, COMMAND_OP, REND_DELETE, 0, KEY | QUIET },
	[BIN_INCREMENT] = { parse_delta, COMMAND_OP, REND_INCR, 20, KEY },
	[BIN_INCREMENTQ] = { parse_delta, COMMAND_OP, REND_INCR, 20, KEY | QUIET },
	[BIN_DECREMENT] = { parse_delta, COMMAND_OP, REND_DECR, 20, KEY },
	[BIN_DECREMENTQ] = { parse_delta, COMMAND_OP, REND_DECR, 20, KEY | QUIET },

	[BIN_FLUSH] = { parse_flush, COMMAND_FLUSH_ALL, REND_FLUSH_ALL, 4, MAY_EXTRAS },
	[BIN_FLUSHQ] = { parse_flush, COMMAND_FLUSH_ALL, REND_FLUSH_ALL, 4, MAY_EXTRAS | QUIET },
	[BIN_STAT] = { parse_stat, COMMAND_STATS, REND_GET, 0, MAY_KEY },
	[BIN_NOOP] = { parse_bare, COMMAND_NOOP, REND_GET, 0, 0 },
	[BIN_VERSION] = { parse_bare, COMMAND_VERSION, REND_GET, 0, 0 },
	[BIN_VERBOSITY] = { parse_bare, COMMAND_VERBOSITY, REND_GET, 4, 0 },
	[BIN_QUIT] = { parse_quit, COMMAND_QUIT, REND_GET, 0, 0 },
	[BIN_QUITQ] = { parse_quit, COMMAND_QUIT, REND_GET, 0, QUIET },
};

static bool
fits(const struct bin_command *t, const struct request *r)
{
	if (r->extlen != t->extras && !(r->extlen == 0 && (t->is & MAY_EXTRAS)))
		return false;
	if (r->keylen == 0 ? t->is & KEY : !(t->is & (KEY | MAY_KEY)))
		return false;
	return r->value == 0 || rend_verb_stores(t->verb);
}

static void
read_header(const char *in, struct request *r)
{
	r->opcode = (uint8_t)in[BIN_AT_OPCODE];
	r->keylen = bin_u16(in + BIN_AT_KEYLEN);
	r->extlen = (uint8_t)in[BIN_AT_EXTLEN];
	r->bodylen = bin_u32(in + BIN_AT_BODYLEN);
	r->cas = bin_u64(in + BIN_AT_CAS);
	r->extras = in + BIN_HEADER;
}

static void
begin(const char *in, const struct bin_command *t, const struct request *r, struct command *cmd)
{
	command_clear(cmd);
	cmd->asked.form = FORM_BINARY;
	cmd->asked.kind = t->kind;
	cmd->asked.verb = t->verb;
	cmd->asked.quiet = t->is & QUIET;
	cmd->asked.bin.opcode = r->opcode;
	cmd->asked.bin.with_key = t->is & WITH_KEY;
	memcpy(&cmd->asked.bin.opaque, in + BIN_AT_OPAQUE, sizeof(cmd->asked.bin.opaque));
}

/* A request whose header is there. */
static enum parse
parse_request(struct dialog *d, const char *in, size_t len, size_t *used, struct command *cmd)
{
	const struct bin_command *t = &commands[(uint8_t)in[BIN_AT_OPCODE]];
	struct request r;
	size_t head;

	read_header(in, &r);
	begin(in, t, &r, cmd);
	if ((t->is & LENIENT) && r.extlen == t->extras && r.bodylen == r.keylen)
		r.bodylen += r.extlen;
	head = BIN_HEADER;
	*used += head;
	if ((uint32_t)r.keylen + r.extlen > r.bodylen)
		return refuse_and_close(cmd, BIN_UNKNOWN, "Unknown command");
	if (r.keylen > REND_KEY_MAX)
		return refuse_and_close(cmd, BIN_INVALID, "Invalid arguments");
	if (t->parse == NULL) {
		d->swallow = r.bodylen;
		return refuse(cmd, BIN_UNKNOWN, "Unknown command");
	}
	r.value = r.bodylen - r.keylen - r.extlen;
	if (!fits(t, &r))
		return refuse_and_close(cmd, BIN_INVALID, "Invalid arguments");

	*used -= head;
	head += (size_t)r.extlen + r.keylen;
	if (len < head)
		return PARSE_MORE;
	*used += head;
	cmd->key = r.extras + r.extlen;
	cmd->keylen = r.keylen;
	return t->parse(d, t, &r, cmd);
}

enum parse
bin_parse(struct dialog *d, const char *in, size_t len, size_t *used, struct command *cmd)
{
	size_t swallowed = d->swallow < len ? d->swallow : len;

	d->swallow -= swallowed;
	*used = swallowed;
	in += swallowed;
	len -= swallowed;
	if (len == 0)
		return PARSE_MORE;
	if ((unsigned char)*in != BIN_REQUEST)
		return PARSE_CLOSE;
	if (len < BIN_HEADER)
		return PARSE_MORE;
	return parse_request(d, in, len, used, cmd);
}
