/* What rend.conf says of a store, and what follows from it. */
#ifndef MNEMONIC_PLAN_H
#define MNEMONIC_PLAN_H

#include <stdbool.h>
#include <stdint.h>

#include "folder.h"
#include "rocks.h"

struct mnemonic_conf {
	const char *path;
	uint64_t size, write_buffer, cache, block, queue;
	int64_t bins, readers, jobs, filter_bits;
	uint64_t timeout, mend;
	int compaction, wal, filter, compression;
	bool direct, keep;
};

struct plan {
	unsigned bins, readers;
	uint64_t seed;
	uint64_t size, queue; /* bytes */
	uint64_t mend;	      /* ns */
	struct rocks_options rocks;
};

/* Can it be?  made: how the folder was made; NULL: it is new, or nobody has looked.  0, or -1 after rend_error(). */
int plan_make(
    struct plan *p, const struct mnemonic_conf *c, const struct label *made, const char *path, struct rend_error *err);

/* What the folder of a store is to say. */
void plan_label(const struct plan *p, struct label *label);

/* Which bin a key is in: the same after each start, and nothing that a client could know. */
unsigned plan_bin(const struct plan *p, const char *key, size_t len);

/* Raises the limit of open files as far as it goes: RocksDB keeps all of its files open.  false: it may be too few. */
bool plan_files(const struct plan *p, uint64_t *has, uint64_t *wants);

#endif
