/* Bytes through a dialog, in pieces: see walk.h. */
#include "walk.h"

#include <sanitizer/asan_interface.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

/* Small, so that short inputs reach them. */
static const struct proto_limits limits = {
	.item_size_max = 100,
	.line_max = 300,
	.get_line_max = 420,
	.flush_enabled = true,
	.shutdown_enabled = true,
	.cas_enabled = true,
};

#define WALL	  1700000000

#define INPUT_MAX 2000

struct walk {
	struct dialog dialog;
	struct chain out;
	walk_check_f *check;
	const char *in; /* what the dialog has not dealt with begins here */
	size_t len;
	struct command storing; /* has_body: its body is not complete */
	char key[REND_KEY_MAX]; /* of storing */
	bool closed;
	uint64_t hash; /* of all that was understood and answered */
	uint64_t commands;
};

static struct chain_pools pools;

/* FNV-1a */
static void
note(struct walk *w, const void *p, size_t len)
{
	const unsigned char *c = p;

	for (size_t i = 0; i < len; i++)
		w->hash = (w->hash ^ c[i]) * 0x100000001b3;
}

static void
note_number(struct walk *w, uint64_t n)
{
	note(w, &n, sizeof n);
}

/* ---- what was understood ---- */

static void
note_ask(struct walk *w, const struct rend_ask *ask)
{
	const uint64_t all[] = { ask->want, ask->mode, (uint64_t)ask->exptime, (uint64_t)ask->vivify,
		(uint64_t)ask->recache, ask->cas, ask->cas_new, ask->delta, ask->initial };

	note(w, all, sizeof all);
}

static void
note_meta(struct walk *w, const struct meta_asked *m)
{
	const uint64_t all[] = { m->count, m->opaque_len, m->value, m->base64, m->debug };

	WALK_MUST(m->count <= META_RETURNS_MAX && m->opaque_len <= META_OPAQUE_MAX);
	note(w, all, sizeof all);
	note(w, m->returns, m->count);
	note(w, m->opaque, m->opaque_len);
}

static void
note_asked(struct walk *w, const struct asked *a)
{
	const uint64_t all[] = { a->kind, a->verb, a->quiet, a->with_cas, a->last, a->close, a->form, a->code };

	note(w, all, sizeof all);
	if (a->kind == COMMAND_REFUSED)
		note(w, a->sentence, strlen(a->sentence));
	else if (a->form == FORM_META)
		note_meta(w, &a->meta);
	if (a->form == FORM_BINARY) {
		const uint64_t bin[] = { a->bin.opcode, a->bin.with_key, a->bin.opaque };

		note(w, bin, sizeof bin);
	}
}

static void
note_command(struct walk *w, const struct command *cmd, const char *body)
{
	const struct asked *a = &cmd->asked;

	note_asked(w, a);
	if (a->kind == COMMAND_OP || a->kind == COMMAND_TOO_LARGE) {
		WALK_MUST(cmd->keylen >= 1 && cmd->keylen <= REND_KEY_MAX);
		WALK_MUST(a->verb < REND_VERB_COUNT);
		note(w, cmd->key, cmd->keylen);
		note_ask(w, &cmd->ask);
		note_number(w, cmd->flags);
		note_number(w, (uint64_t)cmd->exptime);
	}
	if (a->kind == COMMAND_STATS)
		note(w, cmd->args, cmd->args_len);
	if (a->kind == COMMAND_FLUSH_ALL) {
		WALK_MUST(cmd->delay >= 0);
		note_number(w, (uint64_t)cmd->delay);
	}
	if (body != NULL && a->kind == COMMAND_OP)
		note(w, body, cmd->body);
}

/* ---- what is answered ---- */

/* What a handler might say: the same for the same commands, whichever way they came. */
static uint64_t
dice(const struct walk *w, uint64_t salt)
{
	uint64_t x = w->hash + salt * 0x9e3779b97f4a7c15;

	x ^= x >> 29;
	x *= 0xbf58476d1ce4e5b9;
	return x ^ x >> 32;
}

static void
fill_item(const struct walk *w, struct rend_op *op, const struct command *cmd, const char *body)
{
	static const char filler[5000];
	static const size_t lens[] = { 0, 1, 5, 600, 5000 };
	struct rend_item *item = &op->item;
	size_t len = lens[dice(w, 2) % (sizeof lens / sizeof *lens)];
	int failed = 0;

	item->flags = (uint32_t)dice(w, 3);
	/* A handler may know less than was asked for. */
	item->have = cmd->ask.want & (uint32_t)(dice(w, 4) | dice(w, 5));
	item->signs = (uint32_t)dice(w, 6) & 0xf;
	item->exptime = dice(w, 7) % 3 == 0 ? 0 : WALL + (int64_t)(dice(w, 8) % 1000) - 10;
	item->last_access = (int64_t)(dice(w, 9) % 1000);
	item->cas = dice(w, 10);
	item->size = dice(w, 11);
	item->number = dice(w, 12);
	if (body != NULL)
		failed = rend_value_copy_in(&item->value, body, cmd->body);
	else if (cmd->asked.verb == REND_GET && (item->have & REND_WANT_VALUE))
		failed = rend_value_copy_in(&item->value, filler, len);
	WALK_MUST(failed == 0);
}

static void
hear(struct walk *w, const struct asked *asked)
{
	size_t len = w->out.len;
	char *said = malloc(len + 1), *p = said;

	WALK_MUST(said != NULL && !w->out.broken);
	while (w->out.len > 0) {
		struct iovec iov;

		WALK_MUST(chain_iov(&w->out, &iov, 1) == 1);
		memcpy(p, iov.iov_base, iov.iov_len);
		p += iov.iov_len;
		chain_eat(&w->out, iov.iov_len);
	}
	WALK_MUST(p == said + len);
	w->check(said, len, asked);
	note(w, said, len);
	free(said);
}

static bool
needs_op(const struct asked *a)
{
	return a->kind == COMMAND_OP || a->kind == COMMAND_TOO_LARGE || a->kind == COMMAND_FLUSH_ALL;
}

static void
answer(struct walk *w, const struct command *cmd, const char *body)
{
	const struct asked *a = &cmd->asked;
	struct rend_op op = { .verb = a->verb, .key = cmd->key, .keylen = (uint8_t)cmd->keylen, .ask = cmd->ask };
	/* As if there was no memory for it. */
	struct asked none = *a;

	if (a->kind == COMMAND_STATS) {
		dialog_stat(&w->dialog, &w->out, a, "name", "value");
		dialog_stat_end(&w->dialog, &w->out, a, dice(w, 1) % 2 ? STATS_END : STATS_UNKNOWN);
		hear(w, a);
		return;
	}
	if (!needs_op(a)) {
		dialog_reply(&w->dialog, &w->out, a, NULL);
		hear(w, a);
		return;
	}
	if (dice(w, 13) % 16 == 0) {
		none.kind = COMMAND_NO_MEMORY;
		dialog_reply(&w->dialog, &w->out, &none, NULL);
		hear(w, &none);
		return;
	}
	op.status = dice(w, 1) % 2 ? REND_OK : (uint8_t)(dice(w, 14) % (REND_STATUS_COUNT + 1));
	if (a->kind == COMMAND_TOO_LARGE)
		op.verb = REND_DELETE;
	else if (op.status == REND_OK || body != NULL)
		fill_item(w, &op, cmd, body);
	dialog_reply(&w->dialog, &w->out, a, a->kind == COMMAND_FLUSH_ALL && cmd->delay > 0 ? NULL : &op);
	rend_value_drop(&op.item.value);
	hear(w, a);
}

/* ---- feeding ---- */

static void
understood(struct walk *w, const struct command *cmd, const char *body)
{
	w->commands++;
	note_command(w, cmd, body);
	answer(w, cmd, body);
	w->closed |= cmd->asked.close;
}

static void
used_up(struct walk *w, size_t used)
{
	WALK_MUST(used <= w->len);
	w->in += used;
	w->len -= used;
}

/* false: more bytes are needed. */
static bool
feed_body(struct walk *w)
{
	struct command *cmd = &w->storing;
	size_t used;
	enum parse r;

	if (w->len < cmd->body)
		return false;
	r = dialog_body_end(&w->dialog, w->in + cmd->body, w->len - cmd->body, &used, cmd);
	WALK_MUST(r != PARSE_CLOSE);
	if (r == PARSE_MORE) {
		WALK_MUST(used == 0);
		return false;
	}
	understood(w, cmd, w->in);
	used_up(w, cmd->body + used);
	cmd->has_body = false;
	return true;
}

/* false: more bytes are needed, or none are wanted. */
static bool
feed_command(struct walk *w)
{
	struct command cmd;
	size_t used;
	enum parse r;

	/* What a parser does not set must not be used either. */
	memset(&cmd, 0xee, sizeof cmd);
	r = dialog_parse(&w->dialog, w->in, w->len, &used, &cmd);
	if (r == PARSE_CLOSE) {
		note_number(w, r);
		w->closed = true;
	}
	if (r == PARSE_COMMAND) {
		WALK_MUST(used > 0 && used <= w->len);
		if (cmd.has_body) {
			WALK_MUST(cmd.body <= limits.item_size_max && cmd.keylen >= 1 && cmd.keylen <= REND_KEY_MAX);
			memcpy(w->key, cmd.key, cmd.keylen);
			w->storing = cmd;
			w->storing.key = w->key;
		} else {
			understood(w, &cmd, NULL);
		}
	}
	if (r == PARSE_CLOSE)
		return false;
	used_up(w, used);
	return r == PARSE_COMMAND && !w->closed;
}

static void
feed(struct walk *w, size_t len)
{
	w->len += len;
	while (!w->closed && (w->storing.has_body ? feed_body(w) : w->len > 0 && feed_command(w)))
		;
}

/*
 * In pieces of these lengths; the last one goes on.  What has not come yet is there already, but poisoned: a sanitizer sees who reads
 * on.
 */
static uint64_t
walk(const struct dialog *before, walk_check_f *check, const uint8_t *p, size_t len, size_t first, size_t then)
{
	char *in = malloc(len);
	struct walk w = {
		.dialog = *before, .out = { .pools = &pools }, .check = check, .in = in, .hash = 0xcbf29ce484222325
	};
	size_t piece = first;

	WALK_MUST(in != NULL);
	memcpy(in, p, len);
	ASAN_POISON_MEMORY_REGION(in, len);

	for (size_t at = 0; at < len && !w.closed; at += piece, piece = then) {
		if (piece > len - at)
			piece = len - at;
		ASAN_UNPOISON_MEMORY_REGION(in + at, piece);
		feed(&w, piece);
	}
	/* Where one waits for more, so does the other. */
	note_number(&w, w.storing.has_body);
	note_number(&w, w.commands);
	chain_drop(&w.out);
	ASAN_UNPOISON_MEMORY_REGION(in, len);
	free(in);
	return w.hash;
}

void
walk_on(const struct dialog *before, walk_check_f *check, const uint8_t *p, size_t len)
{
	struct dialog d = *before;
	uint64_t whole;

	if (len == 0 || len > INPUT_MAX)
		return;
	d.limits = &limits;
	clock_fake(1000000000, WALL);
	chain_pools_init(&pools);
	whole = walk(&d, check, p, len, len, 1);
	WALK_MUST(walk(&d, check, p, len, 1, 1) == whole);
	if (len > 1)
		WALK_MUST(walk(&d, check, p, len, 1 + p[len - 1] * (len - 1) / 256, len) == whole);
	chain_pools_fini(&pools);
}

void
walk_all_ways(enum dialog_only only, walk_check_f *check, const uint8_t *p, size_t len)
{
	const struct dialog d = { .only = only };

	walk_on(&d, check, p, len);
}
