/* Is the server alive, and may it be sent clients?  For those who restart it, and those who send them. */
#ifndef NET_HEALTH_H
#define NET_HEALTH_H

#include <stdbool.h>

#include "base/strbuf.h"

struct server;

/* Does every worker turn?  Writes "ok", or a line for each that does not.  Any thread, as long as the server's workers are there. */
bool health_live(const struct server *s, struct strbuf *out);

/*
 * May it be sent clients: it serves and does not drain, its listeners take them in, its workers turn, and the policy of each listener has a
 * tier that can be reached.  Writes "ok" or why not; verbose: all that was looked at.  The same terms.
 */
bool health_ready(const struct server *s, bool verbose, struct strbuf *out);

#endif
