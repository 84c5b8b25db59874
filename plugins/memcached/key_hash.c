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

/* The polynomial of XMODEM; what is shifted beyond 16 bits stays, so that it has 32. */
static uint32_t
hash_crc16(const char *key, size_t len)
{
	uint32_t c = 0;

	for (size_t i = 0; i < len; i++) {
		uint32_t top = (c >> 8 ^ (uint8_t)key[i]) & 0xff;

		top <<= 8;
		for (int bit = 0; bit < 8; bit++)
			top = (top << 1 ^ (top & 0x8000 ? 0x1021 : 0)) & 0xffff;
		c = c << 8 ^ top;
	}
	return c;
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

/* ---- those that take several bytes at a time, the first being the lowest ---- */

#define SEED 0xdeadbeefU

/* Up to four bytes; those behind the end are 0. */
static uint32_t
word(const char *p, size_t left)
{
	uint32_t w = 0;

	for (size_t i = 0; i < left && i < 4; i++)
		w |= (uint32_t)(uint8_t)p[i] << 8 * i;
	return w;
}

static uint32_t
rotate(uint32_t w, unsigned by)
{
	return w << by | w >> (32 - by);
}

/* MurmurHash2.  The seed is made of the length, here and in murmur3. */
static uint32_t
hash_murmur(const char *key, size_t len)
{
	const uint32_t m = 0x5bd1e995;
	uint32_t h = SEED * (uint32_t)len ^ (uint32_t)len, w;

	for (; len >= 4; key += 4, len -= 4) {
		w = word(key, 4) * m;
		w ^= w >> 24;
		h = h * m ^ w * m;
	}
	if (len > 0)
		h = (h ^ word(key, len)) * m;
	h = (h ^ h >> 13) * m;
	return h ^ h >> 15;
}

/* MurmurHash3_x86_32. */
static uint32_t
hash_murmur3(const char *key, size_t len)
{
	uint32_t h = SEED * (uint32_t)len;

	for (size_t i = 0; i < len; i += 4) {
		h ^= rotate(word(key + i, len - i) * 0xcc9e2d51, 15) * 0x1b873593;
		if (len - i >= 4)
			h = rotate(h, 13) * 5 + 0xe6546b64;
	}
	h ^= (uint32_t)len;
	h = (h ^ h >> 16) * 0x85ebca6b;
	h = (h ^ h >> 13) * 0xc2b2ae35;
	return h ^ h >> 16;
}

/* hashlittle() of lookup3, with 13 to begin with. */
static uint32_t
hash_jenkins(const char *key, size_t len)
{
	static const unsigned mix[] = { 4, 6, 8, 16, 19, 4 }, end[] = { 14, 11, 25, 16, 4, 14, 24 };
	uint32_t s[3]; /* a, b, c */

	s[0] = s[1] = s[2] = SEED + (uint32_t)len + 13;
	if (len == 0)
		return s[2];
	for (;; key += 12, len -= 12) {
		for (size_t i = 0; i < 3 && 4 * i < len; i++)
			s[i] += word(key + 4 * i, len - 4 * i);
		if (len <= 12)
			break;
		for (unsigned i = 0; i < 6; i++) {
			uint32_t *to = &s[i % 3], *last = &s[(i + 2) % 3];

			*to = (*to - *last) ^ rotate(*last, mix[i]);
			*last += s[(i + 1) % 3];
		}
	}
	for (unsigned i = 0; i < 7; i++) {
		uint32_t *to = &s[(i + 2) % 3], by = s[(i + 1) % 3];

		*to = (*to ^ by) - rotate(by, end[i]);
	}
	return s[2];
}

/* SuperFastHash as twemproxy has it: it begins with 0, and the last byte of three is a signed one, the last of one is not. */
static uint32_t
hash_hsieh(const char *key, size_t len)
{
	uint32_t h = 0;

	for (; len >= 4; key += 4, len -= 4) {
		h += word(key, 2);
		h = h << 16 ^ (word(key + 2, 2) << 11 ^ h);
		h += h >> 11;
	}
	h += word(key, len < 2 ? len : 2);
	switch (len) {
	case 3:
		h ^= h << 16 ^ byte(key[2]) << 18;
		h += h >> 11;
		break;
	case 2:
		h ^= h << 11;
		h += h >> 17;
		break;
	case 1:
		h ^= h << 10;
		h += h >> 1;
		break;
	default:
		break;
	}
	h ^= h << 3;
	h += h >> 5;
	h ^= h << 4;
	h += h >> 17;
	h ^= h << 25;
	return h + (h >> 6);
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
		[KEY_HASH_MURMUR] = hash_murmur,
		[KEY_HASH_MURMUR3] = hash_murmur3,
		[KEY_HASH_JENKINS] = hash_jenkins,
		[KEY_HASH_HSIEH] = hash_hsieh,
		[KEY_HASH_CRC16] = hash_crc16,
	};

	return hashes[which](key, len);
}
