/* How an I/O ended. */
#ifndef SSD_IO_STATUS_H
#define SSD_IO_STATUS_H

/* The names that errno has are grouped by what one does about them. */
#define IO_STATUSES(X)                                                             \
	X(OK, "done")                                                              \
	/* The disk. */                                                            \
	X(SHORT, "the file ends before, or the disk took only a part")             \
	X(FAILED, "the disk reports an error") /* EIO, and what has no row here */ \
	X(NO_SPACE, "no space is left")	       /* ENOSPC, EDQUOT, EFBIG */         \
	X(GONE, "the device is gone")	       /* ENODEV, ENXIO, ESTALE, ... */    \
	X(TIMEOUT, "no answer within its time")                                    \
	/* This process: nothing was asked of the disk. */                         \
	X(CANCELLED, "given up by who asked") /* but for this: it may have been */ \
	X(BUSY, "too much is waiting")                                             \
	X(DOWN, "the disk is not asked because of earlier errors")                 \
	X(NO_MEMORY, "no memory") /* ENOMEM, EMFILE, ENFILE */                     \
	/* Names and rights. */                                                    \
	X(MISSING, "there is no such file") /* ENOENT, ENOTDIR */                  \
	X(EXISTS, "it exists already")	    /* EEXIST */                           \
	X(DENIED, "not permitted")	    /* EACCES, EPERM, EROFS, ELOOP */      \
	X(LOCKED, "another process has it")                                        \
	X(UNSUPPORTED, "this file system cannot do that") /* EOPNOTSUPP, ENOSYS */ \
	X(INVALID, "an offset, length or buffer that may not be")

enum io_status {
#define IO_STATUS_NAME(name, doc) IO_##name,
	IO_STATUSES(IO_STATUS_NAME)
#undef IO_STATUS_NAME
	    IO_STATUS_COUNT
};

/* "TIMEOUT"; for counters and tests.  Lives as long as the process. */
const char *io_status_name(enum io_status status);

/* "no answer within its time"; for people. */
const char *io_status_text(enum io_status status);

/* What an errno means; 0 is OK. */
enum io_status io_status_of(int error);

#endif
