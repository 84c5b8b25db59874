/*
 * The keys: how they are named, and which is next.  A key is a number below `count`; its name is the prefix and that number in letters,
 * as the first Rend's tools had it: AAAA, AAAB, ... of -kl letters.  Keys whose values are numbers (incr, decr) have names of small
 * letters, and the bit KEYS_NUMBER.
 */
#ifndef LOAD_KEYS_H
#define LOAD_KEYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "random.h"

#define KEYS_NAME_MAX 250
#define KEYS_MAX      (UINT32_C(1) << 30)
#define KEYS_NUMBER   (UINT32_C(1) << 30)

enum keys_order { KEYS_UNIFORM, KEYS_ZIPF, KEYS_HOTSPOT, KEYS_SEQUENTIAL };

struct keys {
	char zero[2][KEYS_NAME_MAX]; /* the names of key 0, and of number 0 */
	uint32_t len, letters;	     /* of every name, and of what is behind the prefix */
	uint32_t count;
	uint64_t salt; /* from the prefix: the same number under another prefix is another key */

	enum keys_order order;
	double skew;		    /* of zipf */
	double hot_keys, hot_share; /* of hotspot: so much of the keys gets so much of the requests */
	double zipf_low, zipf_high, zipf_cut;
	uint32_t next; /* of sequential */
};

/* order: "uniform", "zipf:0.99", "hotspot:10%:90%", "sequential".  Returns NULL, or what is wrong; the string is static. */
const char *keys_order_parse(struct keys *k, const char *order);

/* How many letters count keys need. */
uint32_t keys_letters(uint64_t count);

/* How many keys so many letters can name, at most KEYS_MAX. */
uint32_t keys_space(uint32_t letters);

/* prefix and letters together at most KEYS_NAME_MAX; count at most keys_space(letters). */
void keys_init(struct keys *k, const char *prefix, uint32_t letters, uint32_t count);

/* Writes the name of key, k->len bytes without NUL; bits above KEYS_NUMBER are others' and do not count.  Returns its end. */
char *keys_name(const struct keys *k, uint32_t key, char *to);

/* Is this its name? */
bool keys_is(const struct keys *k, uint32_t key, const char *name, size_t len);

/* Which key has this name?  UINT32_MAX if none. */
uint32_t keys_find(const struct keys *k, const char *name, size_t len);

/* The next one, in the order that was asked for. */
uint32_t keys_pick(struct keys *k, struct random *r);

#endif
