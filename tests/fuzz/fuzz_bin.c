/* The binary protocol: anything that a client may say, and anything that a handler may answer. */
#include <stdio.h>
#include <stdlib.h>

#include "proto/bin_wire.h"
#include "walk.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t len);

/* Packets that are as long as they say, each with the opcode and opaque of the request. */
static void
check(const char *p, size_t len, const struct asked *asked)
{
	while (len > 0) {
		size_t body, opaque = BIN_AT_OPAQUE;

		WALK_MUST(len >= BIN_HEADER && (uint8_t)p[0] == BIN_RESPONSE);
		WALK_MUST((uint8_t)p[BIN_AT_OPCODE] == asked->bin.opcode);
		WALK_MUST(memcmp(p + opaque, &asked->bin.opaque, sizeof asked->bin.opaque) == 0);
		body = bin_u32(p + BIN_AT_BODYLEN);
		WALK_MUST(body <= len - BIN_HEADER);
		WALK_MUST((size_t)bin_u16(p + BIN_AT_KEYLEN) + (uint8_t)p[BIN_AT_EXTLEN] <= body);
		p += BIN_HEADER + body;
		len -= BIN_HEADER + body;
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t len)
{
	walk_all_ways(DIALOG_BINARY, check, p, len);
	return 0;
}
