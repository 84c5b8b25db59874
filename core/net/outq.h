/* Writes a chain to a socket. */
#ifndef NET_OUTQ_H
#define NET_OUTQ_H

#include "base/chain.h"
#include "net/counts.h"

enum outq {
	OUTQ_EMPTY,   /* all is written */
	OUTQ_BLOCKED, /* the kernel takes no more now */
	OUTQ_BUSY,    /* it would take more, but this one has had its share of the turn */
	OUTQ_BROKEN,  /* the peer is gone */
};

/* Writes as much as goes, in at most 32 system calls. */
enum outq outq_write(int fd, struct chain *out, struct counts *counts);

#endif
