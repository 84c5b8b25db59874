/*
 * How long a connection may take: request_timeout for a request that is half there or a client that does not read,
 * idle_timeout for one that says nothing.  Each list is in the order of `since`, so only its head has to be looked at.
 */
#ifndef NET_PATIENCE_H
#define NET_PATIENCE_H

#include <stdint.h>

struct conn;
struct loop;

/* Puts the connection where its state says.  progress: its time begins anew. */
void patience_update(struct conn *c, int progress);

/* Closes what took too long. */
void patience_expire(struct loop *l);

/* When patience_expire() has something to do: monotonic ns; UINT64_MAX: never. */
uint64_t patience_due(struct loop *l);

#endif
