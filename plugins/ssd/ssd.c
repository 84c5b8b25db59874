/* ssd: keeps values on a disk, and knows in RAM where.  This file has the descriptor and the options; job.h says how an op goes. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "disk.h"
#include "job.h"

struct ssd_conf {
	struct rend_strings paths;
	uint64_t size, segment, chunk, buffers;
	int64_t objects, moves;
	uint64_t flush, timeout;
	uint64_t write_budget, min_ttl, max_value;
	int sync, engine, mismatch;
	bool keep;
};

/* ns that a worker waits for a disk to answer its reads when it lets go of a store: it serves nobody meanwhile. */
#define LET_GO 2000000000ULL
/* ns that the end waits for a write, and for what is left behind. */
#define CLOSE 5000000000ULL

/* Reads that may wait for their turn at the disk: as many as the core has in flight at one node. */
#define READS_WAITING 16384

/* Bytes of buffers for a manifest, and for what pieces are rounded up by. */
#define BUFFERS_SPARE (4ULL << 20)

/* Of several disks one gets so many times the time of a read for what is to be written, and at least so many ns, before the others go on without it. */
#define PATIENCE       10
#define LEAST_PATIENCE 1000000000ULL

#define NS_PER_S       1000000000ULL

/* Less is a slip: somebody has left the unit out. */
#define BUDGET_LEAST (64U << 10)

/*
 * After so many reads in a row of seconds that failed or were late, gets are answered at once, and a worker looks whether the disk is back once
 * a second.
 */
#define BREAKER_ERRORS 5
#define BREAKER_WINDOW 10000000000ULL /* ns, and the time that so many late ones take */
#define BREAKER_PAUSE  1000000000ULL

/* Bytes of a read beside the value: its head, its key, and what rounding adds. */
#define READ_MORE 16384

/* An object for each so many bytes, if nothing else is said. */
#define OBJECT_BYTES 2048

static const struct rend_option options[] = {
	REND_OPTION("path", REND_STRINGS, ssd_conf, paths, NULL, NULL,
	    "The folder it keeps its files in, or a list of up to 16, each on a disk of its own; made if not there."),
	REND_OPTION("size", REND_SIZE, ssd_conf, size, NULL, "2MiB..",
	    "Bytes of disk it uses, of all paths together, all allocated at the first start."),
	REND_OPTION("objects", REND_INT, ssd_conf, objects, "0", "0..",
	    "How many objects the index has room for, at 14 bytes of RAM each; 0: one for each 2 KiB of size."),
	REND_OPTION("segment", REND_SIZE, ssd_conf, segment, "0", "0..64MiB",
	    "What is freed at once.  0: by size, 4 MiB to 64 MiB.  Nine of them are in RAM, 17 up to 8 MiB."),
	REND_OPTION("chunk", REND_SIZE, ssd_conf, chunk, "64", "64..4KiB",
	    "What a record's length is rounded up to; a power of two."),
	REND_OPTION("buffers", REND_SIZE, ssd_conf, buffers, "64MiB", "1MiB..",
	    "RAM for values that are being read; at least twice item_size_max, if that is more than 1 MiB."),
	REND_OPTION("reinsert", REND_INT, ssd_conf, moves, "30", "0..90",
	    "Percent of a segment that may be written again when it is freed, because it was read since."),
	REND_OPTION("sync", REND_CHOICE, ssd_conf, sync, "seal", "none|seal|flush|always",
	    "What is on the disk for certain, should the power fail: nothing, full segments, all that was flushed, or "
	    "all that was answered."),
	REND_OPTION("flush", REND_DURATION, ssd_conf, flush, "50ms", "1ms..10s",
	    "How long what was stored may be in RAM only: that much is lost if the process is killed."),
	REND_OPTION("timeout", REND_DURATION, ssd_conf, timeout, "500ms", "1ms..1min",
	    "How long one read of the disk may take; with sync = always, the same of what a change waits for."),
	REND_OPTION("write_budget", REND_SIZE, ssd_conf, write_budget, "0", NULL,
	    "Bytes per second that are written at most; more is not stored.  0: no bound."),
	REND_OPTION("min_ttl", REND_DURATION, ssd_conf, min_ttl, "0", NULL,
	    "What expires sooner is not stored.  0: all that is sent."),
	REND_OPTION("max_value", REND_SIZE, ssd_conf, max_value, "0", NULL,
	    "What is longer is not stored.  0: up to item_size_max."),
	REND_OPTION("engine", REND_CHOICE, ssd_conf, engine, "auto", "auto|uring|threads",
	    "How the disk is asked: io_uring, or threads where the kernel has none."),
	REND_OPTION("mismatch", REND_CHOICE, ssd_conf, mismatch, "refuse", "refuse|empty",
	    "What to do at a start when the files were made with other sizes: not start, or begin empty."),
	REND_OPTION("keep", REND_BOOL, ssd_conf, keep, "true", NULL, "Keep from one start to the next what is stored."),
	{ .name = NULL },
};

/* ---- a moment ---- */

static void
tick(void *arg)
{
	struct instance *inst = arg;

	REND_CHECK(inst, INSTANCE_MAGIC);
	probe_tick(&inst->probe, &inst->fetcher);
	fetcher_flush(&inst->fetcher);
	gauges_tell(inst->ssd);
}

/* While one of its disks answers it is asked. */
static bool
up(void *arg)
{
	const struct instance *inst = arg;

	REND_CHECK(inst, INSTANCE_MAGIC);
	return gauges_down(inst->ssd) < inst->ssd->disk_count;
}

static uint64_t
memory(void *arg)
{
	const struct ssd *d = arg;
	struct store_sizes sizes;
	size_t out, kept;

	gauges_sizes(d, &sizes);
	buffers_usage(d->buffers, &out, &kept);
	return sizes.ram + kept;
}

/* ---- the store ---- */

static struct store_options
options_of(const struct ssd_conf *c)
{
	return (struct store_options){
		.dir = c->paths.strings[0],
		.other_count = (unsigned)c->paths.count - 1,
		.patience = c->timeout > LEAST_PATIENCE / PATIENCE ? PATIENCE * c->timeout : LEAST_PATIENCE,
		.capacity = c->size,
		.chunk = (uint32_t)c->chunk,
		.segment = (uint32_t)c->segment,
		.objects = c->objects != 0 ? (uint64_t)c->objects : c->size / OBJECT_BYTES,
		.moves = (uint32_t)c->moves,
		.write_budget = c->write_budget,
		.min_ttl = (int64_t)(c->min_ttl / NS_PER_S),
		.max_value = c->max_value,
		.sync = (enum store_sync)c->sync,
		.empty = c->mismatch == 1,
		.fresh = !c->keep,
	};
}

static int
check(const void *conf, struct rend_error *err)
{
	const struct ssd_conf *c = conf;
	struct store_opened opened;
	struct store_options o;

	if (c->paths.count == 0 || c->paths.count > STORE_PATHS_MOST)
		return rend_error(
		    err, "path has %zu folders, and there have to be 1 to %d", c->paths.count, STORE_PATHS_MOST);
	for (size_t i = 0; i < c->paths.count; i++)
		if (c->paths.strings[i][0] == '\0')
			return rend_error(err, "path is empty");
	if ((c->chunk & (c->chunk - 1)) != 0)
		return rend_error(err, "chunk is %llu, which is no power of two", (unsigned long long)c->chunk);
	if (c->write_budget != 0 && c->write_budget < BUDGET_LEAST)
		return rend_error(err, "write_budget is %llu bytes a second: at least \"64KiB\", or 0 for no bound",
		    (unsigned long long)c->write_budget);
	if (c->min_ttl % NS_PER_S != 0)
		return rend_error(err, "min_ttl has a part of a second, and values expire by whole ones");
	o = options_of(c);
	if (store_plan(&o, &opened) != 0)
		return rend_error(err, "%s", opened.sentence);
	return 0;
}

/* A value is handed out whole, so there is room for the largest.  Memory of one size is at worst half used. */
static size_t
buffers_for(const struct ssd_conf *c)
{
	uint64_t most = rend_item_size_max() < PIECES_MOST ? rend_item_size_max() : PIECES_MOST;

	if (most <= PIECES_LARGE || 2 * most + BUFFERS_SPARE < c->buffers)
		return c->buffers;
	return 2 * most + BUFFERS_SPARE;
}

/* Each disk has an io of its own: threads that one does not answer are not missed by another. */
static int
open_io(struct disk *disk, const struct ssd_conf *c, struct rend_error *err)
{
	static const enum disk_engine engines[] = { DISK_AUTO, DISK_URING, DISK_THREADS };
	enum io_status status = disk_new(engines[c->engine], 0, &disk->io);

	if (status != IO_OK)
		return rend_error(err, "cannot use the disk by %s: %s", c->engine == 1 ? "io_uring" : "threads",
		    io_status_text(status));
	disk->breaker = breaker_new(&(struct breaker_limits){
	    .errors = BREAKER_ERRORS, .window = BREAKER_WINDOW + BREAKER_ERRORS * c->timeout, .pause = BREAKER_PAUSE });
	return disk->breaker == NULL ? rend_error(err, "no memory") : 0;
}

/* Bytes that reading one record may take: a quarter more than it has at worst, and no more than a segment. */
static uint64_t
longest_read(const struct ssd *d)
{
	struct store_sizes sizes;
	uint64_t segment, value = rend_item_size_max() < PIECES_LARGE ? rend_item_size_max() : PIECES_LARGE;

	store_sizes(d->store, &sizes);
	segment = sizes.capacity / sizes.segments;
	return value >= segment || value + value / 4 + READ_MORE > segment ? segment : value + value / 4 + READ_MORE;
}

/* NULL: no memory, or the folder where we are is gone. */
static char *
absolute(const char *path)
{
	char folder[PATH_MAX], *whole = NULL;

	if (path[0] == '/')
		return strdup(path);
	if (getcwd(folder, sizeof folder) == NULL || asprintf(&whole, "%s/%s", folder, path) < 0)
		return NULL;
	return whole;
}

static int
open_disks(struct ssd *d, const struct ssd_conf *c, struct rend_error *err)
{
	d->disk_count = (unsigned)c->paths.count;
	for (unsigned i = 0; i < d->disk_count; i++) {
		struct disk *disk = &d->disks[i];

		disk->path = absolute(c->paths.strings[i]);
		if (disk->path == NULL)
			return rend_error(err, "cannot tell where %s is", c->paths.strings[i]);
		if (open_io(disk, c, err) != 0)
			return -1;
	}
	d->buffers = buffers_new(buffers_for(c));
	return d->buffers == NULL ? rend_error(err, "no memory") : 0;
}

static int
start(struct ssd *d, const struct ssd_conf *c, struct rend_error *err)
{
	struct store_options o = options_of(c);
	struct store_opened opened;

	o.wake = keeper_wake;
	o.wake_arg = &d->keeper;
	o.flushed = commit_flushed;
	o.flushed_arg = d;
	o.dir = d->disks[0].path;
	o.breaker = d->disks[0].breaker;
	for (unsigned i = 1; i < d->disk_count; i++)
		o.others[i - 1] = (struct store_path){ d->disks[i].path, d->disks[i].io, d->disks[i].breaker };
	if (store_open(&d->store, d->disks[0].io, &o, rend_wall(), &opened) != 0)
		return rend_error(err, "%s", opened.sentence);
	if (c->buffers < longest_read(d))
		return rend_error(err, "buffers is %llu bytes, and reading one value may take %llu",
		    (unsigned long long)c->buffers, (unsigned long long)longest_read(d));
	rend_log(
	    opened.damaged ? REND_LOG_WARN : REND_LOG_INFO, "ssd: %s, by %s", opened.sentence, io_name(d->disks[0].io));
	/* The keeper last: nobody would stop it. */
	if (tearer_start(&d->tearer, d->store, c->timeout, buffers_for(c)) != 0 ||
	    keeper_start(&d->keeper, d->store) != 0)
		return rend_error(err, "no thread");
	return 0;
}

static void
free_ssd(struct ssd *d)
{
	keeper_fini(&d->keeper);
	if (d->buffers != NULL && !d->stuck)
		buffers_free(&d->buffers);
	for (unsigned i = 0; i < d->disk_count; i++) {
		if (!d->stuck && d->disks[i].io != NULL)
			io_free(&d->disks[i].io);
		if (!d->stuck)
			breaker_free(&d->disks[i].breaker);
		free(d->disks[i].path);
	}
	while (d->instances != NULL) {
		struct instance *inst = d->instances;

		d->instances = inst->next;
		commits_fini(&inst->commits);
		pthread_mutex_destroy(&inst->lock);
		free(inst);
	}
	pthread_mutex_destroy(&d->lock);
	free(d);
}

static int
drain(void *store, uint64_t deadline, struct rend_error *err)
{
	struct ssd *d = store;

	REND_CHECK(d, SSD_MAGIC);
	d->left = true;
	if (keeper_leave(&d->keeper, deadline))
		return 0;
	return rend_error(
	    err, "%s could not be left as it should: the next start has to rebuild the index", d->disks[0].path);
}

static void
close_store(void *store)
{
	struct ssd *d = store;

	REND_CHECK(d, SSD_MAGIC);
	tearer_stop(&d->tearer);
	if (!d->left)
		d->left = keeper_leave(&d->keeper, rend_now() + CLOSE);
	if (!keeper_stop(&d->keeper, rend_now() + CLOSE)) {
		rend_log(REND_LOG_ERROR, "ssd: the disk of %s does not answer a write", d->disks[0].path);
		return; /* with all that the thread may use yet */
	}
	if (!d->left)
		rend_log(REND_LOG_WARN,
		    "ssd: %s could not be left as it should: the next start has to rebuild the index",
		    d->disks[0].path);
	if (d->store != NULL) {
		d->stuck |= !store_stop(d->store, 0);
		store_abandon(&d->store);
	}
	free_ssd(d);
}

/* Is anything that a worker has asked of a disk there yet?  It uses the store's files. */
static bool
is_asked(struct ssd *d)
{
	bool asked = false;

	pthread_mutex_lock(&d->lock);
	for (const struct instance *inst = d->instances; inst != NULL && !asked; inst = inst->next)
		for (unsigned i = 0; i < d->disk_count && !asked && !inst->ends; i++)
			asked = io_pending(inst->fetcher.queues[i]) != 0;
	pthread_mutex_unlock(&d->lock);
	return asked;
}

/* What is there is for another process then; the queues to the disks stay, and nobody uses them. */
static int
release(void *store, uint64_t deadline, struct rend_error *err)
{
	struct ssd *d = store;

	REND_CHECK(d, SSD_MAGIC);
	if (gauges_down(d) != 0)
		return rend_error(err, "a disk does not answer");
	if (is_asked(d))
		return rend_error(err, "a disk has not answered a read yet");
	gauges_tell(d);
	tearer_stop(&d->tearer);
	tearer_init(&d->tearer);
	if (!keeper_leave(&d->keeper, deadline))
		rend_log(REND_LOG_WARN,
		    "ssd: %s could not be left as it should: whoever opens it has to rebuild the index",
		    d->disks[0].path);
	d->left = true;
	/* While a write hangs its thread has the store, and the lock of its files, so nobody can open it. */
	if (!d->keeper.runs)
		store_abandon(&d->store);
	return 0;
}

static int
reopen(void *store, struct rend_error *err)
{
	struct ssd *d = store;

	REND_CHECK(d, SSD_MAGIC);
	if (!keeper_stop(&d->keeper, rend_now()))
		return rend_error(err, "the disk of %s does not answer a write", d->disks[0].path);
	if (d->store != NULL)
		store_abandon(&d->store);
	keeper_fini(&d->keeper);
	keeper_init(&d->keeper, d->conf->flush);
	if (start(d, d->conf, err) != 0) {
		tearer_stop(&d->tearer);
		tearer_init(&d->tearer);
		if (d->store != NULL)
			store_abandon(&d->store);
		return -1;
	}
	d->left = false;
	d->told = (struct store_counts){ 0 };
	pthread_mutex_lock(&d->lock);
	for (struct instance *inst = d->instances; inst != NULL; inst = inst->next)
		inst->fetcher.store = d->store;
	pthread_mutex_unlock(&d->lock);
	return 0;
}

static int
open_store(void **store, const void *conf, struct rend_node *self, struct rend_error *err)
{
	struct ssd *d = calloc(1, sizeof *d);

	if (d == NULL)
		return rend_error(err, "no memory");
	d->magic = SSD_MAGIC;
	d->conf = conf;
	pthread_mutex_init(&d->lock, NULL);
	keeper_init(&d->keeper, d->conf->flush);
	tearer_init(&d->tearer);
	if (open_disks(d, conf, err) != 0 || start(d, conf, err) != 0) {
		tearer_stop(&d->tearer);
		if (d->store != NULL)
			store_abandon(&d->store);
		free_ssd(d);
		return -1;
	}
	gauges_show(d, self);
	*store = d;
	return 0;
}

/* ---- a worker ---- */

static bool
close_queues(struct fetcher *f)
{
	bool closed = true;

	for (unsigned i = 0; i < STORE_PATHS_MOST; i++)
		closed &= io_queue_close(&f->queues[i], LET_GO);
	return closed;
}

/* One to each disk: what it does not answer takes no place of what another would. */
static int
open_queues(struct ssd *d, struct rend_worker *worker, struct fetcher *f, struct rend_error *err)
{
	struct io_limits limits = { .time = d->conf->timeout, .waiting = READS_WAITING };

	for (unsigned i = 0; i < d->disk_count; i++) {
		enum io_status status = io_queue_open(d->disks[i].io, rend_worker_base(worker), &limits, &f->queues[i]);

		if (status != IO_OK) {
			close_queues(f);
			return rend_error(err, "no queue to the disk: %s", io_status_text(status));
		}
	}
	return 0;
}

static int
attach(void **instp, void *store, struct rend_worker *worker, struct rend_error *err)
{
	struct ssd *d = store;
	struct instance *inst = calloc(1, sizeof *inst);

	REND_CHECK(d, SSD_MAGIC);
	if (inst == NULL)
		return rend_error(err, "no memory");
	if (open_queues(d, worker, &inst->fetcher, err) != 0) {
		free(inst);
		return -1;
	}
	inst->magic = INSTANCE_MAGIC;
	inst->ssd = d;
	inst->worker = worker;
	if (commits_open(&inst->commits, inst) != 0) {
		close_queues(&inst->fetcher);
		free(inst);
		return rend_error(err, "no memory");
	}
	inst->fetcher.store = d->store;
	inst->fetcher.buffers = d->buffers;
	inst->fetcher.time = d->conf->timeout;
	inst->fetcher.shelf = (unsigned)rend_worker_index(worker);
	inst->call.fn = job_granted;
	inst->granted_end = &inst->granted;
	pthread_mutex_init(&inst->lock, NULL);
	pthread_mutex_lock(&d->lock);
	inst->next = d->instances;
	d->instances = inst;
	pthread_mutex_unlock(&d->lock);
	*instp = inst;
	return 0;
}

static void
detach(void *arg)
{
	struct instance *inst = arg;

	REND_CHECK(inst, INSTANCE_MAGIC);
	inst->ends = true;
	if (!close_queues(&inst->fetcher)) {
		pthread_mutex_lock(&inst->ssd->lock);
		inst->ssd->stuck = true;
		pthread_mutex_unlock(&inst->ssd->lock);
	}
	job_end_all(inst);
	commits_close(&inst->commits);
}

static void
flush(void *arg)
{
	struct instance *inst = arg;

	REND_CHECK(inst, INSTANCE_MAGIC);
	fetcher_flush(&inst->fetcher);
}

static const char *
claims(const void *conf, unsigned nth)
{
	const struct rend_strings *paths = &((const struct ssd_conf *)conf)->paths;

	return nth < paths->count ? paths->strings[nth] : NULL;
}

static const struct rend_handler ssd = {
	.name = "ssd",
	.doc = "Keeps values on a disk, and an index of them in RAM.",
	.conf_size = sizeof(struct ssd_conf),
	.options = options,
	.scratch_size = sizeof(struct job),
	.modes = REND_MODES_ALL,
	.check = check,
	.open = open_store,
	.close = close_store,
	.attach = attach,
	.detach = detach,
	.any = job_begin,
	.flush = flush,
	.tick = tick,
	.up = up,
	.claims = claims,
	.memory = memory,
	.drain = drain,
	.release = release,
	.reopen = reopen,
};

REND_PLUGIN(.version = "0.1", .handler = &ssd);
