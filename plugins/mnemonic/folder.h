/*
 * The folder of a store, and what of it is not RocksDB's:
 *
 *	LOCK		held while somebody has it; says who
 *	LABEL		how it was made: lines of text that never change
 *	STATE		versions.h
 *	NEW		while it is made: one that has a STATE or a bin, and neither this nor a LABEL, has lost that
 *	bin.000 ...	a database each
 */
#ifndef MNEMONIC_FOLDER_H
#define MNEMONIC_FOLDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rend_error;

#define BINS_MOST 256

struct label {
	unsigned bins;
	uint64_t seed; /* of the hash that says which bin a key is in; 0 in folders of format 1, which have none */
	char compaction[16];
};

struct folder {
	char *path; /* absolute: in the background rend leaves the folder where it was started */
	int lock;   /* its descriptor; -1: it is not ours */
};

/* Finds or makes the folder, and locks it.  0, or -1 after rend_error(). */
int folder_open(struct folder *f, const char *path, struct rend_error *err);
void folder_close(struct folder *f);

/* 1: how it was made; 0: it is new, or was not made to its end; -1 after rend_error(). */
int folder_label(const struct folder *f, struct label *label, struct rend_error *err);

/* It has no label: had it one? */
bool folder_is_lost(const struct folder *f);

/* Written once, after everything else that a new folder needs: one without is begun anew.  0, or -1 after rend_error(). */
int folder_set_label(const struct folder *f, const struct label *label, bool lasts, struct rend_error *err);

/* It is made anew: what is left in it is of no use.  No label, no state.  0, or -1 after rend_error(). */
int folder_begin(const struct folder *f, struct rend_error *err);

/* That has come to its end, if it ever began. */
void folder_begun(const struct folder *f);

/* "PATH/NAME"; free() it.  NULL: no memory. */
char *folder_at(const struct folder *f, const char *name);
char *folder_bin(const struct folder *f, unsigned nth);

/* Can files there be read past the system's cache? */
bool folder_is_direct(const struct folder *f);

#endif
