/* Headers of the binary protocol that lie about their lengths: refused, or swallowed to the byte, by the header alone. */
#include "../base/unit.h"

#include "proto/bin_wire.h"
#include "proto/proto.h"

static const struct proto_limits small = {
	.item_size_max = 20,
	.flush_enabled = true,
	.cas_enabled = true,
};

/* What each opcode takes, as memcached's document has it: bytes of extras, key ('1': one, '0': none, '?': either), value. */
static const struct shape {
	uint8_t opcode, extras;
	char key;
	bool value;
} shapes[] = {
	{ 0x00, 0, '1', false },
	{ 0x01, 8, '1', true },
	{ 0x02, 8, '1', true },
	{ 0x03, 8, '1', true },
	{ 0x04, 0, '1', false },
	{ 0x05, 20, '1', false },
	{ 0x06, 20, '1', false },
	{ 0x07, 0, '0', false },
	{ 0x08, 4, '0', false },
	{ 0x08, 0, '0', false },
	{ 0x09, 0, '1', false },
	{ 0x0a, 0, '0', false },
	{ 0x0b, 0, '0', false },
	{ 0x0c, 0, '1', false },
	{ 0x0d, 0, '1', false },
	{ 0x0e, 0, '1', true },
	{ 0x0f, 0, '1', true },
	{ 0x10, 0, '?', false },
	{ 0x11, 8, '1', true },
	{ 0x12, 8, '1', true },
	{ 0x13, 8, '1', true },
	{ 0x14, 0, '1', false },
	{ 0x15, 20, '1', false },
	{ 0x16, 20, '1', false },
	{ 0x17, 0, '0', false },
	{ 0x18, 4, '0', false },
	{ 0x18, 0, '0', false },
	{ 0x19, 0, '1', true },
	{ 0x1a, 0, '1', true },
	{ 0x1b, 4, '0', false },
	{ 0x1c, 4, '1', false },
	{ 0x1d, 4, '1', false },
	{ 0x1e, 4, '1', false },
	{ 0x23, 4, '1', false },
	{ 0x24, 4, '1', false },
	{ 0x40, 0, '1', false },
	{ 0x41, 0, '1', false },
};

enum verdict { CLOSED, INVALID_CLOSED, SWALLOWED, TAKEN };

static enum verdict
verdict(uint8_t opcode, uint64_t keylen, uint64_t extlen, uint64_t bodylen)
{
	bool known = false;

	if (opcode == 0x1d && extlen == 4 && bodylen == keylen)
		bodylen += 4;
	if (keylen + extlen > bodylen)
		return CLOSED;
	if (keylen > 250)
		return INVALID_CLOSED;
	for (size_t i = 0; i < COUNT_OF(shapes); i++) {
		const struct shape *s = &shapes[i];

		if (s->opcode != opcode)
			continue;
		known = true;
		if (extlen == s->extras && (s->key == '?' || (keylen > 0) == (s->key == '1')) &&
		    (s->value || bodylen == keylen + extlen))
			return TAKEN;
	}
	return known ? INVALID_CLOSED : SWALLOWED;
}

struct corner {
	uint8_t opcode, extlen;
	uint16_t keylen;
	uint32_t bodylen;
};

/* A copy that ends where the bytes end, so that a sanitizer sees who reads on. */
static enum parse
parse_copy(struct dialog *d, const struct corner *c, size_t len, size_t *used, struct command *cmd, char **copy)
{
	*copy = calloc(1, len);
	assert_non_null(*copy);
	(*copy)[0] = (char)BIN_REQUEST;
	(*copy)[BIN_AT_OPCODE] = (char)c->opcode;
	bin_put_u16(*copy + BIN_AT_KEYLEN, c->keylen);
	(*copy)[BIN_AT_EXTLEN] = (char)c->extlen;
	bin_put_u32(*copy + BIN_AT_BODYLEN, c->bodylen);
	memset(cmd, 0xee, sizeof(*cmd));
	return dialog_parse(d, *copy, len, used, cmd);
}

static void
fail_at(const char *what, const struct corner *c)
{
	fail_msg("%s: opcode %#x, key %u, extras %u, body %u", what, c->opcode, c->keylen, c->extlen, c->bodylen);
}

static void
check_refused(const struct corner *c, enum verdict v)
{
	struct dialog d = { .limits = &small };
	struct command cmd;
	size_t used;
	char *in;

	/* Of the header alone: nothing that it claims is waited for. */
	if (parse_copy(&d, c, BIN_HEADER, &used, &cmd, &in) != PARSE_COMMAND || cmd.asked.kind != COMMAND_REFUSED ||
	    used != BIN_HEADER || cmd.has_body)
		fail_at("what came", c);
	if (cmd.asked.code != (v == INVALID_CLOSED ? BIN_INVALID : BIN_UNKNOWN) || cmd.asked.close != (v != SWALLOWED))
		fail_at("code", c);
	if (d.swallow != (v == SWALLOWED ? c->bodylen : 0))
		fail_at("what is swallowed", c);
	free(in);
}

static void
check_taken(const struct corner *c)
{
	struct dialog d = { .limits = &small };
	size_t head = BIN_HEADER + c->keylen + c->extlen, used;
	uint64_t rest = c->bodylen > (uint64_t)c->keylen + c->extlen ? c->bodylen - c->keylen - c->extlen : 0;
	struct command cmd;
	char *in;

	if (head > BIN_HEADER) {
		if (parse_copy(&d, c, head - 1, &used, &cmd, &in) != PARSE_MORE || used != 0)
			fail_at("too early", c);
		free(in);
	}
	if (parse_copy(&d, c, head, &used, &cmd, &in) != PARSE_COMMAND || used != head || cmd.keylen != c->keylen)
		fail_at("what came", c);
	if (cmd.keylen > 0 && cmd.key != in + BIN_HEADER + c->extlen)
		fail_at("the key", c);
	if (rest > small.item_size_max ? d.swallow != rest || cmd.has_body : d.swallow != 0 || cmd.body != rest)
		fail_at("the value", c);
	free(in);
}

static void
check_corner(const struct corner *c, size_t *seen)
{
	enum verdict v = verdict(c->opcode, c->keylen, c->extlen, c->bodylen);

	seen[v]++;
	if (v == TAKEN)
		check_taken(c);
	else
		check_refused(c, v);
}

static void
test_every_corner_of_every_length(void **state)
{
	static const uint32_t lengths[] = { 0, 1, 4, 8, 20, 250, 251, 255, 65535, INT32_MAX, 1U << 31, UINT32_MAX };
	size_t seen[4] = { 0 };

	for (unsigned opcode = 0; opcode < 256; opcode++)
		for (size_t k = 0; lengths[k] <= UINT16_MAX; k++)
			for (size_t e = 0; lengths[e] <= UINT8_MAX; e++) {
				struct corner c = { (uint8_t)opcode, (uint8_t)lengths[e], (uint16_t)lengths[k], 0 };
				uint32_t sum = lengths[k] + lengths[e];

				for (size_t b = 0; b < COUNT_OF(lengths); b++) {
					c.bodylen = lengths[b];
					check_corner(&c, seen);
				}
				for (uint32_t b = sum == 0 ? 0 : sum - 1; b <= sum + 1; b++) {
					c.bodylen = b;
					check_corner(&c, seen);
				}
			}
	for (size_t i = 0; i < COUNT_OF(seen); i++)
		assert_true(seen[i] > 100);
}

static void
test_every_length_of_extras(void **state)
{
	size_t seen[4] = { 0 };

	for (unsigned opcode = 0; opcode < 256; opcode++)
		for (unsigned extlen = 0; extlen < 256; extlen++)
			for (uint16_t keylen = 0; keylen < 2; keylen++) {
				struct corner c = { (uint8_t)opcode, (uint8_t)extlen, keylen, extlen + keylen };

				check_corner(&c, seen);
			}
	assert_true(seen[TAKEN] > COUNT_OF(shapes) / 2);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_corner_of_every_length),
		cmocka_unit_test(test_every_length_of_extras),
	};

	return cmocka_run_group_tests_name("proto/bin_lengths", tests, NULL, NULL);
}
