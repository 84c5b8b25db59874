/* How an I/O ended. */
#include "io_status.h"

#include <errno.h>
#include <stddef.h>

static const struct {
	const char *name, *text;
} statuses[] = {
#define ROW(name, doc) { #name, doc },
	IO_STATUSES(ROW)
#undef ROW
};

static const struct {
	int error;
	enum io_status status;
} errors[] = {
	{ 0, IO_OK },
	{ ENOSPC, IO_NO_SPACE },
	{ EDQUOT, IO_NO_SPACE },
	{ EFBIG, IO_NO_SPACE },
	{ ENODEV, IO_GONE },
	{ ENXIO, IO_GONE },
	{ ESTALE, IO_GONE },
	{ ENOMEDIUM, IO_GONE },
	{ ESHUTDOWN, IO_GONE },
	{ ETIMEDOUT, IO_TIMEOUT },
	{ ETIME, IO_TIMEOUT },
	{ ECANCELED, IO_CANCELLED },
	{ EBUSY, IO_BUSY },
	{ ENOMEM, IO_NO_MEMORY },
	{ EMFILE, IO_NO_MEMORY },
	{ ENFILE, IO_NO_MEMORY },
	{ ENOENT, IO_MISSING },
	{ ENOTDIR, IO_MISSING },
	{ EEXIST, IO_EXISTS },
	{ ENOTEMPTY, IO_EXISTS },
	{ EACCES, IO_DENIED },
	{ EPERM, IO_DENIED },
	{ EROFS, IO_DENIED },
	{ ELOOP, IO_DENIED },
	{ EOPNOTSUPP, IO_UNSUPPORTED },
	{ ENOSYS, IO_UNSUPPORTED },
	{ EINVAL, IO_INVALID },
	{ EBADF, IO_INVALID },
	{ EISDIR, IO_INVALID },
	{ ENAMETOOLONG, IO_INVALID },
};

const char *
io_status_name(enum io_status status)
{
	return (unsigned)status < IO_STATUS_COUNT ? statuses[status].name : "?";
}

const char *
io_status_text(enum io_status status)
{
	return (unsigned)status < IO_STATUS_COUNT ? statuses[status].text : "?";
}

enum io_status
io_status_of(int error)
{
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++)
		if (errors[i].error == error)
			return errors[i].status;
	return IO_FAILED;
}
