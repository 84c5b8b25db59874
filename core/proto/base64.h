/* Keys of any bytes, as a text protocol carries them: RFC 4648, section 4, with its padding. */
#ifndef PROTO_BASE64_H
#define PROTO_BASE64_H

#include <stddef.h>

#define BASE64_LEN(len) (((len) + 2) / 3 * 4)

/*
 * Decodes all len characters to at most len / 4 * 3 bytes.  Returns how many, 0 if it is not well formed: another
 * character, padding that is missing or not at the end.  Bits that padding leaves over are ignored, as by memcached.
 */
size_t base64_decode(const char *p, size_t len, char *to);

/* Encodes len bytes to BASE64_LEN(len) characters, no NUL.  Returns how many. */
size_t base64_encode(const char *p, size_t len, char *to);

#endif
