/* What is seen of ssd: counters, gauges, and what the log says of its disks.  See job.h. */
#include "job.h"

#define NS_PER_US 1000ULL

/* The store counts by itself, on any thread; once a second somebody tells the core. */
static void
tell(struct ssd *d)
{
	struct store_counts now;

	store_counts(d->store, &now);
	pthread_mutex_lock(&d->lock);
#define STORE_COUNT(name, doc)                                         \
	if (now.name > d->told.name) {                                 \
		rend_count(d->counters.name, now.name - d->told.name); \
		d->told.name = now.name;                               \
	}
	STORE_COUNTS(STORE_COUNT)
#undef STORE_COUNT
	pthread_mutex_unlock(&d->lock);
}

static bool
is_down(const struct disk *disk)
{
	return breaker_state(disk->breaker) != BREAKER_CLOSED;
}

static void
tell_disk(struct disk *disk, bool out)
{
	bool down = is_down(disk);

	if (down && !disk->told_down)
		rend_log(REND_LOG_WARN,
		    "ssd: the disk of %s fails or is late: what has to be read from it is answered at once, as down, "
		    "until it is well",
		    disk->path);
	if (out && !down && !disk->told_out && !disk->told_down)
		rend_log(REND_LOG_WARN,
		    "ssd: the disk of %s cannot be written, or is late: what is stored goes to the others until it is "
		    "well",
		    disk->path);
	if (!down && !out && (disk->told_down || disk->told_out))
		rend_log(REND_LOG_INFO, "ssd: the disk of %s is well again", disk->path);
	disk->told_down = down;
	disk->told_out = out;
}

static void
tell_state(struct ssd *d)
{
	pthread_mutex_lock(&d->lock);
	for (unsigned i = 0; i < d->disk_count; i++)
		tell_disk(&d->disks[i], store_path_is_out(d->store, i));
	pthread_mutex_unlock(&d->lock);
}

/* What was told of is the lock's. */
void
gauges_tell(struct ssd *d)
{
	if (d->store == NULL)
		return;
	tell(d);
	tell_state(d);
}

unsigned
gauges_down(const struct ssd *d)
{
	unsigned count = 0;

	for (unsigned i = 0; i < d->disk_count; i++)
		count += is_down(&d->disks[i]);
	return count;
}

static uint64_t
gauge_down(void *arg)
{
	return gauges_down(arg);
}

static uint64_t
gauge_out(void *arg)
{
	const struct ssd *d = arg;
	uint64_t count = 0;

	for (unsigned i = 0; i < d->disk_count; i++)
		count += d->store != NULL && store_path_is_out(d->store, i);
	return count;
}

static uint64_t
gauge_refused(void *arg)
{
	const struct ssd *d = arg;
	uint64_t count = 0;

	for (unsigned i = 0; i < d->disk_count; i++)
		count += breaker_counts(d->disks[i].breaker).refused;
	return count;
}

void
gauges_sizes(const struct ssd *d, struct store_sizes *sizes)
{
	if (d->store == NULL)
		*sizes = (struct store_sizes){ 0 };
	else
		store_sizes(d->store, sizes);
}

static uint64_t
gauge_objects(void *arg)
{
	struct store_sizes sizes;

	gauges_sizes(arg, &sizes);
	return sizes.objects;
}

static uint64_t
gauge_capacity(void *arg)
{
	struct store_sizes sizes;

	gauges_sizes(arg, &sizes);
	return sizes.capacity;
}

static uint64_t
gauge_bytes(void *arg)
{
	struct store_sizes sizes;

	gauges_sizes(arg, &sizes);
	return sizes.segments == 0 ? 0 : sizes.capacity / sizes.segments * (sizes.open + sizes.sealed);
}

static uint64_t
gauge_free(void *arg)
{
	struct store_sizes sizes;

	gauges_sizes(arg, &sizes);
	return sizes.free;
}

static uint64_t
gauge_bad(void *arg)
{
	struct store_sizes sizes;

	gauges_sizes(arg, &sizes);
	return sizes.bad;
}

static uint64_t
gauge_flush_age(void *arg)
{
	const struct store *s = ((const struct ssd *)arg)->store;
	uint64_t now = rend_now(), flushed = s == NULL ? now : store_flushed(s);

	return now > flushed ? (now - flushed) / NS_PER_US : 0;
}

void
gauges_show(struct ssd *d, struct rend_node *self)
{
	rend_gauge_new(self, "curr_items", "Objects in the index, and those that have expired and were not swept yet.",
	    gauge_objects, d);
	rend_gauge_new(self, "bytes", "Bytes of segments in use.", gauge_bytes, d);
	rend_gauge_new(self, "limit_maxbytes", "Bytes of all segments.", gauge_capacity, d);
	rend_gauge_new(self, "segments_free", "Segments that can be written to.", gauge_free, d);
	rend_gauge_new(self, "segments_bad", "Segments that could not be written, or cannot be read, and are not used.",
	    gauge_bad, d);
	rend_gauge_new(self, "flush_age",
	    "Microseconds since a flush began that left nothing over: what was answered before that is on the disk.",
	    gauge_flush_age, d);
	rend_gauge_new(self, "disk_down", "Disks that are not asked, because they failed or were late.", gauge_down, d);
	rend_gauge_new(self, "disk_out",
	    "Disks of several that are not written to, because they failed, were late, or have not answered.",
	    gauge_out, d);
	rend_gauge_new(self, "disk_refused", "Reads that were answered at once because of that.", gauge_refused, d);
#define STORE_COUNT(name, doc) d->counters.name = rend_counter_new(self, #name, doc);
	STORE_COUNTS(STORE_COUNT)
#undef STORE_COUNT
}
