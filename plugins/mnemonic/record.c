/* How an item lies in the database: see record.h. */
#include "record.h"

#include <endian.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#define FIRST_OF_CLIENTS 3 /* keys that begin with less are ours */
#define PIECE_TAG	 1
#define ESCAPE_TAG	 2

#define HEAD_LEN	 20

static void
put32(char *to, uint32_t n)
{
	n = htole32(n);
	memcpy(to, &n, sizeof n);
}

static void
put64(char *to, uint64_t n)
{
	n = htole64(n);
	memcpy(to, &n, sizeof n);
}

static uint32_t
get32(const char *p)
{
	uint32_t n;

	memcpy(&n, p, sizeof n);
	return le32toh(n);
}

static uint64_t
get64(const char *p)
{
	uint64_t n;

	memcpy(&n, p, sizeof n);
	return le64toh(n);
}

size_t
record_key(char to[RECORD_KEY_MAX], const char *key, size_t len)
{
	size_t more = len == 0 || (uint8_t)key[0] < FIRST_OF_CLIENTS;

	to[0] = ESCAPE_TAG;
	memcpy(to + more, key, len);
	return len + more;
}

uint32_t
record_exptime(int64_t exptime)
{
	if (exptime < 0)
		return 1;
	return exptime > UINT32_MAX ? UINT32_MAX : (uint32_t)exptime;
}

size_t
record_write(char to[RECORD_HEAD_MAX], const struct record *r)
{
	uint8_t flags = (uint8_t)(r->flags & ~RECORD_CAS);

	if (r->cas != r->version)
		flags |= RECORD_CAS;
	memset(to, 0, 4);
	to[0] = RECORD_FORMAT;
	to[1] = (char)flags;
	put32(to + 4, r->cflags);
	put32(to + 8, r->exptime);
	put64(to + 12, r->version);
	if (!(flags & RECORD_CAS))
		return HEAD_LEN;
	put64(to + HEAD_LEN, r->cas);
	return HEAD_LEN + 8;
}

size_t
record_read(const char *p, size_t len, struct record *r)
{
	size_t head = HEAD_LEN;

	if (len < head || p[0] != RECORD_FORMAT)
		return 0;
	r->flags = (uint8_t)p[1];
	r->cflags = get32(p + 4);
	r->exptime = get32(p + 8);
	r->version = r->cas = get64(p + 12);
	if (r->flags & RECORD_CAS) {
		head += 8;
		if (len < head)
			return 0;
		r->cas = get64(p + HEAD_LEN);
	}
	return head;
}

void
record_piece_key(char to[PIECE_KEY_LEN], const char *key, size_t len, uint64_t version, uint32_t nth)
{
	XXH128_hash_t hash = XXH3_128bits(key, len);

	to[0] = PIECE_TAG;
	put64(to + 1, hash.high64);
	put64(to + 9, hash.low64);
	put64(to + 17, version);
	put32(to + 25, nth);
}

bool
record_is_piece(const char *key, size_t keylen)
{
	return keylen == PIECE_KEY_LEN && key[0] == PIECE_TAG;
}

uint64_t
record_piece_version(const char *key)
{
	return get64(key + 17);
}

void
record_piece_head(char to[PIECE_HEAD], uint32_t exptime)
{
	put32(to, exptime);
}

uint32_t
record_piece_exptime(const char *p, size_t len)
{
	return len < PIECE_HEAD ? 1 : get32(p);
}

void
record_manifest_write(char to[MANIFEST_LEN], uint64_t len)
{
	put64(to, len);
}

bool
record_manifest_read(const char *p, size_t len, uint64_t *total)
{
	if (len != MANIFEST_LEN)
		return false;
	*total = get64(p);
	return true;
}
