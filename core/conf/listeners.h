/* Where clients come in, and those who watch: listeners = ( ), admin = { }. */
#ifndef CONF_LISTENERS_H
#define CONF_LISTENERS_H

#include "conf/conf.h"
#include "conf/graph.h"

/* What an element of listeners may say; and admin. */
extern const struct rend_option listeners_options[], listeners_admin_options[];

/* All of listeners, into the settings of the server; policies are those of the graph.  What is wrong becomes messages. */
void listeners_read(struct conf *c, const struct tree *root, struct graph *g, struct messages *m);

/* The same for admin, if it is there. */
void listeners_read_admin(struct conf *c, const struct tree *root, struct messages *m);

#endif
