/* `stats detail dump`. */
#include "net/loop.h"
#include "net/server.h"
#include "net/stats_groups.h"

bool
stats_prefixes(struct loop *at, struct page *page, uint64_t *cursor)
{
	return prefixes_write(&at->server->prefixes, page, cursor);
}
