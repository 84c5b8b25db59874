/* What /metrics says: everything that is counted, as it is now.  docs/metrics.md is the manual. */
#ifndef NET_SCRAPE_H
#define NET_SCRAPE_H

#include "net/exposition.h"

struct http;
struct server;

/* The admin thread, whose HTTP h is.  What the server has not started yet is left out. */
void scrape(const struct server *s, const struct http *h, struct exposition *e);

/* ---- parts, in the order in which they are said ---- */

void scrape_process(const struct server *s, struct exposition *e);
void scrape_clients(const struct server *s, struct exposition *e);
void scrape_nodes(const struct server *s, struct exposition *e);
void scrape_workers(const struct server *s, struct exposition *e);

/* A status as the value of a label: "ok", "not_stored". */
#define SCRAPE_WORD 32
const char *scrape_outcome(unsigned status, char word[SCRAPE_WORD]);

#endif
