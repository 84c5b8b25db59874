/* Does everything in a store agree?  For tests, when nobody is at work in it. */
#ifndef INMEM_AUDIT_TEST_H
#define INMEM_AUDIT_TEST_H

#include "store.h"

/*
 * Every entry leads to a record whose home it is, no record has two, homes count those that are away, and what segments say of their dead is
 * what is not alive in them.  Returns the number of items, or -1, having said what is wrong.
 */
int64_t audit(const struct store *s);

/* Bytes that segments, the index, tables and large values take together; as they are counted by going through them. */
uint64_t audit_bytes(const struct store *s);

#endif
