/* The end of a store: see closer.h. */
#include "closer.h"

#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "job.h"

#define NOTE_NS 2000000000ULL /* that it may take to note which bins begin empty */

struct closing {
	struct bin *bin;
	bool begun, kept;
	pthread_t thread;
};

static void *
close_one(void *arg)
{
	struct closing *c = arg;

	c->kept = bin_close(c->bin);
	return NULL;
}

/* Beside each other: what is in no log has to be written, and one that is not written is to keep none of the others. */
static void *
close_bins(void *arg)
{
	struct mnemonic *m = arg;
	struct closing all[BINS_MOST];
	unsigned n = m->plan.bins;

	rocks_hurry(m->common, n);
	sweeper_end(&m->sweeper);
	for (unsigned i = 0; i < n; i++) {
		all[i] = (struct closing){ .bin = &m->bins[i] };
		all[i].begun = pthread_create(&all[i].thread, NULL, close_one, &all[i]) == 0;
	}
	for (unsigned i = 0; i < n; i++)
		if (!all[i].begun)
			close_one(&all[i]);
	for (unsigned i = 0; i < n; i++) {
		if (all[i].begun)
			pthread_join(all[i].thread, NULL);
		m->lost |= !all[i].kept;
	}
	__atomic_store_n(&m->closing, 0, __ATOMIC_RELEASE);
	return NULL;
}

/* Until it is 0, or the deadline.  At an end alone, so that nobody has to tell. */
static bool
await(const uint64_t *number, uint64_t deadline)
{
	static const struct timespec moment = { .tv_nsec = 1000000 };

	while (__atomic_load_n(number, __ATOMIC_ACQUIRE) != 0) {
		if (rend_now() >= deadline)
			return false;
		nanosleep(&moment, NULL);
	}
	return true;
}

/* Jobs whose op was answered when its worker ended go on, and hand each other keys: so all threads are there until there are none. */
static bool
stop_threads(struct mnemonic *m, uint64_t deadline)
{
	bool ended;

	if (!await(&m->live, deadline))
		return false;
	ended = keeper_stop(&m->keeper, deadline);
	ended &= readers_stop(&m->readers, deadline);
	for (unsigned i = 0; i < m->plan.bins; i++)
		ended &= writer_stop(&m->writers[i], deadline);
	return ended;
}

static bool
stop_bins(struct mnemonic *m, uint64_t deadline)
{
	if (!m->closes) {
		m->closing = 1;
		if (pthread_create(&m->closer, NULL, close_bins, m) != 0)
			return false; /* nobody waits for a disk without a deadline */
	}
	m->closes = true;
	if (!await(&m->closing, deadline))
		return false;
	pthread_join(m->closer, NULL);
	m->closes = false;
	return true;
}

bool
closer_stop(struct mnemonic *m, uint64_t deadline)
{
	if (!m->open)
		return true;
	if (!stop_threads(m, deadline) || !stop_bins(m, deadline))
		return false;
	if (m->numbered)
		versions_close(&m->versions);
	m->numbered = false;
	folder_close(&m->folder);
	m->open = false;
	return true;
}

/* ---- a disk that does not answer ---- */

static void *
note(void *arg)
{
	struct mnemonic *m = arg;
	bool those[BINS_MOST];
	unsigned n = 0;

	for (unsigned i = 0; i < m->plan.bins; i++) {
		those[i] = bin_is_behind(&m->bins[i]);
		n += those[i];
	}
	m->emptied = n;
	m->noted = n == 0 || versions_raise_those(&m->versions, those) == 0;
	__atomic_store_n(&m->noting, 0, __ATOMIC_RELEASE);
	return NULL;
}

/* What they have in files may be older than what was answered: so it is not to be shown.  The disk may not even take that, so it is not waited for for long. */
static void
begin_empty(struct mnemonic *m)
{
	pthread_t thread;
	bool over;

	m->noting = 1;
	over = pthread_create(&thread, NULL, note, m) == 0;
	if (over) {
		pthread_detach(thread);
		over = await(&m->noting, rend_now() + NOTE_NS);
	}
	if (!over || !m->noted)
		rend_log(REND_LOG_ERROR,
		    "mnemonic: of the %u bins of %s some were not written in time, and have no log, nor could that be "
		    "noted: what they have may be older than what was answered",
		    m->plan.bins, m->folder.path);
	else if (m->emptied > 0)
		rend_log(REND_LOG_ERROR,
		    "mnemonic: %u of %u bins of %s were not written in time, and have no log: they begin empty",
		    m->emptied, m->plan.bins, m->folder.path);
}

static void
end_at_once(int status, void *arg)
{
	(void)arg;
	_exit(status);
}

void
closer_give_up(struct mnemonic *m)
{
	static int given_up; /* atomic: there may be others */

	rend_log(REND_LOG_ERROR, "mnemonic: the disk of %s does not answer", m->folder.path);
	if (m->plan.rocks.wal == ROCKS_WAL_OFF && m->numbered)
		begin_empty(m);
	gauges_end(m);
	/* Threads of RocksDB wait for the disk.  When the process ends RocksDB would wait for them, for ever, so it is not asked. */
	if (__atomic_exchange_n(&given_up, 1, __ATOMIC_RELAXED) == 0)
		on_exit(end_at_once, NULL);
}
