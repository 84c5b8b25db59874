/*
 * An ask is an op with everything that must not change noted down: before it is submitted, and again when it is answered.
 * It stays until the handler is closed, so that whoever touches it after its answer is found out.
 */
#ifndef KIT_ASK_H
#define KIT_ASK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/op.h"

struct seat;

struct ask {
	struct ask *next; /* of the seat's */
	struct seat *seat;
	struct rend_op *op;    /* set up by the behaviour before ask_submit() */
	struct rend_ask asked; /* as it was when it was submitted */
	struct rend_item brought;
	char key[REND_KEY_MAX];
	bool submitted, answered, checked;
	char after[OP_KID_SIZE] __attribute__((aligned(16))); /* as it was when it was answered */
};

/* An ask that is not submitted yet. */
struct ask *ask_new(struct seat *s, unsigned verb, const void *key, size_t keylen);

/* Adds a piece to the value it brings. */
void ask_piece(struct ask *a, const void *p, size_t len);

/* The same len bytes, `times` times, without a copy of them for each. */
void ask_repeat(struct ask *a, const void *p, size_t len, unsigned times);

void ask_submit(struct ask *a);

/* Runs the seat's loop until it is answered; then everything that must hold for any answer has been checked. */
enum rend_status ask_wait(struct ask *a);

/* Drops the value it brought or got. */
void ask_drop(struct ask *a);

/* Is the value these bytes? */
bool value_is(const struct rend_value *v, const void *p, size_t len);

/* How long an answer may take, ns. */
uint64_t ask_patience(const struct seat *s);

/* The handler is closed: fails if the ask does not look as it did when it was answered; the fields that are the core's or ours are left out. */
void ask_check_untouched(const struct ask *a);

/* How many buffers of values that asks brought are still in somebody's hands. */
unsigned ask_values_out(void);

#endif
