/*
 * Which answers wait until they hold, with sync = always, and what is told when something was given up meanwhile: jobs over a store on a simulated disk,
 * whose verb ends as the test says.
 */
#include <event2/event.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "damage_test.h"
#include "job.h"

#define LONG 60000000000ULL /* what never passes in a test that passes */

static struct world w;
static struct ssd d;
static struct instance inst;
static struct event_base *base;
static struct {
	_Alignas(16) char memory[sizeof(struct rend_op) + sizeof(struct job)];
	char key[32];
	bool ended;
	enum rend_status status;
} asked;
static struct rend_call *posted;

/* ---- what is not of this test ---- */

static enum rend_status verdict;
static void (*changes)(void); /* what the verb does; NULL: nothing */

bool
verb_is_blind(const struct rend_op *op)
{
	return changes != NULL;
}

bool
verb_wants_value(const struct rend_op *op)
{
	return true;
}

enum rend_status
verb_run(struct job *j)
{
	if (changes != NULL) {
		changes();
		j->changed = true;
	}
	return verdict;
}

enum rend_status
verb_stored(struct job *j, enum stored stored, uint64_t cas, uint64_t len)
{
	return REND_IO;
}

void
keeper_wake(void *arg)
{
}

struct tear *
tearer_leave(struct tearer *t, const struct instance *i)
{
	return NULL;
}

void __wrap_rend_done(struct rend_op *op, enum rend_status status);
bool __wrap_rend_op_given_up(const struct rend_op *op);
void __wrap_rend_post(struct rend_worker *worker, struct rend_call *call);
struct event_base *__wrap_rend_worker_base(struct rend_worker *worker);

void
__wrap_rend_done(struct rend_op *op, enum rend_status status)
{
	assert_false(asked.ended);
	asked.ended = true;
	asked.status = status;
}

bool
__wrap_rend_op_given_up(const struct rend_op *op)
{
	return false;
}

void
__wrap_rend_post(struct rend_worker *worker, struct rend_call *call)
{
	posted = call;
}

struct event_base *
__wrap_rend_worker_base(struct rend_worker *worker)
{
	return base;
}

/* ---- between two looks at the store ---- */

static void (*meanwhile)(void); /* once, behind the first of them */
static uint64_t given_up_before;
static bool looks_at_locks, written_after;

uint64_t __real_store_committed(const struct store *s);
uint64_t __wrap_store_committed(const struct store *s);
uint64_t __real_store_given_up(const struct store *s);
uint64_t __wrap_store_given_up(const struct store *s);
int __real_pthread_mutex_lock(pthread_mutex_t *lock);
int __wrap_pthread_mutex_lock(pthread_mutex_t *lock);

static uint64_t
looked(uint64_t found)
{
	void (*fn)(void) = meanwhile;

	meanwhile = NULL;
	if (fn != NULL)
		fn();
	return found;
}

uint64_t
__wrap_store_committed(const struct store *s)
{
	return looked(__real_store_committed(s));
}

uint64_t
__wrap_store_given_up(const struct store *s)
{
	return looked(__real_store_given_up(s));
}

/* Whoever comes first after something was given up: may he still write to it? */
int
__wrap_pthread_mutex_lock(pthread_mutex_t *lock)
{
	if (looks_at_locks && __real_store_given_up(w.store) > given_up_before) {
		looks_at_locks = false;
		written_after = true;
		for (uint32_t i = 0; i < w.store->image_count; i++)
			written_after &= !w.store->images[i].failed;
	}
	return __real_pthread_mutex_lock(lock);
}

/* ---- asking ---- */

static void
begin(void)
{
	base = event_base_new();
	assert_non_null(base);
	d = (struct ssd){ .magic = SSD_MAGIC, .store = w.store, .instances = &inst };
	inst = (struct instance){ .magic = INSTANCE_MAGIC, .ssd = &d, .fetcher = w.fetcher };
	inst.fetcher.time = LONG;
	inst.granted_end = &inst.granted;
	pthread_mutex_init(&d.lock, NULL);
	pthread_mutex_init(&inst.lock, NULL);
	assert_int_equal(commits_open(&inst.commits, &inst), 0);
	changes = NULL;
}

static void
end(void)
{
	commits_close(&inst.commits);
	commits_fini(&inst.commits);
	pthread_mutex_destroy(&inst.lock);
	pthread_mutex_destroy(&d.lock);
	event_base_free(base);
	world_fini(&w);
}

static void
run_calls(void)
{
	struct rend_call *call = posted;

	posted = NULL;
	if (call != NULL)
		call->fn(call);
}

static void
submit(unsigned key, enum rend_status ends)
{
	struct rend_op *op = (struct rend_op *)(void *)asked.memory;

	memset(&asked, 0, sizeof asked);
	*op = (struct rend_op){ .magic = REND_OP_MAGIC, .verb = REND_DELETE, .key = asked.key };
	op->keylen = (uint8_t)snprintf(asked.key, sizeof asked.key, "key-%u", key);
	verdict = ends;
	job_begin(&inst, op);
	fetcher_flush(&inst.fetcher);
}

/* Until the disk has nothing of it. */
static void
ask(unsigned key, enum rend_status ends)
{
	submit(key, ends);
	while (io_pending(w.queue) > 0)
		io_wait(w.queue, LONG);
	run_calls();
}

static struct job *
job(void)
{
	return (struct job *)(void *)((struct rend_op *)(void *)asked.memory)->scratch;
}

/* What the keeper does. */
static void
flush(void)
{
	store_step(w.store, true, w.wall);
	commit_flushed(&d);
	run_calls();
}

static void
refuse(void)
{
	assert_int_equal(sim_fault_next(w.io, IO_WRITE, 1, SIM_EIO, 0), IO_OK);
	assert_int_equal(sim_fault_next(w.io, IO_WRITE, 2, SIM_EIO, 0), IO_OK);
}

/* What was written last is given up, and then all that is asked for by now is on the disk. */
static void
give_up_and_flush(void)
{
	refuse();
	store_step(w.store, true, w.wall);
	sim_clear_faults(w.io);
	for (unsigned n = 0; store_commit_missed(w.store); n++) {
		assert_true(n < 20);
		store_step(w.store, true, w.wall);
	}
}

/* ---- no, because of what may be gone after a crash ---- */

static void
store_is_open(void)
{
	world_init(&w, 32);
	w.options.sync = STORE_SYNC_ALWAYS;
	opened(&w);
	begin();
}

static void
no_waits_for_what_nobody_waited_for(void **state)
{
	for (int fails = 0; fails < 2; fails++) {
		store_is_open();
		assert_int_equal(world_set(&w, 1, 1, 1000, 0), STORED);
		world_settle(&w, true);
		assert_true(world_delete(&w, 1));
		(void)store_commit_at(w.store);
		store_commit_ask(w.store);
		assert_true(store_commit_missed(w.store));
		ask(1, REND_MISS);
		assert_false(asked.ended);
		if (fails)
			refuse();
		flush();
		assert_true(asked.ended);
		assert_int_equal(asked.status, fails ? REND_IO : REND_MISS);
		sim_clear_faults(w.io);
		for (unsigned n = 0; store_commit_missed(w.store); n++) {
			assert_true(n < 20);
			flush();
		}
		/* Nothing is in RAM only any more. */
		ask(1, REND_MISS);
		assert_true(asked.ended);
		assert_int_equal(asked.status, REND_MISS);
		end();
	}
}

/* A record that is broken is gone when that is on the disk: until then an older one may come back. */
static void
no_waits_for_what_was_found_broken(void **state)
{
	struct spot at;

	world_init(&w, 32);
	w.options.sync = STORE_SYNC_ALWAYS;
	opened(&w);
	assert_int_equal(world_set(&w, 1, 1, 1000, 0), STORED);
	seal(&w);
	at = spot_of(&w, 1);
	world_crash(&w, SIM_KILL);
	assert_int_equal(sim_flip(w.io, at.path, (at.record + 500) * 8), IO_OK);
	opened(&w);
	begin();
	assert_false(store_commit_missed(w.store));
	ask(1, REND_MISS);
	assert_true(job()->fetch.erased);
	assert_false(asked.ended);
	flush();
	assert_true(asked.ended);
	assert_int_equal(asked.status, REND_MISS);
	end();
}

/* ---- stored, and given up ---- */

static void
set_it(void)
{
	w.locked = true; /* by the job */
	assert_int_equal(world_set(&w, 1, 2, 1000, 0), STORED);
	w.locked = false;
}

/* A flush is over, and what it gave up was so before: who looks just then finds both. */
static void
given_up_between_two_looks(void **state)
{
	store_is_open();
	assert_int_equal(world_set(&w, 1, 1, 1000, 0), STORED);
	world_settle(&w, true);
	seal(&w);
	changes = set_it;
	submit(1, REND_OK);
	assert_false(asked.ended);
	meanwhile = give_up_and_flush;
	run_calls();
	assert_null(meanwhile);
	commit_flushed(&d);
	run_calls();
	assert_true(asked.ended);
	assert_int_equal(asked.status, REND_IO);
	end();
}

/* Who notes how much was given up, and writes then, does not write to what goes. */
static void
nobody_writes_to_what_was_given_up(void **state)
{
	store_is_open();
	assert_int_equal(world_set(&w, 1, 1, 1000, 0), STORED);
	given_up_before = store_given_up(w.store);
	written_after = false;
	looks_at_locks = true;
	refuse();
	store_step(w.store, true, w.wall);
	assert_true(store_given_up(w.store) > given_up_before);
	/* Somebody came. */
	assert_false(looks_at_locks);
	assert_false(written_after);
	end();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_waits_for_what_nobody_waited_for),
		cmocka_unit_test(no_waits_for_what_was_found_broken),
		cmocka_unit_test(given_up_between_two_looks),
		cmocka_unit_test(nobody_writes_to_what_was_given_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
