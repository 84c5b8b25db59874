/* rend-fsck: is a store of the ssd plugin as it should be? */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "disk.h"
#include "fsck.h"

#define SAY_MOST 100 /* sentences about what is wrong, unless all are asked for */

static const char usage[] =
    "Usage: rend-fsck [--all] [--quiet] FOLDER...\n"
    "\n"
    "Reads all of a store that the ssd plugin made, every record with its checksums, and says what is in it and what\n"
    "is wrong.  It changes nothing.  The rend that uses the store has to be stopped.\n"
    "\n"
    "Folders of one store, which has several paths, are looked at together, in whatever order they are given; others\n"
    "one after the other.\n"
    "\n"
    "The status is 0 if nothing is wrong, 1 if something is, 65 if a folder has no store, or one of a store's folders\n"
    "is missing, 75 if one is in use.\n"
    "What is wrong costs misses, and nothing else: rend serves no value that is not the one that was stored.\n"
    "\n"
    "  -a, --all     say all that is wrong, not only the first 100 things\n"
    "  -q, --quiet   say only what is wrong\n"
    "  -h, --help    this\n";

static bool all, quiet;

struct sayer {
	uint64_t said;
};

static void
say(void *arg, bool wrong, const char *sentence)
{
	struct sayer *s = arg;

	if (wrong && ++s->said > SAY_MOST && !all)
		return;
	if (wrong)
		printf("wrong: %s\n", sentence);
	else if (!quiet)
		printf("note: %s\n", sentence);
}

static void
print(const char *folder, const struct fsck_found *f)
{
	const struct super *s = &f->super;

	printf("%s: store ", folder);
	for (int i = 0; i < FORMAT_UUID; i++)
		printf("%02x", s->uuid[i]);
	printf(", %s\n", s->state == SUPER_CLEAN ? "left as it should be"
						 : "in use when it ended: the next start rebuilds its index");
	if (s->paths > 1)
		printf("  paths     %" PRIu32 "\n", s->paths);
	printf("  files     %" PRIu32 " of %" PRIu64 " MiB, segments of %" PRIu32 " KiB, chunks of %" PRIu32 " bytes\n",
	    f->g.banks, f->g.bank >> 20, f->g.segment >> 10, f->g.chunk);
	printf("  segments  %" PRIu32 " sealed, %" PRIu32 " not sealed, %" PRIu32 " free\n", f->sealed, f->unsealed,
	    f->free);
	printf("  records   %" PRIu64 " values (%" PRIu64 " MiB), %" PRIu64 " pieces of them, %" PRIu64
	       " deletions, %" PRIu64 " touches, %" PRIu64 " that do not count\n",
	    f->values, f->value_bytes >> 20, f->pieces, f->tombs, f->touches, f->discarded);
	if (f->has_index)
		printf("  objects   %" PRIu64 "\n", f->objects);
}

/* The status of one store, in these folders. */
static int
check(struct io *io, const char *const *folders, unsigned count)
{
	const char *folder = folders[0];
	struct sayer sayer = { 0 };
	struct fsck_found found;

	switch (fsck_paths(io, folders, count, say, &sayer, &found)) {
	case FSCK_LOOKED:
		break;
	case FSCK_APART:
		fprintf(stderr, "rend-fsck: %s: not all folders of the store, and no other, were given\n", folder);
		return EX_DATAERR;
	case FSCK_NO_STORE:
		fprintf(stderr, "rend-fsck: %s has no store\n", folder);
		return EX_DATAERR;
	case FSCK_IN_USE:
		fprintf(stderr, "rend-fsck: %s is in use\n", folder);
		return EX_TEMPFAIL;
	case FSCK_NO_MEMORY:
		fprintf(stderr, "rend-fsck: no memory for %s\n", folder);
		return EX_OSERR;
	}
	if (sayer.said > SAY_MOST && !all)
		printf("and %" PRIu64 " more\n", sayer.said - SAY_MOST);
	if (!quiet)
		print(folder, &found);
	if (!quiet || found.wrong > 0)
		printf("%s: %" PRIu64 " %s wrong\n", folder, found.wrong, found.wrong == 1 ? "thing is" : "things are");
	return found.wrong == 0 ? 0 : 1;
}

/* Of a store in several folders, which this one is of, those that come behind it are put beside it.  So many there are. */
static unsigned
gather(struct io *io, char **folders, int count)
{
	struct super super, other;
	unsigned same = 1;

	if (!fsck_is_of(io, folders[0], &super) || super.paths == 1)
		return 1;
	for (int i = 1; i < count && same < FORMAT_PATHS_MAX; i++) {
		char *folder = folders[i];

		if (!fsck_is_of(io, folder, &other) || memcmp(super.uuid, other.uuid, FORMAT_UUID) != 0)
			continue;
		folders[i] = folders[same];
		folders[same++] = folder;
	}
	return same;
}

int
main(int argc, char **argv)
{
	static const struct option longs[] = { { "all", no_argument, NULL, 'a' }, { "quiet", no_argument, NULL, 'q' },
		{ "help", no_argument, NULL, 'h' }, { NULL, 0, NULL, 0 } };
	struct io *io;
	int c, status = 0;

	while ((c = getopt_long(argc, argv, "aqh", longs, NULL)) != -1) {
		switch (c) {
		case 'a':
			all = true;
			break;
		case 'q':
			quiet = true;
			break;
		case 'h':
			fputs(usage, stdout);
			return 0;
		default:
			fputs(usage, stderr);
			return EX_USAGE;
		}
	}
	if (optind == argc) {
		fputs(usage, stderr);
		return EX_USAGE;
	}
	if (disk_new(DISK_THREADS, 1, &io) != IO_OK) {
		fputs("rend-fsck: no memory\n", stderr);
		return EX_OSERR;
	}
	/* The worst of all. */
	for (int i = optind; i < argc;) {
		unsigned same = gather(io, argv + i, argc - i);
		int one = check(io, (const char *const *)(argv + i), same);

		status = one > status ? one : status;
		i += (int)same;
	}
	io_free(&io);
	return fflush(stdout) == 0 ? status : EX_IOERR;
}
