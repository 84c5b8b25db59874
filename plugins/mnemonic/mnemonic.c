/* mnemonic: keeps values in RocksDB.  This file has the descriptor, the options and the store's life; job.h says how an op goes. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "checkpoint.h"
#include "closer.h"
#include "job.h"

/* Locks of keys, for each bin: 64 KiB. */
#define STRIPES 1024

/* ns that the disk gets to let go of what it was asked, when the store ends. */
#define LET_GO	 10000000000ULL
#define LET_GO_2 2000000000ULL /* after it was drained */

static const struct rend_option options[] = {
	REND_OPTION("path", REND_STRING, mnemonic_conf, path, NULL, NULL,
	    "The folder it keeps its databases in; made if not there."),
	REND_OPTION("size", REND_SIZE, mnemonic_conf, size, NULL, "1MiB..",
	    "Bytes of files that it keeps; the log and what is being merged come on top of that."),
	REND_OPTION("bins", REND_INT, mnemonic_conf, bins, "0", "0..256",
	    "How many databases the keys are spread over.  0: by size, 4 to 64; later always what it was made with."),
	REND_OPTION("compaction", REND_CHOICE, mnemonic_conf, compaction, "fifo", "fifo|level|universal",
	    "What becomes of files: the oldest are dropped when size is used up, or they are merged, and then nothing "
	    "more is stored."),
	REND_OPTION("wal", REND_CHOICE, mnemonic_conf, wal, "on", "on|sync|off",
	    "What was answered is there after a crash of rend, or of the machine, too, or not for certain."),
	REND_OPTION("write_buffer", REND_SIZE, mnemonic_conf, write_buffer, "0", "0..1GiB",
	    "What each bin gathers in RAM before it is a file; up to four times that.  0: by size, up to 64 MiB."),
	REND_OPTION("cache", REND_SIZE, mnemonic_conf, cache, "64MiB", "1MiB..",
	    "RAM for blocks that were read, of all bins together."),
	REND_OPTION("block", REND_SIZE, mnemonic_conf, block, "4KiB", "1KiB..1MiB",
	    "What is read at once: 16 KiB where most values are longer than 1 KiB."),
	REND_OPTION("filter", REND_CHOICE, mnemonic_conf, filter, "bloom", "bloom|ribbon|none",
	    "What keeps a file from being read for a key that it has not; ribbon needs less RAM and more time."),
	REND_OPTION("filter_bits", REND_INT, mnemonic_conf, filter_bits, "16", "1..32", "Bits of it for each key."),
	REND_OPTION("compression", REND_CHOICE, mnemonic_conf, compression, "lz4", "lz4|zstd|none",
	    "How blocks are made smaller."),
	REND_OPTION("direct", REND_BOOL, mnemonic_conf, direct, "true", NULL,
	    "Go past the system's cache, if the file system can: then cache is all there is."),
	REND_OPTION("readers", REND_INT, mnemonic_conf, readers, "0", "0..64",
	    "Threads that read.  0: four for each processor, 4 to 64."),
	REND_OPTION("jobs", REND_INT, mnemonic_conf, jobs, "0", "0..64",
	    "Threads that write files and merge them.  0: as many as processors, 2 to 16."),
	REND_OPTION("queue", REND_SIZE, mnemonic_conf, queue, "16MiB", "64KiB..",
	    "Bytes of changes that wait at each bin; what comes then is answered with SERVER_ERROR busy."),
	REND_OPTION("timeout", REND_DURATION, mnemonic_conf, timeout, "5s", "10ms..5min", "How long an op may take."),
	REND_OPTION("mend", REND_DURATION, mnemonic_conf, mend, "1min", "..1h",
	    "How long a bin is down, after a write failed, while it is tried to open it with all that it had; then it "
	    "begins empty.  With wal = off at once."),
	REND_OPTION(
	    "keep", REND_BOOL, mnemonic_conf, keep, "true", NULL, "Keep from one start to the next what is stored."),
	{ .name = NULL },
};

static int
check(const void *conf, struct rend_error *err)
{
	struct plan p;

	return plan_make(&p, conf, NULL, NULL, err);
}

static void
limits(const void *conf, struct rend_limits *to)
{
	to->time = ((const struct mnemonic_conf *)conf)->timeout;
}

static const char *
claims(const void *conf, unsigned nth)
{
	return nth == 0 ? ((const struct mnemonic_conf *)conf)->path : NULL;
}

/* ---- the folder ---- */

/* What an earlier one left there.  What stayed would be shown, for the new one begins with the first version. */
static int
remove_bins(const struct mnemonic *m, struct rend_error *err)
{
	int done = folder_begin(&m->folder, err);

	for (unsigned i = 0; i < BINS_MOST && done == 0; i++) {
		char *dir = folder_bin(&m->folder, i), why[WHY_MAX] = "no memory";

		if (dir == NULL || (access(dir, F_OK) == 0 && rocks_destroy(m->common, dir, why) != 0))
			done = rend_error(err, "what an earlier one left in %s cannot be removed: %s",
			    dir == NULL ? m->folder.path : dir, why);
		free(dir);
	}
	return done;
}

/* Ours, and made as we want it: how, in *label, and what follows from that in *plan.  1; 0: it is new; -1 after rend_error(). */
static int
take_folder(struct mnemonic *m, struct plan *plan, struct label *label, struct rend_error *err)
{
	int made;

	if (folder_open(&m->folder, m->conf->path, err) != 0)
		return -1;
	made = folder_label(&m->folder, label, err);
	if (made == 0 && m->conf->keep && folder_is_lost(&m->folder))
		made = rend_error(err,
		    "%s has a store and no LABEL: nobody knows how it was made.  Put that back; or empty the folder, "
		    "and it begins anew",
		    m->folder.path);
	if (made >= 0 && plan_make(plan, m->conf, made && m->conf->keep ? label : NULL, m->folder.path, err) == 0)
		return made;
	folder_close(&m->folder);
	return -1;
}

/* ---- what is made once ---- */

static int
make_common(struct mnemonic *m, struct rend_error *err)
{
	char why[WHY_MAX];
	uint64_t has, wants;

	if (m->plan.rocks.direct && !folder_is_direct(&m->folder)) {
		rend_log(REND_LOG_WARN,
		    "mnemonic: the file system of %s cannot be read past the system's cache: it goes through it, as "
		    "with direct = false",
		    m->folder.path);
		m->plan.rocks.direct = false;
	}
	if (!plan_files(&m->plan, &has, &wants))
		rend_log(REND_LOG_WARN,
		    "mnemonic: %s may need %llu open files, and %llu are allowed: raise the limit (ulimit -n, "
		    "LimitNOFILE=), or say fewer bins",
		    m->folder.path, (unsigned long long)wants, (unsigned long long)has);
	if (rocks_common_new(&m->common, &m->plan.rocks, why) != 0)
		return rend_error(err, "RocksDB refuses the options: %s", why);
	return 0;
}

static int
make(struct mnemonic *m, struct rend_error *err)
{
	unsigned n = m->plan.bins;

	if (make_common(m, err) != 0)
		return -1;
	m->bins = calloc(n, sizeof *m->bins);
	m->writers = calloc(n, sizeof *m->writers);
	m->bytes = calloc(n, sizeof *m->bytes);
	m->keys = keys_new(n, STRIPES);
	if (m->bins == NULL || m->writers == NULL || m->bytes == NULL || m->keys == NULL)
		return rend_error(err, "no memory");
	for (unsigned i = 0; i < n; i++)
		bin_init(&m->bins[i], i, folder_bin(&m->folder, i), &m->plan, &m->versions, m->common);
	for (unsigned i = 0; i < n; i++)
		if (m->bins[i].dir == NULL)
			return rend_error(err, "no memory");
	return 0;
}

static void
unmake(struct mnemonic *m)
{
	for (unsigned i = 0; m->bins != NULL && i < m->plan.bins; i++)
		bin_fini(&m->bins[i]);
	free(m->bins);
	free(m->writers);
	free(m->bytes);
	keys_free(&m->keys);
	rocks_common_free(&m->common);
	while (m->instances != NULL) {
		struct instance *inst = m->instances;

		m->instances = inst->next;
		pthread_mutex_destroy(&inst->lock);
		free(inst);
	}
	pthread_mutex_destroy(&m->lock);
	pthread_rwlock_destroy(&m->counting);
	free(m);
}

/* ---- open and closed ---- */

static int
open_bins(struct mnemonic *m, struct rend_error *err)
{
	char why[WHY_MAX];

	for (unsigned i = 0; i < m->plan.bins; i++) {
		struct bin *b = &m->bins[i];
		bool damaged;

		if (bin_open(b, &damaged, why) != 0)
			return rend_error(err, "%s cannot be opened: %s", b->dir, why);
		if (damaged)
			rend_log(REND_LOG_WARN,
			    "mnemonic: %s is damaged (%s): its files are in %s.damaged now, and it begins empty",
			    b->dir, why, b->dir);
	}
	return 0;
}

static int
start_threads(struct mnemonic *m, struct rend_error *err)
{
	for (unsigned i = 0; i < m->plan.bins; i++)
		if (writer_start(&m->writers[i], m) != 0)
			return rend_error(err, "no thread");
	sweeper_init(&m->sweeper, m);
	/* The keeper last: it knows all others. */
	if (readers_start(&m->readers, m->plan.readers) != 0 || keeper_start(&m->keeper, m) != 0)
		return rend_error(err, "no thread");
	return 0;
}

/* It has its folder.  What was begun when it says -1 is for closer_stop(). */
static int
start(struct mnemonic *m, bool new, struct rend_error *err)
{
	struct label label;
	unsigned odd;

	m->open = true;
	m->lost = false;
	for (unsigned i = 0; i < m->plan.bins; i++)
		bin_reset(&m->bins[i]);
	if (versions_open(&m->versions, &m->folder, m->plan.bins, new, m->conf->keep, &odd, err) != 0)
		return -1;
	m->numbered = true;
	if (odd > 0)
		rend_log(REND_LOG_WARN, "mnemonic: %s/STATE is damaged: %u of %u bins show nothing of what they had",
		    m->folder.path, odd, m->plan.bins);
	if (open_bins(m, err) != 0)
		return -1;
	plan_label(&m->plan, &label);
	if (new &&folder_set_label(&m->folder, &label, m->conf->keep, err) != 0)
		return -1;
	folder_begun(&m->folder);
	if (start_threads(m, err) != 0)
		return -1;
	rend_log(REND_LOG_INFO, "mnemonic: %s, %u bins, compaction %s, %s", m->folder.path, m->plan.bins,
	    label.compaction, new ? "new" : "as it was left");
	return 0;
}

static void
close_store(void *store)
{
	struct mnemonic *m = store;

	REND_CHECK(m, MNEMONIC_MAGIC);
	if (closer_stop(m, rend_now() + (m->drained ? LET_GO_2 : LET_GO)))
		unmake(m);
	else
		closer_give_up(m);
}

static int
open_store(void **store, const void *conf, struct rend_node *self, struct rend_error *err)
{
	struct mnemonic *m = calloc(1, sizeof *m);
	struct label label;
	int made;

	if (m == NULL)
		return rend_error(err, "no memory");
	m->magic = MNEMONIC_MAGIC;
	m->conf = conf;
	pthread_mutex_init(&m->lock, NULL);
	pthread_rwlock_init(&m->counting, NULL);
	made = take_folder(m, &m->plan, &label, err);
	if (made < 0) {
		unmake(m);
		return -1;
	}
	if (make(m, err) != 0 || ((!made || !m->conf->keep) && remove_bins(m, err) != 0)) {
		folder_close(&m->folder);
		unmake(m);
		return -1;
	}
	if (start(m, !made || !m->conf->keep, err) != 0) {
		close_store(m);
		return -1;
	}
	gauges_show(m, self);
	*store = m;
	return 0;
}

static int
drain(void *store, uint64_t deadline, struct rend_error *err)
{
	struct mnemonic *m = store;

	REND_CHECK(m, MNEMONIC_MAGIC);
	m->drained = true;
	if (closer_stop(m, deadline))
		return m->lost ? rend_error(err, "%s: some bins could not be kept, and begin empty", m->conf->path) : 0;
	if (m->plan.rocks.wal == ROCKS_WAL_OFF)
		return rend_error(err,
		    "%s could not be closed in time: without a log, what was not written to a file yet is lost",
		    m->folder.path);
	return rend_error(err, "%s could not be closed in time: the next start has to read its log", m->folder.path);
}

/* Should the disk not let go in time the folder stays locked, and nobody else can open it. */
static int
release(void *store, uint64_t deadline, struct rend_error *err)
{
	struct mnemonic *m = store;

	REND_CHECK(m, MNEMONIC_MAGIC);
	if (!closer_stop(m, deadline))
		rend_log(
		    REND_LOG_WARN, "mnemonic: the disk of %s does not answer: it is not let go of", m->folder.path);
	return 0;
}

static int
reopen(void *store, struct rend_error *err)
{
	struct mnemonic *m = store;
	struct plan plan; /* what others look at all the time stays as it was */
	struct label label;
	bool differs, fresh;
	int made;

	REND_CHECK(m, MNEMONIC_MAGIC);
	if (!closer_stop(m, rend_now()))
		return rend_error(err, "the disk of %s does not answer", m->folder.path);
	made = take_folder(m, &plan, &label, err);
	if (made < 0)
		return -1;
	differs = made && (label.bins != m->plan.bins || label.seed != m->plan.seed);
	if (differs && m->conf->keep) {
		folder_close(&m->folder);
		return rend_error(err, "%s was made anew meanwhile", m->conf->path);
	}
	/* Whoever had it was about to begin anew: what is there still is nobody's. */
	fresh = !made || differs;
	if (fresh && remove_bins(m, err) != 0) {
		folder_close(&m->folder);
		return -1;
	}
	if (start(m, fresh, err) == 0)
		return 0;
	/* What does not end in time stays open, for the next that asks. */
	closer_stop(m, rend_now() + LET_GO);
	return -1;
}

/* ---- a worker ---- */

static int
attach(void **instp, void *store, struct rend_worker *worker, struct rend_error *err)
{
	struct mnemonic *m = store;
	struct instance *inst = calloc(1, sizeof *inst);

	REND_CHECK(m, MNEMONIC_MAGIC);
	if (inst == NULL)
		return rend_error(err, "no memory");
	inst->magic = INSTANCE_MAGIC;
	inst->store = m;
	inst->gets_end = &inst->gets;
	pthread_mutex_init(&inst->lock, NULL);
	pthread_mutex_lock(&m->lock);
	inst->next = m->instances;
	m->instances = inst;
	pthread_mutex_unlock(&m->lock);
	*instp = inst;
	return 0;
}

static void
detach(void *arg)
{
	struct instance *inst = arg;

	REND_CHECK(inst, INSTANCE_MAGIC);
	job_end_all(inst);
}

static void
flush(void *arg)
{
	struct instance *inst = arg;

	REND_CHECK(inst, INSTANCE_MAGIC);
	job_flush(inst);
}

/* While one of its bins takes something it is asked. */
static bool
up(void *arg)
{
	const struct instance *inst = arg;
	const struct mnemonic *m;

	REND_CHECK(inst, INSTANCE_MAGIC);
	m = inst->store;
	for (unsigned i = 0; i < m->plan.bins; i++)
		if (bin_state(&m->bins[i]) == BIN_OPEN)
			return true;
	return false;
}

static const struct rend_command commands[] = {
	{ "checkpoint", "FOLDER",
	    "Copies the store as it is, by links, into a folder that is not there yet, on the same disk.",
	    checkpoint_run },
	{ .name = NULL },
};

static const struct rend_handler mnemonic = {
	.name = "mnemonic",
	.doc = "Keeps values in RocksDB.",
	.conf_size = sizeof(struct mnemonic_conf),
	.options = options,
	.scratch_size = sizeof(void *),
	.modes = REND_MODES_ALL,
	.check = check,
	.limits = limits,
	.open = open_store,
	.close = close_store,
	.attach = attach,
	.detach = detach,
	.any = job_begin,
	.flush = flush,
	.up = up,
	.claims = claims,
	.memory = gauges_memory,
	.drain = drain,
	.commands = commands,
	.release = release,
	.reopen = reopen,
};

REND_PLUGIN(.version = "0.1", .handler = &mnemonic);
