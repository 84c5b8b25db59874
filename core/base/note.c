/* Notes that outlive the process: see note.h. */
#include "base/note.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

static int
failed(const char *what, const char *folder, const char *name, struct rend_error *err)
{
	return error_set(err, EX_CANTCREAT, "%s %.300s/%.100s: %s", what, folder, name, strerror(errno));
}

/* Who may write there may leave notes and take them away; in a folder like /tmp at least not ours. */
static int
open_folder(const char *folder, struct rend_error *err)
{
	int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) != 0) {
		error_set(err, EX_CANTCREAT, "cannot open the folder %.300s: %s", folder, strerror(errno));
	} else if ((st.st_mode & (S_IWGRP | S_IWOTH)) != 0 && (st.st_mode & S_ISVTX) == 0) {
		error_set(
		    err, EX_CANTCREAT, "others may write to %.300s, and so to the notes in it: chmod go-w it", folder);
	} else {
		return fd;
	}
	if (fd >= 0)
		close(fd);
	return -1;
}

static bool
is_ours(const struct stat *st)
{
	return S_ISREG(st->st_mode) && (st->st_uid == geteuid() || st->st_uid == 0);
}

/* A file that has its name before it has its line would be a note, too; so the line need not be there at once. */
static int
leave_in(int dir, const char *name, const char *line)
{
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0644), rc = 0;

	if (fd < 0)
		return -1;
	if (lseek(fd, 0, SEEK_END) == 0 && dprintf(fd, "%s\n", line) < 0)
		rc = -1;
	if (rc == 0 && (fsync(fd) != 0 || fsync(dir) != 0))
		rc = -1;
	close(fd);
	return rc;
}

int
note_leave(const char *folder, const char *name, const char *line, struct rend_error *err)
{
	int dir = open_folder(folder, err), rc;

	if (dir < 0)
		return -1;
	rc = leave_in(dir, name, line);
	if (rc != 0)
		failed("cannot write", folder, name, err);
	close(dir);
	return rc;
}

int
note_look(const char *folder, const char *name, struct rend_error *err)
{
	int dir = open_folder(folder, err), there;
	struct stat st;

	if (dir < 0)
		return -1;
	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
		there = is_ours(&st);
	else
		there = errno == ENOENT ? 0 : failed("cannot look for", folder, name, err);
	close(dir);
	return there;
}

int
note_remove(const char *folder, const char *name, struct rend_error *err)
{
	int dir = open_folder(folder, err), rc = 0;

	if (dir < 0)
		return -1;
	if ((unlinkat(dir, name, 0) != 0 && errno != ENOENT) || fsync(dir) != 0)
		rc = failed("cannot remove", folder, name, err);
	close(dir);
	return rc;
}
