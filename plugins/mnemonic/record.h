/*
 * How one item lies in the database, little-endian:
 *
 *	key	the client's; one that begins with 0, 1 or 2 has another 2 before it, for those are ours
 *	value	u8 format | u8 flags | u16 0 | u32 client flags | u32 exptime | u64 version | u64 cas, if the flags say so | bytes
 *
 * The version rises with each change and says what a flush_all has taken away; it is the item's cas, too, unless its client gave another.
 * A value of more than PIECE bytes lies in pieces of that length, and what lies at its key is what they are (RECORD_PIECES): u64 length.
 *
 *	key of a piece	u8 1 | u64 u64 hash of the key | u64 version | u32 which
 *	piece		u32 exptime | bytes
 */
#ifndef MNEMONIC_RECORD_H
#define MNEMONIC_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rend/op.h"

enum {
	RECORD_STALE = 1 << 0,	/* marked by a delete or a set with REND_INVALIDATE */
	RECORD_SENT = 1 << 1,	/* a client was told that it is the one to fill it */
	RECORD_CAS = 1 << 2,	/* it has one of its own */
	RECORD_PIECES = 1 << 3, /* its value lies in pieces */
};

#define RECORD_FORMAT	1
#define RECORD_KEY_MAX	(REND_KEY_MAX + 1)
#define RECORD_HEAD_MAX 28

/* Without its value. */
struct record {
	uint8_t flags;
	uint32_t cflags;
	uint32_t exptime; /* unix seconds; 0: never */
	uint64_t version, cas;
};

/* The key that it has in the database; returns its length. */
size_t record_key(char to[RECORD_KEY_MAX], const char *key, size_t len);

/* Unix seconds as they are kept: 0 is never; what has passed is 1. */
uint32_t record_exptime(int64_t exptime);

/* The head of a value; returns its length. */
size_t record_write(char to[RECORD_HEAD_MAX], const struct record *r);

/* Returns the length of the head, or 0: it is none of ours. */
size_t record_read(const char *p, size_t len, struct record *r);

#define PIECE_BYTES   (1U << 20)
#define PIECE_KEY_LEN 29
#define PIECE_HEAD    4 /* u32 exptime, before the bytes of each piece */

/* The key of the nth piece of what has this key, there, and this version. */
void record_piece_key(char to[PIECE_KEY_LEN], const char *key, size_t len, uint64_t version, uint32_t nth);

/* Is it one, and of which version? */
bool record_is_piece(const char *key, size_t keylen);
uint64_t record_piece_version(const char *key);

void record_piece_head(char to[PIECE_HEAD], uint32_t exptime);
uint32_t record_piece_exptime(const char *p, size_t len);

#define MANIFEST_LEN 8

void record_manifest_write(char to[MANIFEST_LEN], uint64_t len);
bool record_manifest_read(const char *p, size_t len, uint64_t *total);

#endif
