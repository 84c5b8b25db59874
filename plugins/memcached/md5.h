/* MD5 (RFC 1321), to find a place on a ring: it keeps no secrets. */
#ifndef MEMCACHED_MD5_H
#define MEMCACHED_MD5_H

#include <stddef.h>
#include <stdint.h>

#define MD5_SIZE 16

void md5(const void *p, size_t len, uint8_t digest[MD5_SIZE]);

#endif
