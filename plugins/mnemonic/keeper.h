/* The thread that looks after a store: failed bins are opened again, and what people ask for is looked up in advance. */
#ifndef MNEMONIC_KEEPER_H
#define MNEMONIC_KEEPER_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct mnemonic;

/* Of all bins together, as RocksDB calls them. */
#define KEEPER_NUMBERS(X)                                                                                             \
	X(curr_items, "estimate-num-keys",                                                                            \
	    "Items, as RocksDB estimates them: overwritten and expired ones among them.")                             \
	X(bytes, "total-sst-files-size", "Bytes of files.")                                                           \
	X(files, "num-files-at-level0", "Files at level 0; each is one more filter to be asked.")                     \
	X(memtables, "cur-size-all-mem-tables", "Bytes in memory that are in no file yet.")                           \
	X(memtables_full, "num-immutable-mem-table", "Memtables that wait to be written to a file.")                  \
	X(table_readers, "estimate-table-readers-mem", "Bytes of memory for filters and indexes.")                    \
	X(flushes_running, "num-running-flushes", "Memtables that are being written.")                                \
	X(compactions_running, "num-running-compactions", "Compactions that are running.")                            \
	X(writes_stopped, "is-write-stopped", "Bins that take no writes, because files are not written fast enough.") \
	X(writes_delayed, "actual-delayed-write-rate",                                                                \
	    "Bytes a second that bins are slowed down to; 0: they are not.")                                          \
	X(background_errors, "background-errors", "Errors of RocksDB's threads since the bins were opened.")

struct keeper {
	struct mnemonic *store;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool wanted, ends, runs, ended;
	pthread_t thread;
	struct {
#define KEEPER_NUMBER(name, property, doc) uint64_t name;
		KEEPER_NUMBERS(KEEPER_NUMBER)
#undef KEEPER_NUMBER
	} numbers; /* atomic */
};

/* 0, or -1: no thread. */
int keeper_start(struct keeper *k, struct mnemonic *store);

/* There is something to mend.  Any thread. */
void keeper_wake(struct keeper *k);

/* Of compactions that drop nothing: is `size` used up?  Any thread. */
bool keeper_is_full(const struct keeper *k);

/* By `deadline`, ns.  false: it waits for the disk still. */
bool keeper_stop(struct keeper *k, uint64_t deadline);

#endif
