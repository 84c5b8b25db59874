/*
 * An answer that only all workers together can give, or that is too long to be given at once.  It asks them one after another, a page
 * at a time, and goes on when the client has taken most of what it was given:
 *
 *	home                                  another worker
 *	survey_say ── visit: cursor ────────► writes a page from there
 *	     ▲                                     │
 *	     └──── page, cursor, is there more? ───┘
 *	the client's chain
 *
 * Whatever happens meanwhile - the client goes, a worker does not answer in time - the visit that is out is given up: it comes home and is
 * freed there.  A survey belongs to an answer, and ends with it.
 */
#ifndef NET_SURVEY_H
#define NET_SURVEY_H

#include <stdbool.h>
#include <stdint.h>

#include "net/page.h"

struct asked;
struct conn;
struct loop;

/* Writes lines about `at`, on its thread, from *cursor (0: the beginning) on.  true: there are more. */
typedef bool survey_visit_f(struct loop *at, struct page *page, uint64_t *cursor);

struct survey;

/* everywhere: visits all workers, else only the client's own.  NULL: no memory. */
struct survey *survey_new(struct conn *c, survey_visit_f *visit, bool everywhere);

/* Says what is there, and asks for more.  true: all is said; false: to be called again when pages have come, or the client has read. */
bool survey_say(struct survey *s, const struct asked *asked);

/* The client need not be there any more. */
void survey_free(struct survey **sp);

/* Gives up those visits of a worker's surveys that take too long; when the next one is.  On that worker. */
void survey_expire(struct loop *home);
uint64_t survey_due(struct loop *home);

#endif
