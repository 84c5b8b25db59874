/* One request of the binary protocol, and its answer taken apart. */
#ifndef BIN_TALK_H
#define BIN_TALK_H

#include "proto/bin_wire.h"
#include "proto/proto.h"

struct talk {
	struct dialog dialog;
	struct chain out;
	struct command cmd;
	char key[REND_KEY_MAX];
};

struct answer {
	uint8_t opcode, extlen;
	uint16_t keylen, status;
	uint32_t bodylen;
	uint64_t cas;
	char body[1 << 17];
};

/* Opcodes that are ops. */
struct known {
	uint8_t opcode, extras;
	bool quiet;
	uint8_t verb;
};
extern const struct known known[];
extern const size_t known_count;

/* Limits of a server without versions. */
extern const struct proto_limits no_cas;

#define VERSION UINT64_C(0x0102030405060708)

void talk_init(struct talk *t, const struct proto_limits *limits);
void talk_fini(struct talk *t);

/* Makes t->cmd what a request of this opcode is. */
void ask(struct talk *t, uint8_t opcode, uint8_t extlen, const char *key, size_t keylen, uint32_t claimed);

/* The op of t->cmd, finished so. */
struct rend_op *op_new_for(const struct talk *t, uint8_t status);
void op_drop(struct rend_op **opp);

/* Takes one whole answer apart; false: there is none. */
bool next_answer(struct talk *t, struct answer *a);

/* There is one answer, with nothing but this status and this text. */
void check_says(struct talk *t, uint8_t opcode, uint16_t status, const char *text);

/* There is none. */
void check_silent(struct talk *t, uint8_t opcode, uint8_t status);

/* Does an answer of this opcode repeat the key? */
bool repeats_key(uint8_t opcode);

int talk_setup(void **state);
int talk_teardown(void **state);

#endif
