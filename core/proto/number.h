/* Numbers as a protocol writes them: decimal digits between two known ends. */
#ifndef PROTO_NUMBER_H
#define PROTO_NUMBER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* All len bytes are one number that fits, with at most one sign; an unsigned one takes no minus.  false: *n is as
 * before. */
bool number_u64(const char *p, size_t len, uint64_t *n);
bool number_i64(const char *p, size_t len, int64_t *n);

/* Writes n, at most NUMBER_MAX bytes and no NUL.  Returns how many. */
#define NUMBER_MAX 20
size_t number_print(char *to, uint64_t n);

#endif
