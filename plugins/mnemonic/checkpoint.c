/* A copy of a store while it runs: links to its files, bin after bin, in a folder that a mnemonic can be started in.  See checkpoint.h. */
#include "checkpoint.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "job.h"

static int
copy_bin(struct bin *b, const struct folder *to, struct rend_error *err)
{
	enum rocks_status status = ROCKS_SHUT;
	char *dir = folder_bin(to, b->nth), why[WHY_MAX] = "it is not open";

	if (dir == NULL)
		return rend_error(err, "no memory");
	if (bin_enter(b)) {
		status = rocks_checkpoint(b->db, dir, why);
		bin_leave(b);
	}
	free(dir);
	return status == ROCKS_OK ? 0 : rend_error(err, "%s cannot be copied: %s", b->dir, why);
}

/* The state after the bins: no version in them is as high as it says, and what is forgotten meanwhile is forgotten there, too. */
static int
copy_all(struct mnemonic *m, const struct folder *to, struct rend_error *err)
{
	struct label label;

	for (unsigned i = 0; i < m->plan.bins; i++)
		if (copy_bin(&m->bins[i], to, err) != 0)
			return -1;
	if (versions_copy(&m->versions, to, err) != 0)
		return -1;
	plan_label(&m->plan, &label);
	return folder_set_label(to, &label, true, err);
}

int
checkpoint_run(void *store, int argc, const char *const *argv, FILE *out, struct rend_error *err)
{
	struct mnemonic *m = store;
	struct folder to = { .lock = -1 };
	int done;

	REND_CHECK(m, MNEMONIC_MAGIC);
	if (argc != 2 || argv[1][0] != '/')
		return rend_error(err,
		    "checkpoint wants a folder, beginning with /, that is not there yet, on the disk of %s",
		    m->conf->path);
	if (mkdir(argv[1], 0700) != 0)
		return rend_error(err, "%s cannot be made: %s", argv[1], strerror(errno));
	to.path = strdup(argv[1]);
	if (to.path == NULL)
		return rend_error(err, "no memory");
	done = copy_all(m, &to, err);
	if (done == 0)
		fprintf(out, "%s has %u bins, each as it was at a moment of its own\n", to.path, m->plan.bins);
	free(to.path);
	return done;
}
