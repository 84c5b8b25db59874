/* Questions to the server beside the load, on a connection of their own: its version and its stats.  They block. */
#ifndef LOAD_INQUIRY_H
#define LOAD_INQUIRY_H

#include <stdbool.h>
#include <stddef.h>

#include "proto.h"
#include "target.h"

/* One line of stats. */
typedef void inquiry_f(void *arg, const char *name, const char *value);

/* Each: 0, or -1 if the server does not answer, or not so, or not within about timeout ns. */
int inquiry_version(const struct target *t, const struct proto *proto, uint64_t timeout, char *buf, size_t size);
int inquiry_stats(
    const struct target *t, const struct proto *proto, uint64_t timeout, const char *group, inquiry_f *tell, void *arg);

/* One number of the stats.  false: the server does not say it. */
bool inquiry_number(const struct target *t, const struct proto *proto, uint64_t timeout, const char *group,
    const char *name, uint64_t *n);

#endif
