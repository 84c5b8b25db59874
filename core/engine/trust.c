/*
 * Who could have written this file?  Looks at every folder from / down, then at the file:
 *
 *	/ ─► usr ─► lib ─► rend ─► inmem.so		each: whose is it, who else may write?
 *
 * If nobody but root and us may change any of them, nobody else can put another file in the place of the one that was
 *looked at.
 */
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "engine/trust.h"

/* Is what lies at path, a file or a folder on the way to one, out of reach for others? */
static int
trust_owner_and_mode(const char *path, const struct stat *st, struct rend_error *err)
{
	bool folder = S_ISDIR(st->st_mode);
	unsigned mode = st->st_mode & 07777;

	if (st->st_uid != 0 && st->st_uid != geteuid())
		return error_set(err, EX_NOPERM, "%s is not safe to load: it belongs to user %u, neither root nor us",
		    path, (unsigned)st->st_uid);
	if (folder && (mode & S_ISVTX))
		return 0;
	if (mode & S_IWOTH)
		return error_set(
		    err, EX_NOPERM, "%s is not safe to load: everybody may write it (mode %04o)", path, mode);
	if (mode & S_IWGRP)
		return error_set(
		    err, EX_NOPERM, "%s is not safe to load: its group may write it (mode %04o)", path, mode);
	return 0;
}

/* The same for a folder below which the file lies. */
static int
trust_folder(const char *folder, const char *file, struct rend_error *err)
{
	struct rend_error why = { 0 };
	struct stat st;

	if (lstat(folder, &st) != 0)
		return error_set(err, EX_NOINPUT, "cannot look at %s: %s", folder, strerror(errno));
	if (!S_ISDIR(st.st_mode))
		return error_set(err, EX_NOPERM, "%s is not a folder any more", folder);
	if (trust_owner_and_mode(folder, &st, &why) != 0)
		return error_set(err, why.exit_code, "%s; %s lies in it", why.text, file);
	return 0;
}

/* All of them, from / down.  folder is absolute and without links; it is cut and mended on the way. */
static int
trust_way(char *folder, const char *file, struct rend_error *err)
{
	if (trust_folder("/", file, err) != 0)
		return -1;
	for (char *end = folder; *end != '\0';) {
		char cut;
		int ok;

		end += strspn(end, "/");
		if (*end == '\0')
			break;
		end += strcspn(end, "/");
		cut = *end;
		*end = '\0';
		ok = trust_folder(folder, file, err);
		*end = cut;
		if (ok != 0)
			return -1;
	}
	return 0;
}

int
trust_file(const char *path, struct rend_error *err)
{
	char given[PATH_MAX], folder[PATH_MAX];
	struct stat st;
	char *slash;

	if (strlen(path) >= sizeof(given))
		return error_set(err, EX_NOINPUT, "%.64s...: the path is too long", path);
	if (lstat(path, &st) != 0)
		return error_set(err, EX_NOINPUT, "cannot look at %s: %s", path, strerror(errno));
	if (S_ISLNK(st.st_mode))
		return error_set(err, EX_NOPERM, "%s is a symbolic link: name the file itself", path);
	if (!S_ISREG(st.st_mode))
		return error_set(err, EX_NOPERM, "%s is not a regular file", path);
	if (trust_owner_and_mode(path, &st, err) != 0)
		return -1;

	strcpy(given, path);
	slash = strrchr(given, '/');
	if (slash == NULL)
		strcpy(given, ".");
	else if (slash == given)
		given[1] = '\0';
	else
		*slash = '\0';
	if (realpath(given, folder) == NULL)
		return error_set(err, EX_NOINPUT, "cannot look at %s: %s", given, strerror(errno));
	return trust_way(folder, path, err);
}
