/*
 * How a value lies under several keys of another handler, byte by byte as the original Rend wrote it.
 *
 *	<key>-meta	40 bytes, numbers big-endian:
 *			length | flags | pieces | bytes of data in a piece | when it was written | exptime | token (16 bytes)
 *	<key>-0 ...	token (16 bytes) | data, filled up with zeros: each piece is as long as the others
 *
 * The token is drawn anew for each value.  No I/O.
 */
#ifndef CHUNKED_LAYOUT_H
#define CHUNKED_LAYOUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LAYOUT_TOKEN   16
#define LAYOUT_META    40
#define LAYOUT_KEY_MAX 250 /* bytes of a key of the handler beneath */
#define LAYOUT_PLAIN   245 /* a longer key has no room for "-meta" behind it, and is kept under a shorter name */
/* Bytes that the original leaves for a memcached's own item, beside the key. */
#define LAYOUT_OVERHEAD 71

/* Seconds that a claim (written 0) counts; longer than an op may take, by as much as the clock of who reads it may be ahead. */
#define LAYOUT_CLAIM 60

struct meta {
	uint32_t length; /* of the value, bytes */
	uint32_t flags;
	uint32_t pieces;
	uint32_t data;	  /* bytes of the value in each piece */
	uint32_t written; /* unix seconds; 0: its pieces are being written, since `exptime` */
	uint32_t exptime; /* unix seconds; 0 never; as it was when it was stored: a touch does not change it */
	uint8_t token[LAYOUT_TOKEN];
};

void meta_encode(const struct meta *m, uint8_t to[LAYOUT_META]);

/* false: len bytes at p are no meta, or one that cannot be: the pieces it names do not hold its value. */
bool meta_decode(struct meta *m, const void *p, size_t len);

/*
 * What a client's key is called beneath: the key itself; one of more than LAYOUT_PLAIN bytes, which the original could not store, is its
 * first 212 bytes, a dash and 32 hexadecimal digits that stand for all of it.  Who reads such a one has to look whether the key is the same:
 * it stands behind the 40 bytes of the meta.
 */
struct name {
	size_t len;
	char bytes[LAYOUT_PLAIN];
	bool shortened;
};
void name_of(struct name *n, const char *key, size_t keylen);

/* The key of the meta, and of a piece.  Return the length; 0: it would be longer than a key may be. */
size_t name_meta(const struct name *n, char to[LAYOUT_KEY_MAX]);
size_t name_piece(const struct name *n, uint32_t piece, char to[LAYOUT_KEY_MAX]);

/*
 * Bytes of the value in each piece, so that a piece with key and overhead takes `item` bytes in a memcached; 0: they would be none.  The
 * original's item is 1184.
 */
uint32_t piece_data(uint32_t item, size_t namelen);

/* How many pieces length bytes take. */
uint32_t piece_count(uint32_t length, uint32_t data);

#endif
