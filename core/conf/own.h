/* What a block may say whatever its plugin is: it is about the node, and no plugin knows of it. */
#ifndef CONF_OWN_H
#define CONF_OWN_H

#include "conf/messages.h"
#include "conf/tree.h"
#include "engine/node.h"

/* Of a block under handlers, and under policies. */
extern const struct rend_option own_handler_options[], own_policy_options[];

/* All names in such a block that are not its plugin's: "plugin", and those of the table.  Ends with NULL. */
extern const char *const own_handler_names[], *const own_policy_names[];

/* Fills what it says into the node; path is the block's.  bypass: the name of a tier, in arena; NULL: none. */
void own_fill_handler(struct rend_node *n, const struct tree *block, const char *path, struct messages *m);
void own_fill_policy(struct rend_node *n, const struct tree *block, const char *path, struct messages *m);

/* The tier that a policy's block bypasses, when its tiers are known: what is wrong with it becomes a message.  -1 then, else 0. */
int own_find_bypass(struct rend_node *n, const struct tree *block, const char *path, struct messages *m);

#endif
