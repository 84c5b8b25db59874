/* The logs of a database that is closed, as files: what RocksDB wrote before it answered, and reads when it is opened again. */
#ifndef MNEMONIC_WAL_H
#define MNEMONIC_WAL_H

#include <stdint.h>

#include "rocks.h"

/*
 * Sees to it that what they have is on the disk.  Where the system gave up some of what was written to them, later than it was written, it says so now.
 * 0, and in *bytes how long they are; or -1: some of it may be lost, and why says what was seen.  Waits for the disk.
 */
int wal_sync(const char *dir, uint64_t *bytes, char why[WHY_MAX]);

#endif
