/* Hashes that clients and proxies find a key's server with: 32 bits, the same as theirs bit for bit.  None of them is a good one for a table. */
#ifndef MEMCACHED_KEY_HASH_H
#define MEMCACHED_KEY_HASH_H

#include <stddef.h>
#include <stdint.h>

/* In the order of KEY_HASH_NAMES. */
enum key_hash {
	KEY_HASH_MD5,
	KEY_HASH_CRC32, /* of libmemcached and twemproxy: 15 bits of it */
	KEY_HASH_CRC32A,
	KEY_HASH_FNV1_64,
	KEY_HASH_FNV1A_64,
	KEY_HASH_FNV1_32,
	KEY_HASH_FNV1A_32,
	KEY_HASH_ONE_AT_A_TIME,
	KEY_HASH_MURMUR,  /* of both: MurmurHash2 */
	KEY_HASH_MURMUR3, /* of libmemcached alone */
	KEY_HASH_JENKINS, /* of both */
	KEY_HASH_HSIEH,	  /* of twemproxy; Debian's libmemcached has none */
	KEY_HASH_CRC16,	  /* of twemproxy alone: 32 bits */
};
#define KEY_HASH_NAMES                                                     \
	"md5|crc32|crc32a|fnv1_64|fnv1a_64|fnv1_32|fnv1a_32|one_at_a_time" \
	"|murmur|murmur3|jenkins|hsieh|crc16"

uint32_t key_hash(enum key_hash which, const char *key, size_t len);

/* The nth 32 bits of an MD5 digest as ketama reads them; 0 to 3. */
uint32_t key_hash_md5_part(const uint8_t digest[16], unsigned nth);

#endif
