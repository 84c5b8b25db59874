/* A configuration for the eye: `rend --draw`, `rend --paths`. */
#ifndef CONF_DRAW_H
#define CONF_DRAW_H

#include <stdio.h>

#include "conf/conf.h"

/* The graph and each policy's tables, as dot. */
void draw_graph(const struct conf *c, FILE *out);

/* Every path that a request can take through each policy. */
void draw_paths(const struct conf *c, FILE *out);

#endif
