/*
 * What a client says, carried out.
 *
 *	dialog_parse ─► struct command ─┬─ a key ──────────────► op ─► batch_add
 *	                                ├─ a value that is all there: op with a share of the input
 *	                                ├─ one that is not: body, until it is
 *	                                └─ no op: answered in its place
 */
#include "net/commands.h"

#include "base/clock.h"
#include "engine/op.h"
#include "net/batch.h"
#include "net/conn.h"
#include "net/server.h"
#include "net/stats.h"

/* One connection's share of a turn, beside COMMANDS_MAX. */
#define KEYS_MAX 1024

/* Bytes that are a fair part. */
#define SWALLOWED_PROGRESS (16 * 1024)

/* There was no memory for a command's op. */
static void
add_no_memory(struct batch *b, const struct command *cmd)
{
	struct asked asked = cmd->asked;

	asked.kind = COMMAND_NO_MEMORY;
	batch_answer(b, &asked, NULL);
}

static struct rend_op *
op_of(struct conn *c, const struct command *cmd)
{
	struct rend_op *op = op_new(&c->loop->worker, cmd->key, cmd->keylen);

	if (op == NULL)
		return NULL;
	op->verb = cmd->asked.verb;
	op->ask = cmd->ask;
	op->item.flags = cmd->flags;
	op->item.exptime = cmd->exptime;
	return op;
}

/* A storing command whose body is all there, and well ended or refused. */
static void
add_stored(struct batch *b, const struct command *cmd, struct rend_op *op, bool more)
{
	if (op == NULL) {
		add_no_memory(b, cmd);
		return;
	}
	if (cmd->asked.kind != COMMAND_REFUSED) {
		batch_add(b, &cmd->asked, op, more);
		return;
	}
	rend_op_free(&op);
	count_add(&b->conn->loop->counts.refused, 1);
	batch_answer(b, &cmd->asked, NULL);
}

/* The value as it lies in the input: by reference if that is the worker's buffer. */
static int
take_value(struct conn *c, struct rend_op *op, const char *p, size_t len)
{
	struct readbuf *rb = &c->loop->readbuf;

	if (len == 0)
		return 0;
	if (!readbuf_has(rb, p))
		return rend_value_copy_in(&op->item.value, p, len);
	rend_buf_ref(rb->buf);
	return rend_value_add(&op->item.value, rb->buf, p, len);
}

/* A value begins at p + *at.  If it is all there it is taken at once, else it gets a body to come into. */
static void
begin_body(struct batch *b, struct command *cmd, const struct body_said *said, const char *p, size_t len, size_t *at)
{
	struct conn *c = b->conn;
	struct rend_op *op = op_of(c, cmd);
	size_t used = 0;

	if (op != NULL && len - *at >= cmd->body) {
		const char *end = p + *at + cmd->body;
		struct dialog before = c->dialog;

		switch (dialog_body_end(&c->dialog, end, len - *at - cmd->body, &used, cmd)) {
		case PARSE_COMMAND:
			if (take_value(c, op, p + *at, cmd->body) != 0)
				rend_op_free(&op);
			*at += cmd->body + used;
			add_stored(b, cmd, op, *at < len);
			return;
		case PARSE_CLOSE:
			rend_op_free(&op);
			conn_finish(c);
			return;
		case PARSE_MORE:
			c->dialog = before; /* asked again when the body has it all */
		}
	}
	c->body = body_new(cmd, op, c->policy, said);
	if (c->body == NULL)
		conn_close(c);
}

/* Goes on with a value that is on its way.  false: more bytes are needed. */
static bool
go_on_with_body(struct batch *batch, const char *p, size_t len, size_t *at)
{
	struct conn *c = batch->conn;
	struct body *b = c->body;
	struct command cmd;
	struct rend_op *op;
	size_t used = 0;
	enum parse r;

	if (!b->ended)
		*at += body_feed(b, p + *at, len - *at);
	if (!b->ended)
		return false;
	r = dialog_body_end(&c->dialog, p + *at, len - *at, &used, &b->cmd);
	*at += used;
	if (r == PARSE_MORE)
		return false;
	if (r == PARSE_CLOSE) {
		conn_finish(c);
		return false;
	}
	cmd = b->cmd;
	op = b->op;
	b->op = NULL;
	body_free(&c->body);
	c->progressed = true;
	/* It may be of an earlier generation. */
	if (op != NULL && !op_renew(op))
		rend_op_free(&op);
	add_stored(batch, &cmd, op, *at < len);
	return true;
}

static void
add_flush(struct batch *b, const struct command *cmd)
{
	struct conn *c = b->conn;
	struct rend_op *op;

	batch_ask(b);
	server_flush_later(c->loop, c->listener, cmd->delay);
	if (cmd->delay > 0) {
		batch_answer(b, &cmd->asked, NULL);
		return;
	}
	op = op_new(&c->loop->worker, "", 0);
	if (op == NULL) {
		add_no_memory(b, cmd);
		return;
	}
	op->verb = REND_FLUSH_ALL;
	batch_answer(b, &cmd->asked, op);
}

/* An older value must not outlive the set that was too large to take its place. */
static void
add_too_large(struct batch *b, const struct command *cmd)
{
	struct rend_op *op = op_new(&b->conn->loop->worker, cmd->key, cmd->keylen);

	if (op == NULL) {
		add_no_memory(b, cmd);
		return;
	}
	op->verb = REND_DELETE;
	batch_answer(b, &cmd->asked, op);
}

static void
add_op(struct batch *b, const struct command *cmd, bool more)
{
	struct rend_op *op = op_of(b->conn, cmd);

	if (op == NULL)
		add_no_memory(b, cmd);
	else
		batch_add(b, &cmd->asked, op, more);
}

static void
carry_out(struct batch *b, struct command *cmd, const struct body_said *said, const char *p, size_t len, size_t *at)
{
	struct conn *c = b->conn;

	if (cmd->has_body) {
		begin_body(b, cmd, said, p, len, at);
		return;
	}
	switch (cmd->asked.kind) {
	case COMMAND_OP:
		add_op(b, cmd, *at < len);
		return;
	case COMMAND_FLUSH_ALL:
		add_flush(b, cmd);
		return;
	case COMMAND_TOO_LARGE:
		add_too_large(b, cmd);
		return;
	case COMMAND_STATS:
		/* The words behind it are gone when its turn to be answered comes. */
		stats_parse(c->loop->server, cmd->args, cmd->args_len, &cmd->asked);
		break;
	case COMMAND_SHUTDOWN:
		server_shut_down(c->loop->server);
		break;
	case COMMAND_QUIT:
		cmd->asked.close = true;
		break;
	case COMMAND_REFUSED:
		count_add(&c->loop->counts.refused, 1);
		break;
	default:
		break;
	}
	batch_answer(b, &cmd->asked, NULL);
	if (cmd->asked.close)
		c->deaf = true;
}

/* Of a refused value that is being dropped, a fair part is progress too. */
static void
count_swallowed(struct conn *c, size_t bytes)
{
	if (c->swallowed + bytes < SWALLOWED_PROGRESS) {
		c->swallowed += (uint16_t)bytes;
		return;
	}
	c->swallowed = 0;
	c->progressed = true;
}

size_t
commands_run(struct conn *c, const char *p, size_t len)
{
	unsigned commands = 0, keys = 0;
	struct batch batch;
	size_t at = 0;

	batch_begin(&batch, c);
	while (!c->finishing && !c->gone && !c->deaf) {
		struct body_said said;
		struct command cmd;
		size_t used = 0;
		enum parse r;

		if (c->body != NULL) {
			if (!go_on_with_body(&batch, p, len, &at))
				break;
			continue;
		}
		/* What is dropped needs no room for an answer. */
		if (at == len || (c->dialog.swallow == 0 && conn_owes_too_much(c)))
			break;
		if (commands >= COMMANDS_MAX || keys >= KEYS_MAX) {
			count_add(&c->loop->counts.yields, 1);
			conn_mark_runnable(c);
			break;
		}
		said = (struct body_said){ .text = (char *)(uintptr_t)p + at,
			.swallow = c->dialog.swallow,
			.swallow_line = c->dialog.swallow_line };
		r = dialog_parse(&c->dialog, p + at, len - at, &used, &cmd);
		said.len = used;
		at += used;
		if (r == PARSE_MORE) {
			count_swallowed(c, used);
			break;
		}
		c->progressed = true;
		if (r == PARSE_CLOSE) {
			conn_finish(c);
			break;
		}
		if (keys++ == 0)
			c->heard = (uint32_t)(clock_now() / 1000000000);
		if (cmd.asked.kind != COMMAND_OP || cmd.asked.verb != REND_GET || cmd.asked.last)
			commands++;
		carry_out(&batch, &cmd, &said, p, len, &at);
	}
	if (batch.count > 0)
		batch_ask(&batch);
	/* What a client says behind `quit`, or behind what ended its connection, is nobody's. */
	return c->finishing || c->deaf ? len : at;
}
