/*
 * What a simulated disk holds: files and names, as they are and as they would be after a power cut.
 *
 *	now        what reads see
 *	durable    what is there for certain
 *	pending    what was done since, in order; a power cut makes a part of it durable, and of the rest nothing
 */
#ifndef SSD_SIM_DISK_H
#define SSD_SIM_DISK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sim_data.h"

struct sim_random {
	uint64_t state;
};

uint64_t sim_random(struct sim_random *r);

enum sim_change_kind { SIM_WRITTEN, SIM_EXTENDED, SIM_RESIZED, SIM_DISCARDED, SIM_FILLED };

/* Something that was done to a file and not synced. */
struct sim_change {
	struct sim_change *next;
	enum sim_change_kind kind;
	uint64_t mark; /* 1, 2, ... */
	uint64_t offset, length;
	uint8_t data[]; /* of what was written */
};

struct sim_inode {
	struct sim_inode *next;
	uint64_t number;
	bool is_dir;
	const void *locked_by;
	struct sim_data now, durable;
	struct sim_change *first, *last;
	uint64_t bad_from, bad_to; /* what cannot be read */
};

struct sim_name {
	struct sim_name *next;
	struct sim_inode *inode;
	char path[];
};

/* A name that changed since its folder was synced: from (NULL: none) is no more, to (NULL: none) is inode. */
struct sim_naming {
	struct sim_naming *next;
	char *from, *to;
	struct sim_inode *inode;
};

struct sim_disk {
	struct sim_inode *inodes;
	struct sim_name *names, *durable_names;
	struct sim_naming *namings;
	uint64_t marks; /* of changes that were made */
	uint64_t space; /* bytes; 0: no bound */
	uint64_t inode_numbers;
};

void sim_disk_init(struct sim_disk *d, uint64_t space);
void sim_disk_fini(struct sim_disk *d);

/* false: no memory; *to is to be ended all the same. */
bool sim_disk_copy(struct sim_disk *to, const struct sim_disk *from);

/* What is there after a power cut, where each unsynced block of that many bytes is kept with a chance of keep/256. */
void sim_disk_cut(struct sim_disk *d, struct sim_random *random, size_t block, unsigned keep);

/* Below: 0 (or a count of bytes), or -errno. */

struct sim_inode *sim_disk_find(const struct sim_disk *d, const char *path);	      /* NULL: none */
struct sim_inode *sim_disk_same(const struct sim_disk *d, const struct sim_inode *f); /* the copy of f */
int sim_disk_create(struct sim_disk *d, const char *path, bool is_dir, struct sim_inode **inode);
int sim_disk_rename(struct sim_disk *d, const char *from, const char *to);
int sim_disk_unlink(struct sim_disk *d, const char *path);
int sim_disk_sync_dir(struct sim_disk *d, const char *path);
int sim_disk_list(const struct sim_disk *d, const char *path, bool (*each)(void *arg, const char *name), void *arg);

int64_t sim_disk_read(const struct sim_inode *f, void *data, size_t length, uint64_t offset);
int64_t sim_disk_write(struct sim_disk *d, struct sim_inode *f, const void *data, size_t length, uint64_t offset);
int sim_disk_resize(struct sim_disk *d, struct sim_inode *f, uint64_t bytes);
int sim_disk_preallocate(struct sim_disk *d, struct sim_inode *f, uint64_t offset, uint64_t length);
int sim_disk_discard(struct sim_disk *d, struct sim_inode *f, uint64_t offset, uint64_t length);

/* What was done up to that mark is durable. */
int sim_disk_sync(struct sim_inode *f, uint64_t mark);

/* It could not be made so: of each block of 512 bytes it is open whether it ever will be. */
void sim_disk_sync_failed(struct sim_inode *f, struct sim_random *random);

/* A write that is under way when all ends: some of its blocks of 512 bytes. */
int sim_disk_tear(struct sim_disk *d, struct sim_inode *f, const void *data, size_t length, uint64_t offset,
    struct sim_random *random);

/* Changes both what is there and what is durable. */
int sim_disk_flip(struct sim_inode *f, uint64_t bit);
int sim_disk_truncate(struct sim_inode *f, uint64_t bytes);

/* For sim_disk.c alone. */
struct sim_inode *sim_inode_copy(const struct sim_inode *f); /* NULL: no memory */
void sim_inode_free(struct sim_inode *f);
void sim_inode_cut(struct sim_inode *f, struct sim_random *random, size_t block, unsigned keep);

#endif
