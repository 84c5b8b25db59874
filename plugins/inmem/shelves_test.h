/* A store with two workers on one thread, and no core, for tests of its parts.  Values say whose they are. */
#ifndef INMEM_SHELVES_TEST_H
#define INMEM_SHELVES_TEST_H

#include "store.h"

#define MIB (1024 * 1024)

extern struct store *store;
extern struct shelf *shelves[2];

void shelves_make(uint64_t limit, bool evict);
void shelves_end(void);

/* An op for a key. */
struct op {
	char key[32];
	struct rend_op op; /* which may be longer */
};
struct rend_op *op_of(struct op *o, int key);

/* The byte that a key's value has there. */
char described(int key, size_t at);

/* len bytes that say whose they are. */
void write_described(const struct draft *d, int key, size_t len);
bool is_whole(struct record *r, int key, size_t len);
bool large_is_whole(const struct large *l, int key, size_t len);

bool put(struct shelf *sh, int key, size_t len);
bool put_until(struct shelf *sh, int key, size_t len, int64_t exptime);
void drop(struct shelf *sh, int key);
void touch(struct shelf *sh, int key, int64_t exptime);
struct record *find(int key);

/* The worker is at work no more. */
void leave(struct shelf *sh);

/* Growth comes to its end, all that came is looked at, and nobody is at work. */
void settle(void);

/* Chance, the same each time. */
unsigned roll(unsigned sides);

#endif
