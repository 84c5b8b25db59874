/* What lies in a plugin's file: see plugin_file.h. */
#include "engine/plugin_file.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

/* Larger than any plugin. */
#define FILE_MAX ((off_t)1 << 30)

/* All of a file.  NULL: the reason is in err.  The caller frees it. */
static char *
slurp(const char *path, size_t *size, struct rend_error *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	char *text = NULL;
	struct stat st;
	size_t at = 0;
	ssize_t n = 0;

	if (fd < 0 || fstat(fd, &st) != 0) {
		error_set(err, EX_NOINPUT, "%s cannot be read: %s", path, strerror(errno));
	} else if (!S_ISREG(st.st_mode) || st.st_size > FILE_MAX) {
		error_set(err, EX_CONFIG, "%s is no file that a plugin could lie in", path);
	} else if ((text = malloc((size_t)st.st_size + 1)) == NULL) {
		error_set(err, EX_OSERR, "no memory for plugin %s", path);
	} else {
		while (at < (size_t)st.st_size && (n = read(fd, text + at, (size_t)st.st_size - at)) > 0)
			at += (size_t)n;
		if (n < 0) {
			error_set(err, EX_NOINPUT, "%s cannot be read: %s", path, strerror(errno));
			free(text);
			text = NULL;
		}
	}
	if (fd >= 0)
		close(fd);
	*size = at;
	return text;
}

static struct plugin_sum
sum_of(const char *text, size_t size)
{
	XXH128_hash_t h = XXH3_128bits(text, size);

	return (struct plugin_sum){ size, { h.low64, h.high64 } };
}

int
plugin_file_sum(const char *path, struct plugin_sum *sum, struct rend_error *err)
{
	size_t size;
	char *text = slurp(path, &size, err);

	if (text == NULL)
		return -1;
	*sum = sum_of(text, size);
	free(text);
	return 0;
}

bool
plugin_sum_same(const struct plugin_sum *a, const struct plugin_sum *b)
{
	return a->size == b->size && a->hash[0] == b->hash[0] && a->hash[1] == b->hash[1];
}

/* A file in memory with this content.  Its descriptor, or -1 and errno. */
static int
file_in_memory(const char *name, const char *text, size_t size)
{
	int fd = memfd_create(name, MFD_CLOEXEC);
	size_t at = 0;

	while (fd >= 0 && at < size) {
		ssize_t n = write(fd, text + at, size - at);

		if (n > 0) {
			at += (size_t)n;
			continue;
		}
		if (n < 0 && errno == EINTR)
			continue;
		close(fd);
		return -1;
	}
	return fd;
}

void *
plugin_file_open_copy(const char *path, const struct plugin_sum *sum, char from[PATH_MAX], struct rend_error *err)
{
	static unsigned copies;
	const char *name = strrchr(path, '/');
	struct plugin_sum now;
	void *handle = NULL;
	size_t size, len;
	char *text;
	int fd;

	if (copies == PLUGIN_COPIES_MAX) {
		error_set(err, EX_UNAVAILABLE,
		    "%s has changed, and so have %d plugins since rend was started, of which each stays in memory: "
		    "needs a restart",
		    path, PLUGIN_COPIES_MAX);
		return NULL;
	}
	text = slurp(path, &size, err);
	if (text == NULL)
		return NULL;
	now = sum_of(text, size);
	fd = plugin_sum_same(&now, sum) ? file_in_memory(name == NULL ? path : name + 1, text, size) : -1;
	free(text);
	if (!plugin_sum_same(&now, sum)) {
		error_set(err, EX_TEMPFAIL, "%s changed while it was read", path);
		return NULL;
	}
	if (fd < 0) {
		error_set(err, EX_OSERR, "there is no room for a copy of %s: %s", path, strerror(errno));
		return NULL;
	}
	/* A descriptor's number comes again, and dlopen() would take the name for that of the file it had before: no two names are the same. */
	len = (size_t)snprintf(from, PATH_MAX, "/proc/self/fd/");
	for (unsigned i = 0; i < copies; i++)
		len += (size_t)snprintf(from + len, PATH_MAX - len, "./");
	snprintf(from + len, PATH_MAX - len, "%d", fd);
	copies++;
	handle = dlopen(from, RTLD_NOW | RTLD_LOCAL);
	close(fd);
	return handle;
}
