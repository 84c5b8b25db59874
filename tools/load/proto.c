/* The protocols by their names. */
#include "proto.h"

const struct proto *
proto_find(const char *name)
{
	static const struct proto *const all[] = { &proto_text, &proto_binary, &proto_meta };

	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		if (strcmp(all[i]->name, name) == 0)
			return all[i];
	return NULL;
}
