/* The disks of this machine, behind io.h: by io_uring, or by threads where the kernel has none or does not let us. */
#ifndef SSD_DISK_H
#define SSD_DISK_H

#include "io.h"

enum disk_engine {
	DISK_AUTO,    /* io_uring if that works here, else threads */
	DISK_URING,   /* UNSUPPORTED or DENIED if it does not */
	DISK_THREADS, /* blocking calls on threads */
};

/* threads: how many, for DISK_THREADS (and DISK_AUTO); 0: the default.  Main thread, before workers run. */
enum io_status disk_new(enum disk_engine engine, unsigned threads, struct io **io);

#endif
