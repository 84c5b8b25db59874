/*
 * How long what lies in a segment lives.
 *
 * Items of like times to live are written to the same segments: each of the *lanes* has its own.  So they are gone together, and nothing needs to
 * be copied.  Of each segment it is known when the last of its items expires, and, in steps that grow with the time, how many bytes do before:
 *
 *	lane:	to a minute | to ten minutes | to six hours | longer, and for ever
 *	step:	0 1 2 3 4-5 6-7 8-11 12-15 ... 128-191, 192 and more; of 1, 4, 128 or 4096 seconds since the segment was opened
 *
 * What expires in the last step, or never, counts as alive until all of them have expired.
 */
#ifndef INMEM_LIVES_H
#define INMEM_LIVES_H

#include <stdint.h>

#define LIVES_LANES 4
#define LIVES_STEPS 16

struct lives {
	uint32_t from;		     /* unix seconds; when the segment was opened */
	uint32_t until;		     /* atomic; when the last one expires; 0: there was none yet */
	uint32_t steps[LIVES_STEPS]; /* atomic; bytes that expire in each */
};
#define LIVES_FOREVER UINT32_MAX

/* The lane of an item that is stored now and expires then (0: never). */
unsigned lives_lane(int64_t exptime, int64_t wall);

void lives_begin(struct lives *l, int64_t wall);

/* An item of so many bytes lies there from now on, or no more.  The same lane and exptime both times.  Any thread. */
void lives_add(struct lives *l, unsigned lane, uint32_t exptime, uint32_t bytes);
void lives_remove(struct lives *l, unsigned lane, uint32_t exptime, uint32_t bytes);

/* Bytes of those that have expired and were not removed; LIVES_ALL: all have.  It may be too few. */
uint32_t lives_expired(const struct lives *l, unsigned lane, int64_t wall);
#define LIVES_ALL UINT32_MAX

#endif
