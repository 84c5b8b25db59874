/*
 * What must be in the cache: a model of each key, kept in step with the requests as they are sent.  All requests about one key go over
 * one connection, so the server carries them out in this order, and every answer is known before it comes.
 *
 * It keeps no values, only which pieces they are made of.
 */
#ifndef LOAD_MODEL_H
#define LOAD_MODEL_H

#include "ear.h"
#include "request.h"

enum model_state {
	MODEL_UNKNOWN, /* from an earlier run, or a request about it was lost */
	MODEL_ABSENT,
	MODEL_VALUE,
	MODEL_NUMBER,
};

struct model_item {
	uint8_t state; /* enum model_state */
	uint8_t pieces;
	bool seen;	  /* a version of it was: cas and seen_at */
	uint32_t changes; /* how often it was stored or deleted */
	uint32_t seen_at; /* changes, as cas was seen */
	uint64_t cas, number;
	struct piece piece[PIECES_MAX];
};

struct model {
	const struct keys *keys;
	struct model_item *items; /* those of values, and behind them those of numbers */
	bool may_evict;		  /* what is there may be gone */
};

/* 0, or -1: no memory. */
int model_init(struct model *m, const struct keys *k, bool may_evict);
void model_fini(struct model *m);

struct model_item *model_item(struct model *m, uint32_t key);

/* Can this verb be asked about the key now, and its answer be known? */
bool model_can(struct model *m, enum verb v, uint32_t key);

/* *r, of which verb and key, and the piece or number are filled in, is about to be sent: fills in what must be answered, and the version
 * of cas. */
void model_ask(struct model *m, struct request *r);

/* It is answered.  NULL, or what is wrong with the number; the string is static. */
const char *model_answered(struct model *m, const struct request *r, const struct answer *a);

/* Nobody knows whether it was carried out. */
void model_lost(struct model *m, const struct request *r);

#endif
