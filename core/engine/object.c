/* Objects that belong to a node: see object.h. */
#include "engine/object.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "engine/node.h"

struct object {
	struct object *next;
	const char *name;
	void *self;
	void (*free)(void *self);
};

void *
rend_node_object(
    const struct rend_node *node, const char *name, void *(*make)(void *arg), void (*free_it)(void *object), void *arg)
{
	struct rend_node *n = (struct rend_node *)(uintptr_t)node; /* plugins see nodes, and do not change them */
	struct object *o;

	REND_CHECK(n, NODE_MAGIC);
	for (o = n->objects; o != NULL; o = o->next)
		if (strcmp(o->name, name) == 0)
			return o->self;
	o = malloc(sizeof *o);
	if (o == NULL)
		return NULL;
	*o = (struct object){ .next = n->objects, .name = name, .self = make(arg), .free = free_it };
	if (o->self == NULL) {
		free(o);
		return NULL;
	}
	n->objects = o;
	return o->self;
}

void
objects_keep(struct rend_node *n)
{
	n->kept = n->objects;
}

void
objects_drop(struct rend_node *n)
{
	while (n->objects != n->kept) {
		struct object *o = n->objects;

		n->objects = o->next;
		o->free(o->self);
		free(o);
	}
}

void
objects_free(struct rend_node *n)
{
	n->kept = NULL;
	objects_drop(n);
}
