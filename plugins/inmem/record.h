/*
 * One stored item, as it lies in the log:
 *
 *	[ version, exptime, flags ... 28 bytes | key | value | to a multiple of 8 ]
 *
 * Key, value, version and client's flags never change once others can find it: who changes one of those writes a new record.  exptime changes
 * under the lock of its home in the index; state and access also without, by those who read.
 *
 * The value of a large one is a struct large elsewhere: its address stands in the value's place.
 */
#ifndef INMEM_RECORD_H
#define INMEM_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "rend/worker.h"

enum {
	RECORD_FETCHED = 1 << 0, /* has a get ever found it? */
	RECORD_STALE = 1 << 1,	 /* marked so: to be replaced soon, and told to those who get it */
	RECORD_SENT = 1 << 2,	 /* somebody was told to replace it */
	RECORD_LARGE = 1 << 3,
};

struct record {
	uint64_t version;
	uint32_t exptime; /* atomic; unix seconds, 0 never */
	uint32_t flags;	  /* the client's */
	uint32_t hash;	  /* of the key, as the index takes it */
	uint16_t len;	  /* of what lies behind the key */
	uint8_t keylen;
	uint8_t state;	 /* atomic; RECORD_FETCHED, ... */
	uint16_t epoch;	 /* atomic; which flush it came after */
	uint16_t access; /* atomic; seconds, the lower bits: when it was last asked for */
	char key[];	 /* what lies behind it follows */
};

#define RECORD_HEADER offsetof(struct record, key)

/* Bytes that a record takes. */
static inline size_t
record_size(size_t keylen, size_t len)
{
	return (RECORD_HEADER + keylen + len + 7) / 8 * 8;
}

static inline size_t
record_footprint(const struct record *r)
{
	return record_size(r->keylen, r->len);
}

static inline char *
record_value(struct record *r)
{
	return r->key + r->keylen;
}

static inline bool
record_has_key(const struct record *r, const char *key, size_t keylen)
{
	return r->keylen == keylen && memcmp(r->key, key, keylen) == 0;
}

static inline uint8_t
record_state(const struct record *r)
{
	return __atomic_load_n(&r->state, __ATOMIC_RELAXED);
}

static inline void
record_mark(struct record *r, uint8_t state)
{
	if ((record_state(r) & state) != state)
		__atomic_fetch_or(&r->state, state, __ATOMIC_RELAXED);
}

static inline int64_t
record_exptime(const struct record *r)
{
	return __atomic_load_n(&r->exptime, __ATOMIC_RELAXED);
}

/* As far as 32 bits go, which is 2106.  A time before 1970 has passed as well as any. */
static inline uint32_t
record_time(int64_t exptime)
{
	return exptime < 0 ? 1 : exptime > UINT32_MAX ? UINT32_MAX : (uint32_t)exptime;
}

static inline void
record_set_exptime(struct record *r, int64_t exptime)
{
	__atomic_store_n(&r->exptime, record_time(exptime), __ATOMIC_RELAXED);
}

static inline uint16_t
record_epoch(const struct record *r)
{
	return __atomic_load_n(&r->epoch, __ATOMIC_RELAXED);
}

/* It was asked for.  Within a second it writes once. */
static inline void
record_use(struct record *r, int64_t wall)
{
	if (__atomic_load_n(&r->access, __ATOMIC_RELAXED) != (uint16_t)wall)
		__atomic_store_n(&r->access, (uint16_t)wall, __ATOMIC_RELAXED);
}

/*
 * Seconds since; 16 bits hold 18 hours.  A clock that is behind that of another worker makes nothing old, and what is older than half of it
 * is held there by those who pass by (record_age()).
 */
#define RECORD_AGE_MAX	  32768
#define RECORD_AGE_BEHIND 60

static inline int64_t
record_idle(const struct record *r, int64_t wall)
{
	uint16_t age = (uint16_t)((uint16_t)wall - __atomic_load_n(&r->access, __ATOMIC_RELAXED));

	return age > UINT16_MAX - RECORD_AGE_BEHIND ? 0 : age;
}

static inline void
record_age(struct record *r, int64_t wall)
{
	if (record_idle(r, wall) > RECORD_AGE_MAX)
		__atomic_store_n(&r->access, (uint16_t)(wall - RECORD_AGE_MAX), __ATOMIC_RELAXED);
}

/* What is behind the value, before anything else is written: so that a length which is not what it was brings nothing of others to light. */
static inline void
record_pad(struct record *r, size_t size)
{
	memset((char *)r + size - 8, 0, 8);
}

/* Copies one to where nobody sees it yet, while others may mark the old one. */
static inline void
record_copy(struct record *to, const struct record *from)
{
	record_pad(to, record_footprint(from));
	to->version = from->version;
	to->exptime = (uint32_t)record_exptime(from);
	to->flags = from->flags;
	to->hash = from->hash;
	to->len = from->len;
	to->keylen = from->keylen;
	to->state = record_state(from);
	to->epoch = record_epoch(from);
	to->access = __atomic_load_n(&from->access, __ATOMIC_RELAXED);
	memcpy(to->key, from->key, (size_t)from->keylen + from->len);
}

/* Fetches into the cache what is read of one, and as much of its value as small ones have. */
#define RECORD_WARM 256

static inline void
record_warm(const void *r)
{
	for (size_t at = 0; at < RECORD_WARM; at += 64)
		__builtin_prefetch((const char *)r + at);
}

#endif
