/*
 * The handler kit, tried on handlers: those that are right pass all of it, answering at once and later; each of the
 * broken ones fails, and for what it is broken in.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "handler_kit.h"

struct outcome {
	const char *behaviour, *reason; /* looked for */
	bool seen;
	int passed, failed, skipped;
};

/* Where the plugins are: folders by what they are called in the environment, and where the build puts them. */
static const char *
folder(const char *variable, const char *built)
{
	const char *dir = getenv(variable);

	return dir == NULL ? built : dir;
}

static void
note(void *arg, const char *behaviour, enum verdict verdict, const char *reason)
{
	struct outcome *o = arg;

	*(verdict == KIT_PASSED ? &o->passed : verdict == KIT_FAILED ? &o->failed : &o->skipped) += 1;
	if (verdict != KIT_FAILED)
		return;
	if (o->reason != NULL && strstr(reason, o->reason) != NULL)
		o->seen = true;
	else
		print_error("%s: %s\n", behaviour, reason);
}

#define OPTIONS_MOST 10

/* options: one, or several with spaces between them. */
static struct outcome
run(const char *plugin, const char *options, bool later, int seconds, const char *behaviour, const char *reason)
{
	struct outcome o = { .behaviour = behaviour, .reason = reason };
	const char *list[OPTIONS_MOST];
	char text[4096], *rest = text;
	int failed;
	struct handler_kit kit = {
		.plugin = plugin, .options = list, .later = later, .only = behaviour, .seconds = seconds
	};

	snprintf(text, sizeof text, "%s", options == NULL ? "" : options);
	for (char *one = strtok_r(text, " ", &rest); one != NULL; one = strtok_r(NULL, " ", &rest)) {
		assert_true(kit.option_count < OPTIONS_MOST);
		list[kit.option_count++] = one;
	}
	failed = handler_kit_run(&kit, note, &o);
	assert_int_equal(failed, o.failed);
	return o;
}

#define SECONDS 180 /* each behaviour may take: plenty, on a machine that is busy, too */

/* ---- handlers that are right ---- */

#define INMEM_LEAST 60 /* behaviours; a list that has shrunk proves less */
/* What it has no need of: its versions are good over any connection, it claims and drains nothing. */
#define INMEM_NOT   4
#define SOUND_LEAST 30

static void
inmem(const char *option, bool later)
{
	char path[4096];
	struct outcome o;

	snprintf(path, sizeof path, "%s/inmem.so", folder("REND_PLUGINS", ".libs"));
	o = run(path, option, later, SECONDS, NULL, NULL);
	assert_int_equal(o.failed, 0);
	assert_int_equal(o.skipped, INMEM_NOT);
	assert_true(o.passed >= INMEM_LEAST);
}

static void
inmem_evicting_later(void **state)
{
	inmem("memory=1MiB", true);
}

/* Sanitizers see the same code in those that are left, which take long enough. */
#if !defined __SANITIZE_THREAD__ && !defined __SANITIZE_ADDRESS__
#define PLAIN
#endif

#ifdef PLAIN
static void
inmem_later(void **state)
{
	inmem(NULL, true);
}

static void
inmem_evicting(void **state)
{
	inmem("memory=1MiB", false);
}
#endif

#ifndef __SANITIZE_THREAD__
static void
inmem_inline(void **state)
{
	inmem(NULL, false);
}

static void
inmem_full(void **state)
{
	inmem("evict=false", false);
}
#endif

#ifdef WITH_SSD
#define SSD_LEAST 60
#define SSD_NOT	  13 /* guard, leases, accesses, memory of its own for values */

/* Segments so small that most is read from the disk again.  A disk that others use, too, is slow: that is no failure. */
static void
ssd(const char *dir, bool later, const char *engine)
{
	char path[4096], options[4096];
	struct outcome o;

	snprintf(path, sizeof path, "%s/ssd.so", folder("REND_PLUGINS", ".libs"));
	snprintf(options, sizeof options, "path=%s/ssd size=16MiB keep=false timeout=20s %s", dir, engine);
	o = run(path, options, later, SECONDS, NULL, NULL);
	assert_int_equal(o.failed, 0);
	assert_int_equal(o.skipped, SSD_NOT);
	assert_true(o.passed >= SSD_LEAST);
}

/* A disk on which nobody waits, where there is a folder in memory. */
static const char *
quick_disk(void)
{
	const char *dir = folder("TMPDIR_IN_MEMORY", folder("TMPDIR", "/tmp"));

	assert_true(mkdir(dir, 0700) == 0 || errno == EEXIST);
	return dir;
}

#ifndef __SANITIZE_THREAD__
static void
ssd_by_default(void **state)
{
	ssd(folder("TMPDIR", "/tmp"), false, "segment=512KiB");
}
#endif

#ifdef PLAIN
/*
 * Each change waits for a sync, and flushes nothing by itself.  The kit makes ten thousand changes one after the other, so how long that takes is
 * the disk's: ten milliseconds each are too much already.  What the kit asks is who is answered, and with what: it needs a sync to be waited for,
 * not one that is slow.
 */
static void
ssd_always(void **state)
{
	ssd(quick_disk(), false, "segment=512KiB sync=always flush=10s");
}
#endif

static void
ssd_later_by_threads(void **state)
{
	ssd(quick_disk(), true, "segment=1MiB engine=threads");
}
#endif

#ifdef WITH_MNEMONIC
#define MNEMONIC_LEAST 60
#define MNEMONIC_NOT   13 /* as ssd */

/*
 * Memtables so small that what is read comes from files, too.  RocksDB syncs ten files each time that it is opened, so where there is a file system
 * in memory they are there.
 */
static void
mnemonic(bool later, const char *more)
{
	char path[4096], options[4096], in_memory[] = "/dev/shm/rend-kit.XXXXXX", remove[64];
	const char *at = mkdtemp(in_memory);
	struct outcome o;

	snprintf(path, sizeof path, "%s/mnemonic.so", folder("REND_PLUGINS", ".libs"));
	snprintf(options, sizeof options,
	    "path=%s/mnemonic size=16MiB bins=2 readers=2 write_buffer=256KiB timeout=20s keep=false %s",
	    at == NULL ? folder("TMPDIR", "/tmp") : at, more);
	o = run(path, options, later, 3 * SECONDS, NULL, NULL);
	if (at != NULL) {
		snprintf(remove, sizeof remove, "rm -rf %s", at);
		assert_int_equal(system(remove), 0);
	}
	assert_int_equal(o.failed, 0);
	assert_int_equal(o.skipped, MNEMONIC_NOT);
	assert_true(o.passed >= MNEMONIC_LEAST);
}

/* Under sanitizers once: most of the time that takes is RocksDB's. */
#ifdef PLAIN
static void
mnemonic_by_default(void **state)
{
	mnemonic(false, "");
}
#endif

static void
mnemonic_later_merging(void **state)
{
	mnemonic(true, "compaction=level");
}
#endif

static void
broken_path(char *path, size_t size, const char *name)
{
	snprintf(path, size, "%s/%s.so", folder("REND_BROKEN", "tests/kit/broken"), name);
}

static void
sound(void **state)
{
	char path[4096];
	struct outcome o;

	broken_path(path, sizeof path, "sound");
	for (int later = 0; later < 2; later++) {
		o = run(path, NULL, later, SECONDS, NULL, NULL);
		assert_int_equal(o.failed, 0);
		assert_true(o.passed >= SOUND_LEAST);
	}
}

/* Those that no other handler here has. */
static void
generous(void **state)
{
	char path[4096];
	struct outcome o;

	broken_path(path, sizeof path, "generous");
	o = run(path, NULL, false, SECONDS, "reserved", NULL);
	assert_int_equal(o.failed, 0);
	assert_int_equal(o.passed, 2);
}

/* ---- handlers that are not ---- */

struct fault {
	const char *name, *behaviour, *reason;
	int seconds; /* 0: as for others */
	bool over;   /* it passes on to inmem */
};

static void
found_out(void **state)
{
	const struct fault *f = *state;
	char path[4096], over[4096];
	struct outcome o;

	broken_path(path, sizeof path, f->name);
	snprintf(over, sizeof over, "over=%s/inmem.so", folder("REND_PLUGINS", ".libs"));
	o = run(path, f->over ? over : NULL, false, f->seconds == 0 ? SECONDS : f->seconds, f->behaviour, f->reason);
	assert_true(o.failed > 0);
	if (!o.seen)
		fail_msg("%s failed, but not in \"%s\" with \"%s\"", f->name, f->behaviour, f->reason);
}

#define FAULT(name, behaviour, reason) static struct fault name = { #name, behaviour, reason, 0, false }

FAULT(twice, "a second delete is a miss", "answered an op twice");
/* Many behaviours wait for its answers, in vain. */
static struct fault lost = { "lost", "replace on a missing key", "a replace was never answered", 6, false };
FAULT(meddling, "what was set is found", "a set that ended with OK changed op->item.value");
FAULT(forgetful, "a value may be empty", "MISS, but it is there");
FAULT(lingering, "what was set is found", "was changed after it had been answered");
FAULT(rewriting, "a value stays as it was when its item is overwritten",
    "had handed out changed when its item was overwritten");
FAULT(greedy, "what was set is found", "values were not given back");
FAULT(immortal, "an exptime that has passed", "OK, but it is not there");
__attribute__((unused)) FAULT(leaky, "leaves no memory behind", ""); /* what a leak checker says is its own */
static struct fault careless = { "careless", "an old lease fills no new one", "set with an old lease over a new one", 0,
	true };
FAULT(hasty, "what was set is found", "MISS, but it is there");
FAULT(frugal, "the memory that it says it holds", "it says that it holds 0 bytes, and it has a value of 50000");
FAULT(stingy, "a value in memory that it reserved", "it reserved 150000 bytes of 300000");
FAULT(dawdling, "draining comes back in time", "drain() came back too late");
FAULT(grasping, "what it claims has an end", "it claims /file-");
FAULT(tardy, "a get of a key that was never set is a miss", "a get was not answered at once");
FAULT(racy, "two workers on one store", "a value under load is torn");

/* What cannot be loaded or opened is no failed behaviour. */
static void
refused(void **state)
{
	struct handler_kit kit = { .plugin = "/nonexistent/plugin.so" };
	char why[512];

	assert_int_equal(handler_kit_try(&kit, why, sizeof why), -1);
	assert_non_null(strstr(why, "/nonexistent/plugin.so"));
}

static void
wrong_option(void **state)
{
	const char *option = "memory=much";
	char path[4096], why[512];
	struct handler_kit kit = { .plugin = path, .options = &option, .option_count = 1 };

	snprintf(path, sizeof path, "%s/inmem.so", folder("REND_PLUGINS", ".libs"));
	assert_int_equal(handler_kit_try(&kit, why, sizeof why), -1);
	assert_non_null(strstr(why, "much"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#ifdef PLAIN
		cmocka_unit_test(inmem_later),
		cmocka_unit_test(inmem_evicting),
#endif
#ifndef __SANITIZE_THREAD__
		cmocka_unit_test(inmem_inline),
		cmocka_unit_test(inmem_full),
#endif
		cmocka_unit_test(inmem_evicting_later),
#ifdef WITH_MNEMONIC
#ifdef PLAIN
		cmocka_unit_test(mnemonic_by_default),
#endif
		cmocka_unit_test(mnemonic_later_merging),
#endif
#ifdef WITH_SSD
#ifndef __SANITIZE_THREAD__
		cmocka_unit_test(ssd_by_default),
#endif
#ifdef PLAIN
		cmocka_unit_test(ssd_always),
#endif
		cmocka_unit_test(ssd_later_by_threads),
#endif
		cmocka_unit_test(sound),
		cmocka_unit_test(generous),
		{ "answers twice", found_out, NULL, NULL, &twice },
		{ "answers never", found_out, NULL, NULL, &lost },
		{ "changes what a set brought", found_out, NULL, NULL, &meddling },
		{ "misses what is there", found_out, NULL, NULL, &forgetful },
		{ "uses an op it has answered", found_out, NULL, NULL, &lingering },
		{ "changes values it has handed out", found_out, NULL, NULL, &rewriting },
		{ "keeps values", found_out, NULL, NULL, &greedy },
		{ "does not expire", found_out, NULL, NULL, &immortal },
#ifndef __SANITIZE_THREAD__ /* it has neither malloc's numbers nor a leak checker to tell by */
		{ "leaks", found_out, NULL, NULL, &leaky },
#endif
		{ "tears values under load", found_out, NULL, NULL, &racy },
		{ "takes a hint for an op", found_out, NULL, NULL, &hasty },
		{ "fills what is leased to another", found_out, NULL, NULL, &careless },
		{ "says that it holds no memory", found_out, NULL, NULL, &frugal },
		{ "reserves too little", found_out, NULL, NULL, &stingy },
		{ "drains for too long", found_out, NULL, NULL, &dawdling },
		{ "claims something else each time", found_out, NULL, NULL, &grasping },
		{ "promises to answer at once and does not", found_out, NULL, NULL, &tardy },
		cmocka_unit_test(refused),
		cmocka_unit_test(wrong_option),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
