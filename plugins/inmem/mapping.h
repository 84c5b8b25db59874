/*
 * Memory that could be given to another process: a file that lies nowhere but in memory, and is as long as it was made.  Where the system has
 * no such files, or none is wanted, it is this process's alone; all else is the same.
 *
 * A page has memory behind it when it is written to or, in a file, read, until it is forgotten; then it reads as zeros.
 */
#ifndef INMEM_MAPPING_H
#define INMEM_MAPPING_H

#include <stdbool.h>
#include <stddef.h>

#define MAPPING_HUGE ((size_t)2 * 1024 * 1024) /* bytes of a huge page */

struct mapping {
	char *base; /* a multiple of MAPPING_HUGE */
	size_t size;
	int fd; /* of the file; -1: there is none */
};

/* All zeros.  file: one that could be given, if there can be.  0, or -1: no memory. */
int mapping_new(struct mapping *m, size_t size, bool file);

/* What another process made, of exactly this size.  The descriptor is the mapping's if it says 0, else -1: it is nothing of the kind. */
int mapping_take(struct mapping *m, int fd, size_t size);

/*
 * A process says that the memory is its own, for as long as it lives, or until it says that it is not, or closes a descriptor of this file.  false:
 * another process that lives has said so.  For a mapping that is a file.
 */
bool mapping_claim(const struct mapping *m);
void mapping_unclaim(const struct mapping *m);

/* Whether this part may have huge pages behind it, if the system has some; one that is written to first brings all others in it with it. */
void mapping_huge(const struct mapping *m, size_t from, size_t len, bool yes);

/* Pages that are whole in this range have no memory behind them any more.  Any thread. */
void mapping_forget(const struct mapping *m, const void *from, size_t len);

/* In this process; who was given it has it still. */
void mapping_end(struct mapping *m);

#endif
