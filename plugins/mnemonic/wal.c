/* Logs of a closed database: see wal.h. */
#include "wal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool
is_log(const char *name)
{
	size_t len = strlen(name);

	return len > 4 && strcmp(name + len - 4, ".log") == 0;
}

static int
sync_one(int folder, const char *name, uint64_t *bytes, char why[WHY_MAX])
{
	int fd = openat(folder, name, O_RDONLY | O_CLOEXEC);
	struct stat is;
	bool done = fd >= 0 && fstat(fd, &is) == 0 && fsync(fd) == 0;

	if (done)
		*bytes += (uint64_t)is.st_size;
	else
		snprintf(why, WHY_MAX, "its log %s cannot be synced: %s", name, strerror(errno));
	if (fd >= 0)
		close(fd);
	return done ? 0 : -1;
}

int
wal_sync(const char *dir, uint64_t *bytes, char why[WHY_MAX])
{
	DIR *d = opendir(dir);
	const struct dirent *e;
	int done = d == NULL ? -1 : 0;

	*bytes = 0;
	if (d == NULL)
		snprintf(why, WHY_MAX, "its folder cannot be read: %s", strerror(errno));
	while (done == 0 && (e = readdir(d)) != NULL)
		if (is_log(e->d_name))
			done = sync_one(dirfd(d), e->d_name, bytes, why);
	if (d != NULL)
		closedir(d);
	return done;
}
