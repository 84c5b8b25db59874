/* Names of a simulated disk, now and after a power cut: see sim_disk.h. */
#include "sim_disk.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void
sim_disk_init(struct sim_disk *d, uint64_t space)
{
	*d = (struct sim_disk){ .space = space };
}

/* ---- lists of names ---- */

static struct sim_name **
look(struct sim_name **list, const char *path)
{
	while (*list != NULL && strcmp((*list)->path, path) != 0)
		list = &(*list)->next;
	return list;
}

/* Where path leads to is inode from now on; NULL: nowhere. */
static int
point(struct sim_name **list, const char *path, struct sim_inode *inode)
{
	struct sim_name **at = look(list, path), *name = *at;

	if (inode == NULL) {
		if (name != NULL) {
			*at = name->next;
			free(name);
		}
		return 0;
	}
	if (name == NULL) {
		name = calloc(1, sizeof(*name) + strlen(path) + 1);
		if (name == NULL)
			return -ENOMEM;
		strcpy(name->path, path);
		*at = name;
	}
	name->inode = inode;
	return 0;
}

static void
free_names(struct sim_name **list)
{
	while (*list != NULL)
		point(list, (*list)->path, NULL);
}

/* ---- what was not synced ---- */

static void
free_naming(struct sim_naming *n)
{
	free(n->from);
	free(n->to);
	free(n);
}

static int
note(struct sim_disk *d, const char *from, const char *to, struct sim_inode *inode)
{
	struct sim_naming *n = calloc(1, sizeof(*n)), **at = &d->namings;

	if (n == NULL)
		return -ENOMEM;
	n->from = from == NULL ? NULL : strdup(from);
	n->to = to == NULL ? NULL : strdup(to);
	n->inode = inode;
	if ((from != NULL && n->from == NULL) || (to != NULL && n->to == NULL)) {
		free_naming(n);
		return -ENOMEM;
	}
	while (*at != NULL)
		at = &(*at)->next;
	*at = n;
	return 0;
}

static void
make_durable(struct sim_disk *d, const struct sim_naming *n)
{
	if (n->from != NULL) {
		struct sim_name *name = *look(&d->durable_names, n->from);

		if (name != NULL && name->inode == n->inode)
			point(&d->durable_names, n->from, NULL);
	}
	if (n->to != NULL)
		point(&d->durable_names, n->to, n->inode);
}

/* Is path in that folder, and not below? */
static bool
is_in(const char *path, const char *folder)
{
	size_t n = strlen(folder);
	const char *slash = strrchr(path, '/');

	while (n > 1 && folder[n - 1] == '/')
		n--;
	if (slash == NULL)
		return strcmp(folder, ".") == 0;
	if (slash == path)
		return n == 1 && *folder == '/';
	return (size_t)(slash - path) == n && memcmp(path, folder, n) == 0;
}

/* What a path without a folder of its own is in is always there. */
static bool
has_folder(struct sim_name *names, const char *path)
{
	const char *slash = strrchr(path, '/');
	char *folder;
	struct sim_name *name;

	if (slash == NULL || slash == path)
		return true;
	folder = strndup(path, (size_t)(slash - path));
	if (folder == NULL)
		return false;
	name = *look(&names, folder);
	free(folder);
	return name != NULL && name->inode->is_dir;
}

/* ---- the disk as a whole ---- */

void
sim_disk_fini(struct sim_disk *d)
{
	free_names(&d->names);
	free_names(&d->durable_names);
	while (d->namings != NULL) {
		struct sim_naming *n = d->namings;

		d->namings = n->next;
		free_naming(n);
	}
	while (d->inodes != NULL) {
		struct sim_inode *f = d->inodes;

		d->inodes = f->next;
		sim_inode_free(f);
	}
}

static struct sim_inode *
by_number(const struct sim_disk *d, uint64_t number)
{
	struct sim_inode *f = d->inodes;

	while (f != NULL && f->number != number)
		f = f->next;
	return f;
}

struct sim_inode *
sim_disk_same(const struct sim_disk *d, const struct sim_inode *f)
{
	return by_number(d, f->number);
}

static bool
copy_names(struct sim_disk *to, struct sim_name **list, const struct sim_name *names)
{
	for (; names != NULL; names = names->next)
		if (point(list, names->path, by_number(to, names->inode->number)) != 0)
			return false;
	return true;
}

bool
sim_disk_copy(struct sim_disk *to, const struct sim_disk *from)
{
	struct sim_inode **at = &to->inodes;

	sim_disk_init(to, from->space);
	to->marks = from->marks;
	to->inode_numbers = from->inode_numbers;
	for (const struct sim_inode *f = from->inodes; f != NULL; f = f->next) {
		*at = sim_inode_copy(f);
		if (*at == NULL)
			return false;
		at = &(*at)->next;
	}
	for (const struct sim_naming *n = from->namings; n != NULL; n = n->next)
		if (note(to, n->from, n->to, by_number(to, n->inode->number)) != 0)
			return false;
	return copy_names(to, &to->names, from->names) && copy_names(to, &to->durable_names, from->durable_names);
}

void
sim_disk_cut(struct sim_disk *d, struct sim_random *random, size_t block, unsigned keep)
{
	struct sim_name **at;

	while (d->namings != NULL) {
		struct sim_naming *n = d->namings;

		d->namings = n->next;
		if (keep >= 256 || (keep > 0 && sim_random(random) % 256 < keep))
			make_durable(d, n);
		free_naming(n);
	}
	/* What is in a folder that is not there is not there. */
	for (at = &d->durable_names; *at != NULL;) {
		if (has_folder(d->durable_names, (*at)->path)) {
			at = &(*at)->next;
			continue;
		}
		point(at, (*at)->path, NULL);
		at = &d->durable_names;
	}
	free_names(&d->names);
	for (struct sim_inode *f = d->inodes; f != NULL; f = f->next) {
		sim_inode_cut(f, random, block, keep);
		sim_data_fini(&f->now);
		sim_data_copy(&f->now, &f->durable);
	}
	copy_names(d, &d->names, d->durable_names);
}

/* ---- names ---- */

struct sim_inode *
sim_disk_find(const struct sim_disk *d, const char *path)
{
	struct sim_name *list = d->names, *name = *look(&list, path);

	return name == NULL ? NULL : name->inode;
}

int
sim_disk_create(struct sim_disk *d, const char *path, bool is_dir, struct sim_inode **inode)
{
	struct sim_inode *f;

	if (sim_disk_find(d, path) != NULL)
		return -EEXIST;
	if (!has_folder(d->names, path))
		return -ENOENT;
	f = calloc(1, sizeof(*f));
	if (f == NULL)
		return -ENOMEM;
	f->number = ++d->inode_numbers;
	f->is_dir = is_dir;
	f->next = d->inodes;
	d->inodes = f;
	*inode = f;
	return point(&d->names, path, f) == 0 ? note(d, NULL, path, f) : -ENOMEM;
}

int
sim_disk_rename(struct sim_disk *d, const char *from, const char *to)
{
	struct sim_inode *f = sim_disk_find(d, from);

	if (f == NULL || !has_folder(d->names, to))
		return -ENOENT;
	if (f->is_dir)
		return -EISDIR;
	point(&d->names, from, NULL);
	return point(&d->names, to, f) == 0 ? note(d, from, to, f) : -ENOMEM;
}

int
sim_disk_unlink(struct sim_disk *d, const char *path)
{
	struct sim_inode *f = sim_disk_find(d, path);

	if (f == NULL)
		return -ENOENT;
	if (f->is_dir)
		return -EISDIR;
	point(&d->names, path, NULL);
	return note(d, path, NULL, f);
}

int
sim_disk_sync_dir(struct sim_disk *d, const char *path)
{
	if (strcmp(path, ".") != 0 && strcmp(path, "/") != 0 && sim_disk_find(d, path) == NULL)
		return -ENOENT;
	for (struct sim_naming **at = &d->namings; *at != NULL;) {
		struct sim_naming *n = *at;

		if (!(n->from != NULL && is_in(n->from, path)) && !(n->to != NULL && is_in(n->to, path))) {
			at = &n->next;
			continue;
		}
		*at = n->next;
		make_durable(d, n);
		free_naming(n);
	}
	return 0;
}

int
sim_disk_list(const struct sim_disk *d, const char *path, bool (*each)(void *arg, const char *name), void *arg)
{
	struct sim_inode *f = sim_disk_find(d, path);

	if (strcmp(path, ".") != 0 && strcmp(path, "/") != 0 && (f == NULL || !f->is_dir))
		return -ENOENT;
	for (const struct sim_name *n = d->names; n != NULL; n = n->next) {
		const char *slash = strrchr(n->path, '/');

		if (is_in(n->path, path) && !each(arg, slash == NULL ? n->path : slash + 1))
			break;
	}
	return 0;
}
