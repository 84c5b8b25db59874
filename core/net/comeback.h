/*
 * What was bypassed may hold values that have been replaced since.  So it is flushed before anybody asks it again, also by another process:
 *
 *	bypass = "l2"  ──► a note in state_dir, before the first client
 *	without it     ──► the note is there: flush_all, the note goes, and only then are clients taken in
 *
 * Not noted is what begins empty with each start by itself, and an l2 that is trusted.
 */
#ifndef NET_COMEBACK_H
#define NET_COMEBACK_H

#include <stdbool.h>

#include "base/error.h"

struct generation;
struct loop;
struct rend_node;
struct strbuf;

/* Must a note be left of the node that this policy bypasses?  Any thread. */
bool comeback_notes(const struct rend_node *policy);

/*
 * Leaves the notes of what is bypassed, and flushes what is not any more, over this loop's worker; for that it waits some ten seconds for a
 * node that cannot be reached yet.  folder: state_dir; "": there is none, and nothing to do.  0, or -1 with the reason: nobody may be
 * served.  While no client is there, before NULL; or in a reload, when g is attached and nobody asks it yet, on the keeper's thread: what
 * `before`, which is asked meanwhile, asks is not flushed, and refused.  said gets a line about each that was flushed; NULL: the log does.
 */
int comeback(struct generation *g, const struct generation *before, struct loop *l, const char *folder,
    struct strbuf *said, struct rend_error *err);

/* A reload came to nothing: takes back the notes that it left of nodes that `before` asks. */
void comeback_undo(const struct generation *g, const struct generation *before, const char *folder);

/* The same for what an earlier generation of this process left behind (pairs.h), in a reload. */
int comeback_left_behind(
    struct generation *g, const struct generation *before, struct loop *l, struct strbuf *said, struct rend_error *err);

/* What may be old in an L1 that is new in a reload and lies in another process is not believed.  Nothing of an earlier generation is under way. */
void comeback_doubt_new(const struct generation *g, struct strbuf *said);

#endif
