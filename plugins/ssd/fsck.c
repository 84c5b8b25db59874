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

enum io_status
fsck_open(struct fsck *f, const char *name, int flags, struct io_file **file)
{
	size_t size = strlen(f->dir) + strlen(name) + 2;
	char *path = malloc(size);
	enum io_status status;

	*file = NULL;
	if (path == NULL)
		return IO_NO_MEMORY;
	snprintf(path, size, "%s/%s", f->dir, name);
	status = io_open(f->io, path, flags | IO_READ_ONLY, NULL, file);
	free(path);
	return status;
}

/* ---- which store ---- */

/* Reads one of the two.  true: it is valid. */
static bool
read_super(struct fsck *f, int which, struct super *super, struct geometry *g)
{
	const char *name = which == 0 ? "super.a" : "super.b";
	enum io_status status = fsck_open(f, name, 0, &f->supers[which]);
	char *block = f->segment;

	if (status == IO_OK)
		status = io_read(f->supers[which], block, FORMAT_BLOCK, 0, NULL);
	if (status != IO_OK && status != IO_SHORT) {
		if (status != IO_MISSING)
			fsck_wrong(f, "%s cannot be read: %s", name, io_status_text(status));
		return false;
	}
	if (status != IO_OK || !format_super_read(block, super, g) || super->generation % 2 != (uint64_t)which)
		return false;
	for (size_t i = sizeof(*super); i < FORMAT_LOST; i++)
		if (block[i] != 0) {
			fsck_wrong(f, "%s has something behind its end", name);
			break;
		}
	return true;
}

static enum fsck_ended
identify(struct fsck *f)
{
	struct super super[2];
	struct geometry g[2];
	bool valid[2];
	int newer;

	for (int i = 0; i < 2; i++)
		valid[i] = read_super(f, i, &super[i], &g[i]);
	if (f->supers[0] != NULL && io_lock(f->supers[0]) == IO_LOCKED)
		return FSCK_IN_USE;
	if (!valid[0] && !valid[1])
		return FSCK_NO_STORE;
	newer = valid[1] && (!valid[0] || super[1].generation > super[0].generation);
	f->found->super = super[newer];
	f->found->g = g[newer];
	f->same_boot = super[newer].boot == 0 || super[newer].boot == io_boot(f->io);
	if (!valid[!newer])
		fsck_doubt(f, "super.%c is not valid", newer ? 'a' : 'b');
	else if (super[newer].generation - super[!newer].generation != 1)
		fsck_wrong(f, "super.%c is older than it can be", newer ? 'a' : 'b');
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
	status = fsck_open(f, name, IO_DIRECT, &f->bank);
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

enum fsck_ended
fsck(struct io *io, const char *dir, fsck_say_f *sayer, void *arg, struct fsck_found *found)
{
	struct fsck f = { .io = io, .dir = dir, .say = sayer, .arg = arg, .found = found };
	enum fsck_ended ended = FSCK_NO_MEMORY;

	*found = (struct fsck_found){ 0 };
	f.segment = aligned_alloc(IO_ALIGN, FORMAT_BLOCK);
	if (f.segment != NULL)
		ended = look(&f);
	io_close(&f.supers[0]);
	io_close(&f.supers[1]);
	index_free(&f.index);
	fsck_pieces_free(&f);
	free(f.seqs);
	free(f.snap);
	free(f.segment);
	return ended;
}
