/*
 * Who could have written this file?  Resolves the links on the way to it, then looks at every folder of what they lead
 * to, from / down, and last at the file:
 *
 *	/opt/rend/inmem.so ──► /usr/lib/rend/inmem.so
 *	                        / ─► usr ─► lib ─► rend ─► inmem.so	each: whose is it, who else may write?
 *
 * If nobody but root and us may change any of them, nobody else can put another file in the place of the one that was
 * looked at.  That holds for the path that was resolved: a link may be anybody's, and lead elsewhere the next time.
 */
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
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

/* Where path lies, no link on the way: its folder is resolved, its last name stays what it is. */
static int
trust_resolve(const char *path, char whole[PATH_MAX], struct rend_error *err)
{
	char given[PATH_MAX], folder[PATH_MAX];
	const char *slash = strrchr(path, '/'), *name = slash == NULL ? path : slash + 1;

	if (slash == NULL)
		strcpy(given, ".");
	else
		snprintf(given, sizeof(given), "%.*s", slash == path ? 1 : (int)(slash - path), path);
	if (realpath(given, folder) == NULL)
		return error_set(err, EX_NOINPUT, "cannot look at %s: %s", given, strerror(errno));
	if (trust_way(folder, path, err) != 0)
		return -1;
	if (snprintf(whole, PATH_MAX, "%s/%s", strcmp(folder, "/") == 0 ? "" : folder, name) >= PATH_MAX)
		return error_set(err, EX_NOINPUT, "%.64s...: the path is too long", path);
	return 0;
}

int
trust_file(const char *path, char whole[PATH_MAX], struct rend_error *err)
{
	struct stat st;

	if (strlen(path) >= PATH_MAX)
		return error_set(err, EX_NOINPUT, "%.64s...: the path is too long", path);
	/* Only to say that it is not there: what else may be said of it is not certain yet. */
	if (lstat(path, &st) != 0)
		return error_set(err, EX_NOINPUT, "cannot look at %s: %s", path, strerror(errno));
	if (trust_resolve(path, whole, err) != 0)
		return -1;
	if (lstat(whole, &st) != 0)
		return error_set(err, EX_NOINPUT, "cannot look at %s: %s", path, strerror(errno));
	if (S_ISLNK(st.st_mode))
		return error_set(err, EX_NOPERM, "%s is a symbolic link: name the file itself", path);
	if (!S_ISREG(st.st_mode))
		return error_set(err, EX_NOPERM, "%s is not a regular file", path);
	return trust_owner_and_mode(path, &st, err);
}
