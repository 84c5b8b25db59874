/* One thing that every handler must do, and short ways to ask for it. */
#ifndef KIT_BEHAVIOUR_H
#define KIT_BEHAVIOUR_H

#include <string.h>

#include "rig.h"

#define NEEDS(v) (1U << (v))

struct behaviour {
	const char *name; /* NULL ends a list */
	uint32_t needs;	  /* verbs the handler must have, or it is skipped */
	void (*run)(struct seat *s);
	void (*beside)(struct seat *s);		      /* on a second worker at the same time; NULL: there is none */
	void (*alone)(const struct handler_kit *kit); /* instead: opens for itself */
};

/* The lists. */
extern const struct behaviour behaviours_item[];   /* get and the storing verbs */
extern const struct behaviour behaviours_number[]; /* incr and decr */
extern const struct behaviour behaviours_cas[];	   /* versions */
extern const struct behaviour behaviours_mode[];   /* what a verb does beside, or instead */
extern const struct behaviour behaviours_lease[];  /* an empty item that is filled later */
extern const struct behaviour behaviours_time[];   /* exptime, touch, flush_all */
extern const struct behaviour behaviours_value[];  /* how long a value that was handed out lives */
extern const struct behaviour behaviours_store[];  /* claims, memory, draining */
extern const struct behaviour behaviours_load[];   /* many ops, two workers, open and close */

/* ---- asking in one line; each returns the status ---- */

/* A storing verb. */
enum rend_status store_bytes(
    struct seat *s, unsigned verb, const char *key, const void *p, size_t len, uint32_t flags, int64_t exptime);
enum rend_status store(struct seat *s, unsigned verb, const char *key, const char *value);

/* A verb without a value. */
enum rend_status plain(struct seat *s, unsigned verb, const char *key);

/* incr, decr; *number gets the answer. */
enum rend_status step(struct seat *s, unsigned verb, const char *key, uint64_t delta, uint64_t *number);

enum rend_status touch(struct seat *s, const char *key, int64_t exptime);

/* A get that has been answered; the value is in the ask until it is dropped. */
struct ask *get(struct seat *s, const char *key, uint32_t want);

/* Fail unless a get hits with this value, or misses. */
void expect_hit(struct seat *s, const char *key, const char *value);
void expect_hit_bytes(struct seat *s, const char *key, const void *p, size_t len);
void expect_miss(struct seat *s, const char *key);

/* Must succeed. */
void set(struct seat *s, const char *key, const char *value);

/* Fail unless the status is what it should be. */
void expect(enum rend_status is, enum rend_status should, const char *what);

/* len bytes that say where they are; free() them. */
char *pattern(size_t len, unsigned seed);

#endif
