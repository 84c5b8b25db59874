/* The folder of a store: see folder.h. */
#include "folder.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "rend/plugin.h"

#define FORMAT	  2 /* 1 had no seed */
#define LABEL_MAX 512

char *
folder_at(const struct folder *f, const char *name)
{
	char *path = NULL;

	return asprintf(&path, "%s/%s", f->path, name) < 0 ? NULL : path;
}

char *
folder_bin(const struct folder *f, unsigned nth)
{
	char name[32];

	snprintf(name, sizeof name, "bin.%03u", nth);
	return folder_at(f, name);
}

/* NULL: no memory, or the folder where we are is gone. */
static char *
absolute(const char *path)
{
	char here[PATH_MAX], *whole = NULL;

	if (path[0] == '/')
		return strdup(path);
	if (getcwd(here, sizeof here) == NULL || asprintf(&whole, "%s/%s", here, path) < 0)
		return NULL;
	return whole;
}

static int
open_at(const struct folder *f, const char *name, int flags)
{
	char *path = folder_at(f, name);
	int fd = path == NULL ? -1 : open(path, flags | O_CLOEXEC, 0600);

	free(path);
	return fd;
}

/* ---- the lock ---- */

static int
refuse_second(const struct folder *f, struct rend_error *err)
{
	char who[32] = "";
	ssize_t n = pread(f->lock, who, sizeof who - 1, 0);

	who[n < 0 ? 0 : n] = '\0';
	who[strcspn(who, "\n")] = '\0';
	return rend_error(err, "%s is in use by another process%s%s: each store needs a folder of its own", f->path,
	    who[0] != '\0' ? ", " : "", who);
}

static int
take_lock(struct folder *f, struct rend_error *err)
{
	struct flock whole = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	char who[32];
	int n;

	f->lock = open_at(f, "LOCK", O_RDWR | O_CREAT);
	if (f->lock < 0)
		return rend_error(err, "%s/LOCK cannot be opened: %s", f->path, strerror(errno));
	if (fcntl(f->lock, F_OFD_SETLK, &whole) != 0) {
		if (errno == EAGAIN || errno == EACCES)
			return refuse_second(f, err);
		return rend_error(err, "%s/LOCK cannot be locked: %s", f->path, strerror(errno));
	}
	n = snprintf(who, sizeof who, "process %ld\n", (long)getpid());
	/* For people alone: on a full disk there is none. */
	if (ftruncate(f->lock, 0) != 0 || pwrite(f->lock, who, (size_t)n, 0) != n)
		rend_log(REND_LOG_WARN, "mnemonic: %s/LOCK cannot be written: %s", f->path, strerror(errno));
	return 0;
}

int
folder_open(struct folder *f, const char *path, struct rend_error *err)
{
	*f = (struct folder){ .path = absolute(path), .lock = -1 };
	if (f->path == NULL)
		return rend_error(err, "cannot tell where %s is", path);
	if (mkdir(f->path, 0700) != 0 && errno != EEXIST) {
		rend_error(err, "%s cannot be made: %s", f->path, strerror(errno));
	} else if (take_lock(f, err) == 0) {
		return 0;
	}
	folder_close(f);
	return -1;
}

void
folder_close(struct folder *f)
{
	if (f->lock >= 0)
		close(f->lock);
	f->lock = -1;
	free(f->path);
	f->path = NULL;
}

/* ---- the label ---- */

static bool
has(const struct folder *f, const char *name)
{
	char *path = folder_at(f, name);
	bool there = path == NULL || access(path, F_OK) == 0 || errno != ENOENT;

	free(path);
	return there;
}

bool
folder_is_lost(const struct folder *f)
{
	return (has(f, "STATE") || has(f, "bin.000")) && !has(f, "NEW");
}

int
folder_label(const struct folder *f, struct label *label, struct rend_error *err)
{
	char text[LABEL_MAX];
	int format = 0, parts, fd = open_at(f, "LABEL", O_RDONLY);
	ssize_t n;

	if (fd < 0 && errno == ENOENT)
		return 0;
	n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
	if (fd >= 0)
		close(fd);
	if (n < 0)
		return rend_error(err, "%s/LABEL cannot be read: %s", f->path, strerror(errno));
	text[n] = '\0';
	label->seed = 0;
	parts = sscanf(text, "mnemonic %d\nbins %u\ncompaction %15s\nseed %16" SCNx64 "\n", &format, &label->bins,
	    label->compaction, &label->seed);
	if (parts < 3 || label->bins == 0 || label->bins > BINS_MOST || (format == FORMAT && parts != 4))
		return rend_error(err,
		    "%s/LABEL is none of ours: take another folder, or empty this one, and it begins anew", f->path);
	if (format < 1 || format > FORMAT)
		return rend_error(err,
		    "%s was made by another version, format %d: this one knows format %d; empty the folder, and it "
		    "begins anew",
		    f->path, format, FORMAT);
	return 1;
}

int
folder_set_label(const struct folder *f, const struct label *label, bool lasts, struct rend_error *err)
{
	char text[LABEL_MAX], *new = folder_at(f, "LABEL.new"), *path = folder_at(f, "LABEL");
	int n = snprintf(text, sizeof text, "mnemonic %d\nbins %u\ncompaction %s\nseed %016" PRIx64 "\n", FORMAT,
	    label->bins, label->compaction, label->seed);
	int fd = open_at(f, "LABEL.new", O_WRONLY | O_CREAT | O_TRUNC), dir = open(f->path, O_RDONLY | O_CLOEXEC);
	bool done = new != NULL &&path != NULL &&fd >= 0 && dir >= 0 && write(fd, text, (size_t)n) == n &&
		    (!lasts || fsync(fd) == 0) && rename(new, path) == 0 && (!lasts || fsync(dir) == 0);
	int why = errno;

	if (fd >= 0)
		close(fd);
	if (dir >= 0)
		close(dir);
	free(new);
	free(path);
	return done ? 0 : rend_error(err, "%s/LABEL cannot be written: %s", f->path, strerror(why));
}

static void
remove_file(const struct folder *f, const char *name)
{
	char *path = folder_at(f, name);

	if (path != NULL)
		unlink(path);
	free(path);
}

int
folder_begin(const struct folder *f, struct rend_error *err)
{
	int fd = open_at(f, "NEW", O_WRONLY | O_CREAT), dir = open(f->path, O_RDONLY | O_CLOEXEC);
	/* On the disk before anything else is done to it. */
	bool done = fd >= 0 && dir >= 0 && fsync(dir) == 0;
	int why = errno;

	if (fd >= 0)
		close(fd);
	if (dir >= 0)
		close(dir);
	if (!done)
		return rend_error(err, "%s/NEW cannot be made: %s", f->path, strerror(why));
	remove_file(f, "LABEL");
	remove_file(f, "LABEL.new");
	remove_file(f, "STATE");
	return 0;
}

void
folder_begun(const struct folder *f)
{
	remove_file(f, "NEW");
}

bool
folder_is_direct(const struct folder *f)
{
	int fd = open_at(f, "LOCK", O_RDONLY | O_DIRECT);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}
