/*
 * The files of a store: which there are, whether they are right, and which super counts.
 *
 * One folder for each path; the supers are in each, bank n in path n modulo their number.
 *
 *	super.a, super.b ── both are written, one after the other, for each change (write.c) ──► the newer one that is valid is what holds
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "state.h"

#define DATA_BEGIN (64U << 10) /* bytes of a bank that are looked at when no super says what it is */

static char *
name_in(const struct path *p, const char *name)
{
	size_t size = strlen(p->dir) + strlen(name) + 2;
	char *path = malloc(size);

	if (path != NULL)
		snprintf(path, size, "%s/%s", p->dir, name);
	return path;
}

static enum io_status
open_file(const struct path *p, const char *name, int flags, struct breaker *breaker, struct io_file **file)
{
	char *path = name_in(p, name);
	enum io_status status = path == NULL ? IO_NO_MEMORY : io_open(p->io, path, flags, breaker, file);

	free(path);
	return status;
}

/* ---- the folder ---- */

/* So that the folder is there after a power cut, too. */
static enum io_status
sync_parent(const struct path *p)
{
	char *parent = strdup(p->dir), *slash = parent == NULL ? NULL : strrchr(parent, '/');
	enum io_status status = IO_NO_MEMORY;

	if (slash != NULL)
		slash[slash == parent] = '\0'; /* of "/x" the slash stays */
	if (parent != NULL)
		status = io_sync_dir(p->io, slash == NULL ? "." : parent);
	free(parent);
	return status;
}

static int
make_folder(const struct path *p, struct store_opened *opened)
{
	enum io_status status = io_make_dir(p->io, p->dir);

	if (status == IO_OK)
		status = sync_parent(p);
	if (status != IO_OK && status != IO_EXISTS)
		return opened_fails(opened, "cannot make the folder %s: %s", p->dir,
		    status == IO_MISSING ? "the one that it belongs in is not there" : io_status_text(status));
	status = io_own_dir(p->io, p->dir);
	if (status == IO_DENIED)
		return opened_fails(opened,
		    "others may change what is in the folder %s: it has to be this user's, or root's, and nobody else "
		    "may "
		    "write to it (chown, chmod go-w)",
		    p->dir);
	if (status != IO_OK)
		return opened_fails(opened, "cannot look at the folder %s: %s", p->dir, io_status_text(status));
	return 0;
}

/* ---- supers ---- */

static int
open_supers(struct path *p, struct store_opened *opened)
{
	if (make_folder(p, opened) != 0)
		return -1;
	for (unsigned i = 0; i < 2; i++) {
		enum io_status status = open_file(p, i == 0 ? "super.a" : "super.b", IO_CREATE, NULL, &p->supers[i]);

		if (status == IO_OK && i == 0)
			status = io_lock(p->supers[0]);
		if (status != IO_OK)
			return opened_fails(opened, "cannot open super.%c in %s: %s", i == 0 ? 'a' : 'b', p->dir,
			    io_status_text(status));
	}
	return 0;
}

int
files_open_supers(struct store *s, struct store_opened *opened)
{
	for (unsigned i = 0; i < s->path_count; i++)
		if (open_supers(&s->paths[i], opened) != 0)
			return -1;
	return 0;
}

static enum super_looks
read_super(struct path *p, unsigned i, struct super *super, struct geometry *g, struct super_lost *lost)
{
	_Alignas(IO_ALIGN) char block[FORMAT_BLOCK]; /* no memory must not look like a broken one */
	enum super_looks looks = SUPER_BROKEN;
	size_t got = 0;
	enum io_status status;

	status = io_read(p->supers[i], block, FORMAT_BLOCK, 0, &got);
	if (status == IO_SHORT && got == 0)
		looks = SUPER_BLANK;
	else if (status == IO_OK)
		looks = format_super_look(block, super, g);
	if (looks == SUPER_VALID && super->generation % 2 != i)
		looks = SUPER_BROKEN; /* of the other file */
	if (looks == SUPER_VALID)
		format_lost_read(block, super, g, lost);
	return looks;
}

void
files_read_supers(struct path *p, struct supers_found *found)
{
	struct super super[2] = { 0 };
	struct super_lost lost[2] = { 0 };
	struct geometry g[2];
	unsigned newer;

	for (unsigned i = 0; i < 2; i++)
		found->looks[i] = read_super(p, i, &super[i], &g[i], &lost[i]);
	newer = found->looks[0] != SUPER_VALID ||
		(found->looks[1] == SUPER_VALID && super[1].generation > super[0].generation);
	found->valid = found->looks[newer] == SUPER_VALID;
	found->super = found->valid ? super[newer] : (struct super){ 0 };
	found->g = g[newer];
	found->segments = lost[newer];
	/* While the first of both was made the other one was empty. */
	found->lost = !found->valid && found->looks[0] != SUPER_BLANK && found->looks[1] != SUPER_BLANK;
	found->half = found->looks[0] == SUPER_BLANK || found->looks[1] == SUPER_BLANK;
	found->format = 0;
	for (unsigned i = 0; i < 2 && !found->valid; i++)
		if (found->looks[i] == SUPER_OTHER)
			found->format = super[i].format;
}

/* ---- banks ---- */

static enum io_status
make_long(struct store *s, struct io_file *file, bool longer)
{
	enum io_status status = io_preallocate(file, 0, s->g.bank);

	if (status == IO_UNSUPPORTED || (status == IO_OK && longer))
		status = io_resize(file, s->g.bank);
	/* Then whoever finds it shorter knows that something was lost. */
	return status == IO_OK ? io_sync(file) : status;
}

static int
bank_fails(const struct store *s, uint32_t bank, enum io_status status, struct store_opened *opened)
{
	return opened_fails(opened, "cannot open data.%03u in %s, or make it %llu bytes: %s", bank,
	    s->paths[s->banks[bank].path].dir, (unsigned long long)s->g.bank, io_status_text(status));
}

static int
open_bank(struct store *s, uint32_t bank, struct store_opened *opened)
{
	struct bank *b = &s->banks[bank];
	const struct path *p = &s->paths[b->path];
	char name[32];
	enum io_status status;
	uint64_t is = 0;

	snprintf(name, sizeof name, "data.%03u", bank);
	status = open_file(p, name, IO_CREATE | IO_DIRECT, p->breaker, &b->file);
	if (status == IO_OK)
		status = io_size(b->file, &is);
	if (status == IO_OK && is < s->g.bank && opened->how != STORE_NEW) {
		s->banks_cut = true;
		s->cut = bank;
		s->cut_to = is;
	} else if (status == IO_OK && is != s->g.bank) {
		b->was_empty = is == 0;
		status = make_long(s, b->file, is > s->g.bank);
	}
	return status == IO_OK ? 0 : bank_fails(s, bank, status, opened);
}

void
files_give_back(struct store *s)
{
	for (uint32_t i = 0; i < s->g.banks; i++)
		if (s->banks[i].file != NULL && s->banks[i].was_empty)
			io_resize(s->banks[i].file, 0);
}

int
files_open_banks(struct store *s, struct store_opened *opened)
{
	s->banks = calloc(s->g.banks, sizeof *s->banks);
	if (s->banks == NULL)
		return opened_fails(opened, "no memory");
	for (uint32_t i = 0; i < s->g.banks; i++) {
		s->banks[i].path = i % s->path_count;
		if (open_bank(s, i, opened) != 0) {
			files_give_back(s);
			return -1;
		}
	}
	for (unsigned i = 0; i < s->path_count; i++) {
		enum io_status status = io_sync_dir(s->paths[i].io, s->paths[i].dir);

		if (status != IO_OK)
			return opened_fails(
			    opened, "cannot sync the folder %s: %s", s->paths[i].dir, io_status_text(status));
	}
	return 0;
}

int
files_lengthen_banks(struct store *s, struct store_opened *opened)
{
	for (uint32_t i = 0; s->banks_cut && i < s->g.banks; i++) {
		uint64_t is = 0;
		enum io_status status = io_size(s->banks[i].file, &is);

		if (status == IO_OK && is != s->g.bank)
			status = make_long(s, s->banks[i].file, false);
		if (status != IO_OK)
			return bank_fails(s, i, status, opened);
	}
	return 0;
}

/* ---- what is there besides ---- */

/* The number in the name of a bank.  false: it is not one. */
static bool
is_bank(const char *name, uint32_t *number)
{
	const char *digits = name + strlen("data.");

	if (strncmp(name, "data.", strlen("data.")) != 0 || strlen(digits) < 3 || strlen(digits) > 6 ||
	    strspn(digits, "0123456789") != strlen(digits))
		return false;
	*number = (uint32_t)strtoul(digits, NULL, 10);
	return true;
}

/* At its begin, where a store writes first, there are zeros only: what the first start leaves, if it does not come further. */
static bool
begins_blank(struct io_file *file)
{
	_Alignas(IO_ALIGN) char block[FORMAT_BLOCK];

	for (uint64_t at = 0; at < DATA_BEGIN; at += sizeof block) {
		size_t got = 0;
		enum io_status status = io_read(file, block, sizeof block, at, &got);

		if (status != IO_OK && status != IO_SHORT)
			return false;
		for (size_t i = 0; i < got; i++)
			if (block[i] != 0)
				return false;
		if (status == IO_SHORT)
			break;
	}
	return true;
}

struct data_found {
	const struct path *path;
	bool is;
};

static bool
look_for_data(void *arg, const char *name)
{
	struct data_found *found = arg;
	struct io_file *file = NULL;
	enum io_status status;
	uint32_t number;

	if (!is_bank(name, &number))
		return true;
	status = open_file(found->path, name, IO_READ_ONLY, NULL, &file);
	found->is = status != IO_MISSING && (status != IO_OK || !begins_blank(file));
	io_close(&file);
	return !found->is;
}

bool
files_have_data(struct path *p)
{
	struct data_found found = { .path = p };

	return io_list(p->io, p->dir, look_for_data, &found) != IO_OK || found.is;
}

struct removing {
	const struct store *s;
	unsigned path;
};

static bool
remove_other_bank(void *arg, const char *name)
{
	const struct removing *r = arg;
	const struct path *p = &r->s->paths[r->path];
	uint32_t number;
	char *path;

	if (!is_bank(name, &number) || number >= p->banks_before ||
	    (number < r->s->g.banks && number % r->s->path_count == r->path))
		return true;
	path = name_in(p, name);
	if (path != NULL)
		io_unlink(p->io, path);
	free(path);
	return true;
}

/* What cannot be removed only takes room. */
void
files_remove_others(struct store *s)
{
	for (unsigned i = 0; i < s->path_count; i++) {
		struct removing r = { s, i };

		io_list(s->paths[i].io, s->paths[i].dir, remove_other_bank, &r);
	}
}
