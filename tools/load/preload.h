/* The plan that stores each key once, before what is measured. */
#ifndef LOAD_PRELOAD_H
#define LOAD_PRELOAD_H

struct plan;
struct settings;

/* Requests of a connection that are under way meanwhile. */
#define PRELOAD_DEPTH 16

/* NULL: no memory. */
struct plan *preload_plan(const struct settings *s);

#endif
