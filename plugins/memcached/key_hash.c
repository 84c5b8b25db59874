/* The hashes: see key_hash.h. */
#include "key_hash.h"

#include "md5.h"

uint32_t
key_hash_md5_part(const uint8_t digest[16], unsigned nth)
{
	const uint8_t *p = digest + 4 * (size_t)nth;

	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static uint32_t
hash_md5(const char *key, size_t len)
{
	uint8_t digest[MD5_SIZE];

	md5(key, len, digest);
	return key_hash_md5_part(digest, 0);
}

/* The polynomial of zlib, bit by bit: keys are short. */
static uint32_t
crc(const char *key, size_t len)
{
	uint32_t c = ~0U;

	for (size_t i = 0; i < len; i++) {
		c ^= (uint8_t)key[i];
		for (int bit = 0; bit < 8; bit++)
			c = c >> 1 ^ (c & 1 ? 0xedb88320U : 0);
	}
	return ~c;
}

static uint32_t
hash_crc32(const char *key, size_t len)
{
	return crc(key, len) >> 16 & 0x7fff;
}

/* Bytes from 0x80 on are negative in theirs: it is a char, and char is signed where they run. */
static uint32_t
byte(char c)
{
	return (uint32_t)(int32_t)(signed char)c;
}

static uint32_t
hash_fnv1_64(const char *key, size_t len)
{
	uint64_t h = 0xcbf29ce484222325ULL;

	for (size_t i = 0; i < len; i++)
		h = h * 0x100000001b3ULL ^ (uint64_t)(int64_t)(signed char)key[i];
	return (uint32_t)h;
}

/* It is called so, and has 32 bits. */
static uint32_t
hash_fnv1a_64(const char *key, size_t len)
{
	uint32_t h = (uint32_t)0xcbf29ce484222325ULL;

	for (size_t i = 0; i < len; i++)
		h = (h ^ byte(key[i])) * (uint32_t)0x100000001b3ULL;
	return h;
}

static uint32_t
hash_fnv1_32(const char *key, size_t len)
{
	uint32_t h = 2166136261U;

	for (size_t i = 0; i < len; i++)
		h = h * 16777619U ^ byte(key[i]);
	return h;
}

static uint32_t
hash_fnv1a_32(const char *key, size_t len)
{
	uint32_t h = 2166136261U;

	for (size_t i = 0; i < len; i++)
		h = (h ^ byte(key[i])) * 16777619U;
	return h;
}

static uint32_t
hash_one_at_a_time(const char *key, size_t len)
{
	uint32_t h = 0;

	for (size_t i = 0; i < len; i++) {
		h += byte(key[i]);
		h += h << 10;
		h ^= h >> 6;
	}
	h += h << 3;
	h ^= h >> 11;
	return h + (h << 15);
}

uint32_t
key_hash(enum key_hash which, const char *key, size_t len)
{
	static uint32_t (*const hashes[])(const char *, size_t) = {
		[KEY_HASH_MD5] = hash_md5,
		[KEY_HASH_CRC32] = hash_crc32,
		[KEY_HASH_CRC32A] = crc,
		[KEY_HASH_FNV1_64] = hash_fnv1_64,
		[KEY_HASH_FNV1A_64] = hash_fnv1a_64,
		[KEY_HASH_FNV1_32] = hash_fnv1_32,
		[KEY_HASH_FNV1A_32] = hash_fnv1a_32,
		[KEY_HASH_ONE_AT_A_TIME] = hash_one_at_a_time,
	};

	return hashes[which](key, len);
}
