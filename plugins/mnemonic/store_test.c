/* A store from inside: a copy of it while it runs, changes that a flush_all takes the ground from, and a value of which a piece is gone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <rocksdb/c.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../tests/kit/rig.h"
#include "record.h"

#define KEYS   50
#define ROUNDS 300

struct place {
	char root[64], plugin[4096], path[128];
	const char *options[6];
	struct handler_kit kit;
};

/* In memory where there is a file system for that: RocksDB syncs a lot. */
static void
place_make(struct place *p)
{
	const char *dir = getenv("REND_PLUGINS");

	strcpy(p->root, "/dev/shm/rend-store.XXXXXX");
	if (mkdtemp(p->root) == NULL) {
		strcpy(p->root, "/tmp/rend-store.XXXXXX");
		assert_non_null(mkdtemp(p->root));
	}
	snprintf(p->plugin, sizeof p->plugin, "%s/mnemonic.so", dir == NULL ? ".libs" : dir);
}

static struct rig *
place_open(struct place *p, const char *name, int seats)
{
	struct rig *r = calloc(1, sizeof *r);
	struct rend_error err = { 0 };

	snprintf(p->path, sizeof p->path, "path=%s/%s", p->root, name);
	p->options[0] = p->path;
	p->options[1] = "size=16MiB";
	p->options[2] = "bins=2";
	p->options[3] = "readers=2";
	p->options[4] = "timeout=60s";
	p->kit = (struct handler_kit){ .plugin = p->plugin, .options = p->options, .option_count = 5, .seconds = 600 };
	if (rig_make(r, &p->kit, seats, &err) != 0 || rig_open(r, &err) != 0)
		fail_msg("%s", err.text);
	return r;
}

static void
place_remove(struct place *p)
{
	char remove[96];

	snprintf(remove, sizeof remove, "rm -rf %s", p->root);
	assert_int_equal(system(remove), 0);
}

static enum rend_status
ask(struct seat *s, unsigned verb, const char *key, const char *value, char *got, size_t size)
{
	struct ask *a = ask_new(s, verb, key, verb == REND_FLUSH_ALL ? 0 : strlen(key));
	enum rend_status status;

	a->op->ask.want = verb == REND_GET ? REND_WANT_VALUE : 0;
	if (value != NULL)
		ask_piece(a, value, strlen(value));
	status = ask_wait(a);
	if (got != NULL)
		got[rend_value_copy_out(&a->op->item.value, 0, got, size - 1)] = '\0';
	ask_drop(a);
	return status;
}

/* ---- a copy ---- */

static void
fill(struct seat *s, const char *what)
{
	char key[16];

	for (int i = 0; i < KEYS; i++) {
		snprintf(key, sizeof key, "key%d", i);
		assert_int_equal(ask(s, REND_SET, key, what, NULL, 0), REND_OK);
	}
}

static void
told(struct rig *r, const char *folder)
{
	const struct rend_command *c = r->handler->commands;
	const char *argv[] = { "checkpoint", folder, NULL }, *one[] = { "checkpoint", NULL };
	struct rend_error err = { 0 };
	char said[256] = "";
	FILE *out = fmemopen(said, sizeof said, "w");

	assert_string_equal(c->name, "checkpoint");
	assert_int_equal(c->run(r->node->store, 1, one, out, &err), -1);
	assert_int_equal(c->run(r->node->store, 2, argv, out, &err), 0);
	assert_int_equal(c->run(r->node->store, 2, argv, out, &err), -1);
	assert_non_null(strstr(err.text, "cannot be made: File exists"));
	fclose(out);
	assert_non_null(strstr(said, "has 2 bins"));
}

static void
a_copy_is_a_store(void **state)
{
	struct place p;
	struct rig *r;
	char copy[96], key[16], got[16];

	place_make(&p);
	snprintf(copy, sizeof copy, "%s/copy", p.root);
	r = place_open(&p, "store", 1);
	seat_enter(&r->seats[0]);
	fill(&r->seats[0], "gone");
	assert_int_equal(ask(&r->seats[0], REND_FLUSH_ALL, "", NULL, NULL, 0), REND_OK);
	assert_int_equal(ask(&r->seats[0], REND_SET, "more", "v", NULL, 0), REND_OK);
	told(r, copy);
	fill(&r->seats[0], "later");
	seat_leave(&r->seats[0]);
	rig_close(r);
	free(r);

	/* Not at the first seat: who comes there tries what the handler has, flush_all too. */
	r = place_open(&p, "copy", 2);
	seat_enter(&r->seats[1]);
	assert_int_equal(ask(&r->seats[1], REND_GET, "more", NULL, got, sizeof got), REND_OK);
	assert_string_equal(got, "v");
	for (int i = 0; i < KEYS; i++) {
		snprintf(key, sizeof key, "key%d", i);
		assert_int_equal(ask(&r->seats[1], REND_GET, key, NULL, NULL, 0), REND_MISS);
	}
	fill(&r->seats[1], "new");
	seat_leave(&r->seats[1]);
	rig_close(r);
	free(r);
	place_remove(&p);
}

/* ---- beside a flush_all ---- */

static unsigned asked, flushed; /* atomic: how many answers there were */
static int stop;

/* Flushes, and lets the other one get some answers in between: one time none, another time some, so that it comes in between any two of them. */
static void *
flushes(void *arg)
{
	struct seat *s = arg;
	unsigned seed = 1;

	seat_enter(s);
	while (!__atomic_load_n(&stop, __ATOMIC_ACQUIRE)) {
		unsigned until;

		EXPECT(ask(s, REND_FLUSH_ALL, "", NULL, NULL, 0) == REND_OK, "a flush_all failed");
		__atomic_fetch_add(&flushed, 1, __ATOMIC_RELAXED);
		until = __atomic_load_n(&asked, __ATOMIC_ACQUIRE) + (unsigned)rand_r(&seed) % 12;
		while (!__atomic_load_n(&stop, __ATOMIC_ACQUIRE) &&
		       (int)(__atomic_load_n(&asked, __ATOMIC_ACQUIRE) - until) < 0)
			usleep(50);
	}
	seat_leave(s);
	return NULL;
}

static enum rend_status
ask_beside(struct seat *s, unsigned verb, const char *value, char *got, size_t size)
{
	enum rend_status status = ask(s, verb, "k", value, got, size);

	__atomic_fetch_add(&asked, 1, __ATOMIC_RELEASE);
	return status;
}

/* What was answered is there, or gone.  1: it is there. */
static int
is_whole(struct seat *s, const char *should)
{
	char got[32];
	enum rend_status status = ask_beside(s, REND_GET, NULL, got, sizeof got);

	if (status != REND_MISS && (status != REND_OK || strcmp(got, should) != 0))
		fail_msg("%s: \"%s\", and it should be \"%s\"", rend_status_name(status), got, should);
	return status == REND_OK;
}

static void
a_change_beside_a_flush_all_is_whole_or_gone(void **state)
{
	int added = 0, appended = 0, not_appended = 0, replaced = 0;
	struct place p;
	struct rig *r;
	pthread_t thread;

	place_make(&p);
	r = place_open(&p, "store", 2);
	stop = 0;
	assert_int_equal(pthread_create(&thread, NULL, flushes, &r->seats[1]), 0);
	seat_enter(&r->seats[0]);
	for (int i = 0; i < ROUNDS; i++) {
		struct seat *s = &r->seats[0];
		enum rend_status status;

		ask_beside(s, REND_DELETE, NULL, NULL, 0);
		assert_int_equal(ask_beside(s, REND_ADD, "0123456789", NULL, 0), REND_OK);
		added += is_whole(s, "0123456789");
		status = ask_beside(s, REND_APPEND, "ab", NULL, 0);
		if (status == REND_OK) {
			appended += is_whole(s, "0123456789ab");
		} else {
			assert_int_equal(status, REND_NOT_STORED);
			assert_int_equal(ask_beside(s, REND_GET, NULL, NULL, 0), REND_MISS);
			not_appended++;
		}
		if (ask_beside(s, REND_REPLACE, "another", NULL, 0) == REND_OK)
			replaced += is_whole(s, "another");
	}
	__atomic_store_n(&stop, 1, __ATOMIC_RELEASE);
	seat_leave(&r->seats[0]);
	pthread_join(thread, NULL);
	/* It was seen, and was taken away, too: each at any time. */
	assert_true(flushed > 10);
	assert_true(added > 10 && appended > 10 && not_appended > 0 && replaced > 10);
	rig_close(r);
	free(r);
	place_remove(&p);
}

/* ---- in pieces ---- */

#define LARGE (2 * PIECE_BYTES + 1000)

static char large[LARGE];

/* As if fifo had dropped the file that it was in.  How many pieces there were. */
static int
drop_a_piece(const struct place *p, const char *bin)
{
	rocksdb_options_t *options = rocksdb_options_create();
	rocksdb_readoptions_t *read = rocksdb_readoptions_create();
	rocksdb_writeoptions_t *write = rocksdb_writeoptions_create();
	char path[128], key[PIECE_KEY_LEN], *err = NULL;
	rocksdb_iterator_t *it;
	rocksdb_t *db;
	int pieces = 0;

	snprintf(path, sizeof path, "%s/store/%s", p->root, bin);
	rocksdb_options_set_disable_auto_compactions(options, 1);
	db = rocksdb_open(options, path, &err);
	assert_null(err);
	it = rocksdb_create_iterator(db, read);
	for (rocksdb_iter_seek_to_first(it); rocksdb_iter_valid(it); rocksdb_iter_next(it)) {
		size_t len;
		const char *at = rocksdb_iter_key(it, &len);

		if (len == PIECE_KEY_LEN && at[0] == 1 && pieces++ == 1)
			memcpy(key, at, len);
	}
	rocksdb_iter_destroy(it);
	if (pieces > 1)
		rocksdb_delete(db, write, key, sizeof key, &err);
	assert_null(err);
	rocksdb_close(db);
	rocksdb_writeoptions_destroy(write);
	rocksdb_readoptions_destroy(read);
	rocksdb_options_destroy(options);
	return pieces;
}

static void
a_value_without_one_of_its_pieces_is_none(void **state)
{
	struct place p;
	struct rig *r;
	struct seat *s;
	struct ask *a;
	char got[16];

	place_make(&p);
	memset(large, 'l', sizeof large);
	r = place_open(&p, "store", 1);
	seat_enter(&r->seats[0]);
	a = ask_new(&r->seats[0], REND_SET, "k", 1);
	ask_piece(a, large, sizeof large);
	assert_int_equal(ask_wait(a), REND_OK);
	ask_drop(a);
	assert_int_equal(ask(&r->seats[0], REND_SET, "small", "v", NULL, 0), REND_OK);
	seat_leave(&r->seats[0]);
	rig_close(r);
	free(r);
	assert_int_equal(drop_a_piece(&p, "bin.000") + drop_a_piece(&p, "bin.001"), 3);

	r = place_open(&p, "store", 2);
	s = &r->seats[1];
	seat_enter(s);
	assert_int_equal(ask(s, REND_GET, "k", NULL, got, sizeof got), REND_MISS);
	assert_int_equal(ask(s, REND_APPEND, "k", "x", NULL, 0), REND_NOT_STORED);
	assert_int_equal(ask(s, REND_TOUCH, "k", NULL, NULL, 0), REND_MISS);
	assert_int_equal(ask(s, REND_REPLACE, "k", "x", NULL, 0), REND_NOT_STORED);
	assert_int_equal(ask(s, REND_DELETE, "k", NULL, NULL, 0), REND_MISS);
	assert_int_equal(ask(s, REND_GET, "small", NULL, got, sizeof got), REND_OK);
	assert_int_equal(ask(s, REND_ADD, "k", "new", NULL, 0), REND_OK);
	assert_int_equal(ask(s, REND_GET, "k", NULL, got, sizeof got), REND_OK);
	assert_string_equal(got, "new");
	seat_leave(s);
	rig_close(r);
	free(r);
	place_remove(&p);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_copy_is_a_store),
		cmocka_unit_test(a_change_beside_a_flush_all_is_whole_or_gone),
		cmocka_unit_test(a_value_without_one_of_its_pieces_is_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
