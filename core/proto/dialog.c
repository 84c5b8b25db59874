/* Which protocol a connection speaks; all else is the protocol's. */
#include "proto/bin.h"
#include "proto/proto.h"
#include "proto/text.h"
#include "rend/check.h"

const struct proto_limits proto_limits_default = {
	.item_size_max = 1024 * 1024,
	.line_max = 2048,
	.get_line_max = 1024 * 1024 + 64 * 1024,
	.flush_enabled = true,
	.shutdown_enabled = false,
	.cas_enabled = true,
};

const struct protocol text_protocol = {
	.name = "text",
	.parse = text_parse,
	.body_end = text_body_end,
	.reply = text_reply,
	.stat = text_stat,
	.stat_text = text_stat_text,
	.stat_end = text_stat_end,
};

const struct protocol binary_protocol = {
	.name = "binary",
	.parse = bin_parse,
	.reply = bin_reply,
	.stat = bin_stat,
	.stat_text = bin_stat_text,
	.stat_end = bin_stat_end,
};

static const struct protocol *
protocol_of(char first)
{
	return (unsigned char)first == BIN_REQUEST ? &binary_protocol : &text_protocol;
}

enum parse
dialog_parse(struct dialog *d, const char *in, size_t len, size_t *used, struct command *cmd)
{
	*used = 0;
	if (len == 0)
		return PARSE_MORE;
	if (d->protocol == NULL) {
		d->protocol = protocol_of(*in);
		if (d->only != DIALOG_ANY && (d->only == DIALOG_TEXT) != (d->protocol == &text_protocol))
			return PARSE_CLOSE;
	}
	return d->protocol->parse(d, in, len, used, cmd);
}

enum parse
dialog_body_end(struct dialog *d, const char *in, size_t len, size_t *used, struct command *cmd)
{
	REND_ASSERT(d->protocol != NULL);
	*used = 0;
	if (d->protocol->body_end == NULL)
		return PARSE_COMMAND;
	if (len == 0)
		return PARSE_MORE;
	return d->protocol->body_end(d, in, len, used, cmd);
}

void
dialog_reply(struct dialog *d, struct chain *out, const struct asked *asked, const struct rend_op *op)
{
	REND_ASSERT(d->protocol != NULL);
	d->protocol->reply(d, out, asked, op);
}

void
dialog_stat(struct dialog *d, struct chain *out, const struct asked *asked, const char *name, const char *value)
{
	REND_ASSERT(d->protocol != NULL);
	d->protocol->stat(d, out, asked, name, value);
}

void
dialog_stat_text(
    struct dialog *d, struct chain *out, const struct asked *asked, const char *name, const char *text, size_t len)
{
	REND_ASSERT(d->protocol != NULL);
	d->protocol->stat_text(d, out, asked, name, text, len);
}

void
dialog_stat_end(struct dialog *d, struct chain *out, const struct asked *asked, enum stats_end how)
{
	REND_ASSERT(d->protocol != NULL);
	d->protocol->stat_end(d, out, asked, how);
}
