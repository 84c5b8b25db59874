/* What the two files share that know RocksDB's C interface: rocks.c, and rocks_common.c, which has the options. */
#ifndef MNEMONIC_ROCKS_COMMON_H
#define MNEMONIC_ROCKS_COMMON_H

#include <rocksdb/c.h>

#include "rocks.h"

struct rocks_common {
	struct rocks_options o;
	rocksdb_env_t *env;
	rocksdb_cache_t *cache;
	rocksdb_block_based_table_options_t *table;
	rocksdb_options_t *options;
	rocksdb_readoptions_t *read, *read_once;
	rocksdb_writeoptions_t *write;
};

/* What RocksDB said, or NULL: there is nothing but the text.  It is freed. */
enum rocks_status rocks_status_of(char *text, char why[WHY_MAX]);

#endif
