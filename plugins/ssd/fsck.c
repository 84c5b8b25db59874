/* Is a store that nobody uses as it should be?  See fsck.h. */
#include "fsck.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fsck_state.h"

static void
say(struct fsck *f, bool is_wrong, const char *fmt, va_list args)
{
	char sentence[512];

	vsnprintf(sentence, sizeof(sentence), fmt, args);
	f->say(f->arg, is_wrong, sentence);
}

void
fsck_wrong(struct fsck *f, const char *fmt, ...)
{
	va_list args;

	f->found->wrong++;
	va_start(args, fmt);
	say(f, true, fmt, args);
	va_end(args);
}

void
fsck_doubt(struct fsck *f, const char *fmt, ...)
{
	char what[256];
	va_list args;

	va_start(args, fmt);
	vsnprintf(what, sizeof(what), fmt, args);
	va_end(args);
	if (f->same_boot)
		fsck_wrong(f, "%s", what);
	else
		fsck_note(f, "%s, as after a power cut", what);
}

void
fsck_note(struct fsck *f, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	say(f, false, fmt, args);
	va_end(args);
}

static enum io_status
open_in(struct io *io, const char *dir, const char *name, int flags, struct io_file **file)
{
	size_t size = strlen(dir) + strlen(name) + 2;
	char *path = malloc(size);
	enum io_status status;

	*file = NULL;
	if (path == NULL)
		return IO_NO_MEMORY;
	snprintf(path, size, "%s/%s", dir, name);
	status = io_open(io, path, flags | IO_READ_ONLY, NULL, file);
	free(path);
	return status;
}

enum io_status
fsck_open(struct fsck *f, unsigned path, const char *name, int flags, struct io_file **file)
{
	return open_in(f->io, f->paths[path].dir, name, flags, file);
}

/* ---- which store ---- */

static const char *const names[] = { "super.a", "super.b" };

/* The folder of several; and what is between its name and a file's. */
#define IN(f, path) (f)->path_count > 1 ? (path)->dir : "", (f)->path_count > 1 ? "/" : ""

/* Reads one of the two.  true: it is valid. */
static bool
read_super(struct fsck *f, struct fsck_path *path, int which, struct super *super, struct geometry *g)
{
	enum io_status status = open_in(f->io, path->dir, names[which], 0, &path->supers[which]);
	char *block = f->segment;

	if (status == IO_OK)
		status = io_read(path->supers[which], block, FORMAT_BLOCK, 0, NULL);
	if (status != IO_OK && status != IO_SHORT) {
		if (status != IO_MISSING)
			fsck_wrong(f, "%s%s%s cannot be read: %s", IN(f, path), names[which], io_status_text(status));
		return false;
	}
	if (status != IO_OK || !format_super_read(block, super, g) || super->generation % 2 != (uint64_t)which)
		return false;
	for (size_t i = super->format < FORMAT_PATHS ? offsetof(struct super, paths) : sizeof(*super); i < FORMAT_LOST;
	     i++)
		if (block[i] != 0) {
			fsck_wrong(f, "%s%s%s has something behind its end", IN(f, path), names[which]);
			break;
		}
	return true;
}

/* The newer super of a folder. */
static enum fsck_ended
read_supers(struct fsck *f, struct fsck_path *path)
{
	struct super super[2];
	struct geometry g[2];
	int newer;

	for (int i = 0; i < 2; i++)
		path->valid[i] = read_super(f, path, i, &super[i], &g[i]);
	if (path->supers[0] != NULL && io_lock(path->supers[0]) == IO_LOCKED)
		return FSCK_IN_USE;
	if (!path->valid[0] && !path->valid[1])
		return FSCK_NO_STORE;
	newer = path->valid[1] && (!path->valid[0] || super[1].generation > super[0].generation);
	path->super = super[newer];
	path->g = g[newer];
	if (f->found->super.generation <= super[newer].generation) {
		f->found->super = super[newer];
		f->found->g = g[newer];
		f->same_boot = super[newer].boot == 0 || super[newer].boot == io_boot(f->io);
	}
	/* One that was away for a while had some that it did not get. */
	if (path->valid[!newer] && super[newer].generation - super[!newer].generation != 1 && f->path_count == 1)
		fsck_wrong(f, "%s is older than it can be", names[!newer]);
	return FSCK_LOOKED;
}

/* Each folder at its number, and all there. */
static bool
put_in_order(struct fsck *f)
{
	const struct super *super = &f->found->super;
	struct fsck_path sorted[FORMAT_PATHS_MAX] = { 0 };
	bool whole = true;

	for (unsigned i = 0; i < f->path_count; i++) {
		const struct fsck_path *path = &f->paths[i];
		unsigned number = path->super.path;

		if (path->super.paths != super->paths || memcmp(path->super.uuid, super->uuid, FORMAT_UUID) != 0) {
			fsck_wrong(f, "%s belongs to another store than %s", path->dir, f->paths[0].dir);
			return false;
		}
		if (sorted[number].dir != NULL) {
			fsck_wrong(f, "%s and %s are both path %u of the store: one is a copy", sorted[number].dir,
			    path->dir, number + 1);
			return false;
		}
		sorted[number] = *path;
	}
	for (unsigned i = 0; i < super->paths; i++)
		if (sorted[i].dir == NULL) {
			fsck_wrong(f, "the store has %u folders, and path %u of it is not among those that were given",
			    super->paths, i + 1);
			whole = false;
		}
	if (whole)
		memcpy(f->paths, sorted, sizeof(sorted));
	return whole;
}

/* Do all supers say the same? */
static void
compare_supers(struct fsck *f)
{
	for (unsigned i = 0; i < f->path_count; i++) {
		struct fsck_path *path = &f->paths[i];

		for (int which = 0; which < 2; which++)
			if (!path->valid[which])
				fsck_doubt(f, "%s%s%s is not valid", IN(f, path), names[which]);
		if (path->super.generation < f->found->super.got[i])
			fsck_wrong(f, "%s is older than what was left there: rend would not start on it", path->dir);
	}
}

static enum fsck_ended
identify(struct fsck *f)
{
	enum fsck_ended ended = FSCK_LOOKED;

	for (unsigned i = 0; i < f->path_count && ended == FSCK_LOOKED; i++)
		ended = read_supers(f, &f->paths[i]);
	if (ended != FSCK_LOOKED)
		return ended;
	if (!put_in_order(f))
		return FSCK_APART;
	compare_supers(f);
	return FSCK_LOOKED;
}

/* ---- files ---- */

static void
open_bank(struct fsck *f, uint32_t bank)
{
	char name[32];
	uint64_t bytes = 0;
	enum io_status status;

	snprintf(name, sizeof(name), "data.%03u", bank);
	status = fsck_open(f, bank % f->path_count, name, IO_DIRECT, &f->bank);
	if (status == IO_OK)
		status = io_size(f->bank, &bytes);
	if (status != IO_OK)
		fsck_wrong(f, "%s cannot be opened: %s", name, io_status_text(status));
	else if (bytes != f->found->g.bank)
		fsck_wrong(f, "%s has %llu bytes, and should have %llu", name, (unsigned long long)bytes,
		    (unsigned long long)f->found->g.bank);
}

/* ---- the whole ---- */

static int
by_number(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static void
check_seqs(struct fsck *f)
{
	uint32_t n = f->found->g.segments;

	qsort(f->seqs, n, sizeof(f->seqs[0]), by_number);
	for (uint32_t i = 1; i < n; i++)
		if (f->seqs[i] != 0 && f->seqs[i] == f->seqs[i - 1])
			fsck_wrong(f, "two segments have the seq %llu", (unsigned long long)f->seqs[i]);
}

static enum fsck_ended
look(struct fsck *f)
{
	const struct geometry *g = &f->found->g;
	enum fsck_ended ended = identify(f);

	if (ended != FSCK_LOOKED)
		return ended;
	free(f->segment);
	f->segment = aligned_alloc(IO_ALIGN, g->segment);
	f->seqs = calloc(g->segments, sizeof(f->seqs[0]));
	f->sealed = calloc(g->segments, sizeof(f->sealed[0]));
	if (f->segment == NULL || f->seqs == NULL || f->sealed == NULL || fsck_index(f) != 0)
		return FSCK_NO_MEMORY;
	/* One file at a time: there may be more than a process may have open. */
	for (uint32_t bank = 0; bank < g->banks; bank++) {
		open_bank(f, bank);
		for (uint32_t i = 0; i < g->per_bank; i++)
			fsck_segment(f, bank * g->per_bank + i);
		io_close(&f->bank);
	}
	fsck_pieces(f);
	check_seqs(f);
	f->found->has_index = f->index != NULL;
	if (f->index == NULL)
		return FSCK_LOOKED;
	f->found->objects = index_count(f->index);
	if (f->live != f->found->objects)
		fsck_wrong(f, "of %llu entries in the index, %llu lead to no record",
		    (unsigned long long)f->found->objects, (unsigned long long)(f->found->objects - f->live));
	return FSCK_LOOKED;
}

static void
close_all(struct fsck *f)
{
	for (unsigned i = 0; i < f->path_count; i++) {
		io_close(&f->paths[i].supers[0]);
		io_close(&f->paths[i].supers[1]);
	}
}

enum fsck_ended
fsck_paths(
    struct io *io, const char *const *dirs, unsigned count, fsck_say_f *sayer, void *arg, struct fsck_found *found)
{
	struct fsck f = { .io = io, .path_count = count, .say = sayer, .arg = arg, .found = found };
	enum fsck_ended ended = FSCK_NO_MEMORY;

	*found = (struct fsck_found){ 0 };
	if (count == 0 || count > FORMAT_PATHS_MAX)
		return FSCK_NO_STORE;
	for (unsigned i = 0; i < count; i++)
		f.paths[i].dir = dirs[i];
	f.segment = aligned_alloc(IO_ALIGN, FORMAT_BLOCK);
	if (f.segment != NULL)
		ended = look(&f);
	close_all(&f);
	index_free(&f.index);
	fsck_pieces_free(&f);
	free(f.seqs);
	free(f.snap);
	free(f.segment);
	return ended;
}

enum fsck_ended
fsck(struct io *io, const char *dir, fsck_say_f *sayer, void *arg, struct fsck_found *found)
{
	return fsck_paths(io, &dir, 1, sayer, arg, found);
}

static void
say_nothing(void *arg, bool wrong, const char *sentence)
{
}

bool
fsck_is_of(struct io *io, const char *dir, struct super *super)
{
	struct fsck_found found = { 0 };
	struct fsck f = { .io = io, .path_count = 1, .say = say_nothing, .found = &found, .paths = { { .dir = dir } } };
	enum fsck_ended ended;

	f.segment = aligned_alloc(IO_ALIGN, FORMAT_BLOCK);
	ended = f.segment == NULL ? FSCK_NO_MEMORY : read_supers(&f, &f.paths[0]);
	*super = found.super;
	close_all(&f);
	free(f.segment);
	return ended == FSCK_LOOKED;
}
