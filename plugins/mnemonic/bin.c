/* One database: see bin.h. */
#include "bin.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "record.h"
#include "rend/plugin.h"
#include "wal.h"

#define PAUSE_FIRST 500000000ULL   /* ns between two tries to open it */
#define PAUSE_MOST  30000000000ULL /* and after many */
#define ROOM_BYTES  (64 << 10)
#define ROOM_TIMES  16
#define PATIENCE_S  1		   /* seconds that those may take who use it still */
#define CALM	    60000000000ULL /* ns without a failure, and the next one is another one */

void
bin_init(struct bin *b, unsigned nth, char *dir, const struct plan *plan, struct versions *versions,
    struct rocks_common *common)
{
	pthread_rwlockattr_t attr;

	*b = (struct bin){ .nth = nth, .dir = dir, .plan = plan, .versions = versions, .common = common, .closed = 1 };
	pthread_rwlockattr_init(&attr);
	/* Who mends it is not to wait for those who come all the time. */
	pthread_rwlockattr_setkind_np(&attr, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
	pthread_rwlock_init(&b->use, &attr);
	pthread_rwlockattr_destroy(&attr);
}

void
bin_fini(struct bin *b)
{
	pthread_rwlock_destroy(&b->use);
	free(b->dir);
}

void
bin_reset(struct bin *b)
{
	b->damaged = false;
	b->changed = 0;
	b->opened = b->written = b->logged = b->mend_until = b->mend_at = b->pause = 0;
	__atomic_store_n(&b->state, BIN_OPEN, __ATOMIC_RELEASE);
}

/* RocksDB's threads, while they merge files. */
static bool
is_dead(void *arg, const char *key, size_t keylen, const char *p, size_t len)
{
	const struct bin *b = arg;
	struct record r;

	if (record_is_piece(key, keylen))
		return !bin_shows(b, record_piece_version(key)) ||
		       rend_expired(record_piece_exptime(p, len), rend_wall());
	if (record_read(p, len, &r) == 0)
		return false; /* whoever reads it says so */
	return !bin_shows(b, r.version) || rend_expired(r.exptime, rend_wall());
}

/* Out of the way, to be looked at; what was put aside before is gone then. */
static int
put_aside(struct bin *b)
{
	char *aside = NULL, ignored[WHY_MAX];
	int done = asprintf(&aside, "%s.damaged", b->dir) < 0 ? -1 : rename(b->dir, aside);

	if (done != 0 && aside != NULL && (errno == ENOTEMPTY || errno == EEXIST)) {
		rocks_destroy(b->common, aside, ignored);
		done = rename(b->dir, aside);
	}
	free(aside);
	return done;
}

/* Can files grow there?  As much as RocksDB writes to its log when it is opened, and some more. */
static bool
has_room(const struct bin *b, char why[WHY_MAX])
{
	static const char some[ROOM_BYTES];
	char *path = NULL;
	int fd = asprintf(&path, "%s.room", b->dir) < 0 ? -1
							: open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	bool room = fd >= 0;

	for (int i = 0; room && i < ROOM_TIMES; i++) {
		errno = ENOSPC; /* what a write that is not whole does not say */
		room = write(fd, some, sizeof some) == sizeof some;
	}
	if (!room)
		snprintf(why, WHY_MAX, "a megabyte cannot be written there: %s", strerror(errno));
	if (fd >= 0) {
		close(fd);
		unlink(path);
	}
	free(path);
	return room;
}

int
bin_open(struct bin *b, bool *damaged, char why[WHY_MAX])
{
	enum rocks_status status;
	char again[WHY_MAX];

	*damaged = false;
	if (!has_room(b, why))
		return -1;
	status = rocks_open(&b->db, b->common, b->dir, is_dead, b, why);
	*damaged = status == ROCKS_CORRUPT;
	if (*damaged && put_aside(b) == 0)
		status = rocks_open(&b->db, b->common, b->dir, is_dead, b, again);
	if (status != ROCKS_OK)
		return -1;
	__atomic_store_n(&b->closed, 0, __ATOMIC_RELEASE);
	return 0;
}

enum bin_state
bin_state(const struct bin *b)
{
	return (enum bin_state)__atomic_load_n(&b->state, __ATOMIC_ACQUIRE);
}

static void
set_state(struct bin *b, enum bin_state state)
{
	__atomic_store_n(&b->state, state, __ATOMIC_RELEASE);
}

bool
bin_enter(struct bin *b)
{
	if (bin_state(b) != BIN_OPEN || pthread_rwlock_tryrdlock(&b->use) != 0)
		return false;
	if (bin_state(b) == BIN_OPEN && b->db != NULL)
		return true;
	pthread_rwlock_unlock(&b->use);
	return false;
}

void
bin_leave(struct bin *b)
{
	pthread_rwlock_unlock(&b->use);
}

void
bin_change(struct bin *b)
{
	__atomic_store_n(&b->changed, 1, __ATOMIC_RELEASE);
}

bool
bin_is_behind(const struct bin *b)
{
	return __atomic_load_n(&b->changed, __ATOMIC_ACQUIRE) != 0 &&
	       __atomic_load_n(&b->closed, __ATOMIC_ACQUIRE) == 0;
}

static bool
close_it(struct bin *b)
{
	bool open = bin_state(b) == BIN_OPEN, kept = open || b->mend_until != 0;
	char why[WHY_MAX] = "it had failed";

	if (b->db == NULL && open)
		return true; /* it never was */
	if (b->db != NULL) {
		kept = rocks_close(&b->db, open, why) == ROCKS_OK && kept;
		kept = kept && (open || wal_sync(b->dir, &b->logged, why) == 0);
	}
	if (kept || bin_state(b) == BIN_EMPTY)
		return true;
	b->mend_until = 0;
	if (versions_raise(b->versions, b->nth) == 0)
		rend_log(
		    REND_LOG_ERROR, "mnemonic: %s could not be closed as it should (%s): it begins empty", b->dir, why);
	else
		rend_log(REND_LOG_ERROR,
		    "mnemonic: %s could not be closed as it should (%s), nor could that be noted: what it has may be "
		    "older "
		    "than what was answered",
		    b->dir, why);
	return false;
}

bool
bin_close(struct bin *b)
{
	bool kept = close_it(b);

	__atomic_store_n(&b->closed, 1, __ATOMIC_RELEASE);
	return kept;
}

/* ---- one that failed ---- */

void
bin_fail(struct bin *b, enum rocks_status status, const char *why)
{
	const struct plan *plan = b->plan;
	uint64_t now = rend_now();
	bool tried;

	if (bin_state(b) != BIN_OPEN)
		return;
	b->damaged = status == ROCKS_CORRUPT || plan->rocks.compaction != ROCKS_FIFO;
	/* One that fails as soon as it is open is still in the same trouble: its time is not begun anew, nor is the next try sooner. */
	if (b->opened == 0 || now - b->opened >= CALM) {
		b->pause = 0;
		b->mend_until = now + plan->mend;
	}
	if (status == ROCKS_CORRUPT || plan->rocks.wal == ROCKS_WAL_OFF || plan->mend == 0)
		b->mend_until = 0;
	b->mend_at = now + b->pause;
	tried = b->mend_until != 0;
	/* From now on it is the keeper's. */
	set_state(b, BIN_SHUT);
	rend_log(REND_LOG_ERROR, "mnemonic: %s failed%s (%s): it is down%s", b->dir,
	    strstr(why, "No space left") != NULL ? ", because the disk is full" : "", why,
	    tried ? " until it could be opened again with all that it had, which is tried" : "");
}

static bool
lock_for_change(struct bin *b)
{
	struct timespec until;

	if (b->db != NULL)
		rocks_merge_no_more(b->db);
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += PATIENCE_S;
	return pthread_rwlock_clockwrlock(&b->use, CLOCK_MONOTONIC, &until) == 0;
}

static void
rest(struct bin *b)
{
	b->pause = b->pause == 0 ? PAUSE_FIRST : b->pause * 2 < PAUSE_MOST ? b->pause * 2 : PAUSE_MOST;
	b->mend_at = rend_now() + b->pause;
}

static void
open_again(struct bin *b, const char *with)
{
	rend_log(REND_LOG_INFO, "mnemonic: %s is open again, %s", b->dir, with);
	b->opened = rend_now();
	set_state(b, BIN_OPEN);
}

/* Bytes that may be written there; where nobody says, enough. */
static uint64_t
room(const struct bin *b)
{
	struct statvfs fs;

	return statvfs(b->dir, &fs) == 0 ? (uint64_t)fs.f_bavail * fs.f_frsize : UINT64_MAX / 2;
}

/* What the log has becomes files while it is opened, with something around it, and then there is to be room for the first writes. */
static bool
has_room_for_log(const struct bin *b, char why[WHY_MAX])
{
	uint64_t wanted = b->logged + b->logged / 8 + ROOM_TIMES * ROOM_BYTES + b->plan->rocks.write_buffer;

	if (room(b) >= wanted)
		return true;
	snprintf(why, WHY_MAX, "there is no room for the %llu bytes of its log, and some more",
	    (unsigned long long)b->logged);
	return false;
}

enum back { BACK, BACK_BUSY, BACK_LATER, BACK_EMPTY, BACK_LOST };

/* It is locked. */
static enum back
reopen(struct bin *b, char why[WHY_MAX])
{
	bool damaged;

	if (b->db != NULL) {
		b->written = rocks_written(b->db);
		rocks_close(&b->db, false, why);
		if (wal_sync(b->dir, &b->logged, why) != 0)
			return BACK_LOST;
	}
	if (!has_room_for_log(b, why) || bin_open(b, &damaged, why) != 0)
		return BACK_LATER;
	if (damaged)
		return BACK_EMPTY;
	if (rocks_written(b->db) >= b->written)
		return BACK;
	snprintf(why, WHY_MAX, "its log has less than was written");
	return BACK_LOST;
}

/* With all that it had. */
static enum back
restore(struct bin *b)
{
	char why[WHY_MAX] = "";
	enum back back;

	/* That is not its fault, and costs it nothing of its time. */
	if (!lock_for_change(b)) {
		rend_log(REND_LOG_WARN, "mnemonic: %s is not opened again yet: somebody still reads from it", b->dir);
		return BACK_BUSY;
	}
	back = reopen(b, why);
	pthread_rwlock_unlock(&b->use);
	switch (back) {
	case BACK:
		open_again(b, "with all that was answered");
		break;
	case BACK_EMPTY:
		rend_log(REND_LOG_WARN,
		    "mnemonic: %s is damaged (%s): its files are in %s.damaged now, and it begins empty", b->dir, why,
		    b->dir);
		open_again(b, "and empty");
		break;
	case BACK_LOST:
		b->mend_until = 0;
		/* fallthrough */
	case BACK_BUSY: /* was answered above */
	case BACK_LATER:
		rend_log(REND_LOG_WARN, "mnemonic: %s cannot be opened %swith all that it had: %s", b->dir,
		    back == BACK_LATER ? "again yet " : "", why);
		break;
	}
	return back;
}

/* Nothing of what it has is shown from now on, and after the next start. */
static void
forget(struct bin *b)
{
	b->mend_until = 0;
	if (versions_raise(b->versions, b->nth) != 0)
		return;
	set_state(b, BIN_EMPTY);
	rend_log(REND_LOG_ERROR,
	    "mnemonic: what %s had is not shown any more, and nothing is stored in it until it could be made anew, "
	    "which is tried",
	    b->dir);
}

/* Nothing of it is shown any more, so it is only in the way; but what is damaged somebody may want to see. */
static void
make_anew(struct bin *b)
{
	char why[WHY_MAX] = "";
	bool damaged;
	int done;

	if (!lock_for_change(b))
		return;
	if (b->db != NULL)
		rocks_close(&b->db, false, why);
	if (b->damaged && put_aside(b) == 0) {
		rend_log(REND_LOG_WARN, "mnemonic: the files of %s are in %s.damaged now", b->dir, b->dir);
		b->damaged = false;
	} else if (!b->damaged) {
		rocks_destroy(b->common, b->dir, why);
	}
	done = bin_open(b, &damaged, why);
	pthread_rwlock_unlock(&b->use);
	if (done == 0)
		open_again(b, "and empty");
	else
		rend_log(REND_LOG_WARN, "mnemonic: %s cannot be opened again yet: %s", b->dir, why);
}

bool
bin_mend(struct bin *b)
{
	enum back back = BACK_LATER;

	if (bin_state(b) == BIN_OPEN || rend_now() < b->mend_at)
		return false;
	rest(b);
	if (b->mend_until != 0)
		back = restore(b);
	if (back == BACK || back == BACK_BUSY)
		return back == BACK;
	if (bin_state(b) == BIN_SHUT && rend_now() >= b->mend_until)
		forget(b);
	if (bin_state(b) == BIN_EMPTY)
		make_anew(b);
	return false;
}
