/* One request of the binary protocol, and its answer: see bin_talk.h. */
#include "bin_talk.h"

#include "../base/unit.h"
#include "hidden.h"

static struct chain_pools pools;

const struct proto_limits no_cas = { .item_size_max = 1 << 20, .flush_enabled = true };

const struct known known[] = {
	{ BIN_GET, 0, false, REND_GET },
	{ BIN_GETQ, 0, true, REND_GET },
	{ BIN_GETK, 0, false, REND_GET },
	{ BIN_GETKQ, 0, true, REND_GET },
	{ BIN_GETE, 0, false, REND_GET },
	{ BIN_GETEQ, 0, true, REND_GET },
	{ BIN_TOUCH, 4, false, REND_GET },
	{ BIN_GAT, 4, false, REND_GET },
	{ BIN_GATQ, 4, true, REND_GET },
	{ BIN_GATK, 4, false, REND_GET },
	{ BIN_GATKQ, 4, true, REND_GET },
	{ BIN_SET, 8, false, REND_SET },
	{ BIN_SETQ, 8, true, REND_SET },
	{ BIN_ADD, 8, false, REND_ADD },
	{ BIN_ADDQ, 8, true, REND_ADD },
	{ BIN_REPLACE, 8, false, REND_REPLACE },
	{ BIN_REPLACEQ, 8, true, REND_REPLACE },
	{ BIN_APPEND, 0, false, REND_APPEND },
	{ BIN_APPENDQ, 0, true, REND_APPEND },
	{ BIN_PREPEND, 0, false, REND_PREPEND },
	{ BIN_PREPENDQ, 0, true, REND_PREPEND },
	{ BIN_DELETE, 0, false, REND_DELETE },
	{ BIN_DELETEQ, 0, true, REND_DELETE },
	{ BIN_INCREMENT, 20, false, REND_INCR },
	{ BIN_INCREMENTQ, 20, true, REND_INCR },
	{ BIN_DECREMENT, 20, false, REND_DECR },
	{ BIN_DECREMENTQ, 20, true, REND_DECR },
};
const size_t known_count = COUNT_OF(known);

bool
repeats_key(uint8_t opcode)
{
	return opcode == BIN_GETK || opcode == BIN_GETKQ || opcode == BIN_GATK || opcode == BIN_GATKQ;
}

void
talk_init(struct talk *t, const struct proto_limits *limits)
{
	*t = (struct talk){ .dialog = { .limits = limits }, .out = { .pools = &pools } };
}

void
talk_fini(struct talk *t)
{
	assert_int_equal(t->out.len, 0);
	chain_drop(&t->out);
}

void
ask(struct talk *t, uint8_t opcode, uint8_t extlen, const char *key, size_t keylen, uint32_t claimed)
{
	char in[BIN_HEADER + BIN_EXTRAS_MAX + REND_KEY_MAX] = { (char)BIN_REQUEST, (char)opcode };
	size_t used;

	bin_put_u16(in + BIN_AT_KEYLEN, (uint16_t)keylen);
	in[BIN_AT_EXTLEN] = (char)extlen;
	bin_put_u32(in + BIN_AT_BODYLEN, (uint32_t)(keylen + extlen + claimed));
	memcpy(in + BIN_AT_OPAQUE, "\x01\xfe\x00\x80", 4);
	if (keylen > 0)
		memcpy(in + BIN_HEADER + extlen, key, keylen);
	assert_int_equal(dialog_parse(&t->dialog, in, BIN_HEADER + extlen + keylen, &used, &t->cmd), PARSE_COMMAND);
	if (keylen > 0)
		memcpy(t->key, key, keylen);
}

struct rend_op *
op_new_for(const struct talk *t, uint8_t status)
{
	struct rend_op *op = calloc(1, sizeof(*op));

	assert_non_null(op);
	op->verb = t->cmd.asked.verb;
	op->ask = t->cmd.ask;
	op->status = status;
	op->key = t->key;
	op->keylen = (uint8_t)t->cmd.keylen;
	if (status == REND_TIMEOUT)
		item_hide(op);
	return op;
}

void
op_drop(struct rend_op **opp)
{
	item_show(*opp);
	rend_value_drop(&(*opp)->item.value);
	free(*opp);
	*opp = NULL;
}

static size_t
drain(struct talk *t, char *to, size_t max)
{
	size_t at = 0;

	while (t->out.len > 0) {
		struct iovec iov;

		assert_int_equal(chain_iov(&t->out, &iov, 1), 1);
		assert_true(at + iov.iov_len <= max);
		memcpy(to + at, iov.iov_base, iov.iov_len);
		at += iov.iov_len;
		chain_eat(&t->out, iov.iov_len);
	}
	return at;
}

bool
next_answer(struct talk *t, struct answer *a)
{
	static char bytes[sizeof(a->body) + BIN_HEADER];
	size_t len = drain(t, bytes, sizeof(bytes));

	if (len == 0)
		return false;
	assert_true(len >= BIN_HEADER);
	assert_int_equal((uint8_t)bytes[0], BIN_RESPONSE);
	assert_memory_equal(bytes + BIN_AT_OPAQUE, "\x01\xfe\x00\x80", 4);
	assert_int_equal(bytes[5], 0);
	a->opcode = (uint8_t)bytes[BIN_AT_OPCODE];
	a->keylen = bin_u16(bytes + BIN_AT_KEYLEN);
	a->extlen = (uint8_t)bytes[BIN_AT_EXTLEN];
	a->status = bin_u16(bytes + BIN_AT_STATUS);
	a->bodylen = bin_u32(bytes + BIN_AT_BODYLEN);
	a->cas = bin_u64(bytes + BIN_AT_CAS);
	assert_int_equal(len, BIN_HEADER + a->bodylen);
	memcpy(a->body, bytes + BIN_HEADER, a->bodylen);
	a->body[a->bodylen] = '\0';
	return true;
}

void
check_says(struct talk *t, uint8_t opcode, uint16_t status, const char *text)
{
	static struct answer a;

	if (!next_answer(t, &a))
		fail_msg("opcode %#x: nothing, not %s", opcode, text);
	if (a.opcode != opcode || a.status != status || strcmp(a.body, text) != 0 || a.bodylen != strlen(text))
		fail_msg("opcode %#x: %#x %s, not %#x %s", opcode, a.status, a.body, status, text);
	assert_int_equal(a.keylen, 0);
	assert_int_equal(a.extlen, 0);
	assert_int_equal(a.cas, 0);
}

void
check_silent(struct talk *t, uint8_t opcode, uint8_t status)
{
	if (t->out.len > 0)
		fail_msg("opcode %#x says something of %s", opcode, rend_status_name(status));
}

int
talk_setup(void **state)
{
	chain_pools_init(&pools);
	return 0;
}

int
talk_teardown(void **state)
{
	chain_pools_fini(&pools);
	return 0;
}
