/*
 * A handler for reloads.  It is compiled twice, with another WORD: every get answers that word.  Its options make it go wrong, where a
 * plugin may: in check(), in open(), on a worker.  And it can be told a few things.
 */
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "rend/log.h"
#include "rend/plugin.h"

#ifndef WORD
#define WORD "one"
#endif

#define HELD_MAX 64

struct word_conf {
	int how, slow;
	int64_t number;		  /* only to be another block */
	const char *from, *until; /* paths */
};

/* What one worker has not answered yet. */
struct word {
	const struct word_conf *conf;
	struct rend_op *held[HELD_MAX];
	unsigned count;
};

enum { WELL, DIES, REFUSES, OPENS_NOT, ATTACHES_NOT, HANGS };

static int
on_check(const void *conf, struct rend_error *err)
{
	const struct word_conf *c = conf;

	if (c->how == DIES)
		raise(SIGKILL);
	/* In the child that tries it out; it is ended there. */
	if (c->how == HANGS)
		sleep(60);
	return c->how == REFUSES ? rend_error(err, "it does not like its options") : 0;
}

static int
on_open(void **store, const void *conf, struct rend_node *self, struct rend_error *err)
{
	const struct word_conf *c = conf;

	(void)self;
	*store = (void *)(uintptr_t)conf;
	return c->how == OPENS_NOT ? rend_error(err, "its disk is not there") : 0;
}

static int
on_attach(void **inst, void *store, struct rend_worker *worker, struct rend_error *err)
{
	const struct word_conf *c = store;
	struct word *w;

	if (c->how == ATTACHES_NOT && rend_worker_index(worker) == rend_worker_count() - 1)
		return rend_error(err, "it cannot be had on this worker");
	w = calloc(1, sizeof *w);
	if (w == NULL)
		return rend_error(err, "no memory");
	w->conf = c;
	*inst = w;
	return 0;
}

static void
answer(struct rend_op *op)
{
	if (op->verb == REND_GET && rend_value_copy_in(&op->item.value, WORD, strlen(WORD)) == 0)
		rend_done(op, REND_OK);
	else
		rend_done(op, op->verb == REND_DELETE ? REND_MISS : REND_OK);
}

static const struct timespec look = { .tv_nsec = 5 * 1000 * 1000 };

/* Until the file is there, a minute at most. */
static bool
await(const char *file)
{
	for (int i = 0; i < 12000; i++) {
		if (access(file, F_OK) == 0)
			return true;
		nanosleep(&look, NULL);
	}
	return false;
}

static bool
is_busy(const struct rend_op *op)
{
	return memmem(op->key, op->keylen, "busy", 4) != NULL;
}

/* A key that has "busy" in it keeps its worker until the file is there, a minute at most. */
static void
answer_busily(const struct word *w, struct rend_op *op)
{
	if (is_busy(op)) {
		rend_log(REND_LOG_INFO, "word: a worker is busy");
		await(w->conf->until);
	}
	answer(op);
}

static void
on_detach(void *inst)
{
	struct word *w = inst;

	while (w->count > 0)
		answer(w->held[--w->count]);
	free(w);
}

/* A slow one answers a key that begins with "s" at a tick: about a second later. */
static void
on_any(void *inst, struct rend_op *op)
{
	struct word *w = inst;

	if (w->conf->slow && op->keylen > 0 && op->key[0] == 's' && w->count < HELD_MAX)
		w->held[w->count++] = op;
	else
		answer_busily(w, op);
}

static void
on_tick(void *inst)
{
	struct word *w = inst;

	while (w->count > 0 && (!is_busy(w->held[w->count - 1]) || access(w->conf->from, F_OK) == 0))
		answer_busily(w, w->held[--w->count]);
}

/* ---- what it can be told ---- */

static int
run_say(void *store, int argc, const char *const *argv, FILE *out, struct rend_error *err)
{
	(void)store;
	(void)err;
	fprintf(out, "%s: %d, %s\n", argv[0], argc, argv[argc] == NULL ? "and no more" : "and more");
	for (int i = 1; i < argc; i++)
		fprintf(out, "<%s>\n", argv[i]);
	return 0;
}

/* No new line at its end. */
static int
run_much(void *store, int argc, const char *const *argv, FILE *out, struct rend_error *err)
{
	(void)store;
	if (argc != 2)
		return rend_error(err, "how many bytes?");
	for (long i = 0, bytes = strtol(argv[1], NULL, 10); i < bytes; i++)
		putc('a' + (int)(i % 26), out);
	return 0;
}

static int
run_fail(void *store, int argc, const char *const *argv, FILE *out, struct rend_error *err)
{
	(void)store;
	fputs("this is not heard\n", out);
	for (long i = argc > 2 ? strtol(argv[2], NULL, 10) : 0; i > 0; i--)
		putc('x', out);
	return argc > 1 ? rend_error(err, "it does not want to: %s", argv[1]) : -1;
}

static int
run_wait(void *store, int argc, const char *const *argv, FILE *out, struct rend_error *err)
{
	const struct word_conf *c = store;

	(void)argc;
	(void)argv;
	if (!await(c->until))
		return rend_error(err, "nobody came");
	fputs(WORD ": waited\n", out);
	return 0;
}

static const struct rend_command commands[] = {
	{ "say", "[WORD...]", "Says what it was told.", run_say },
	{ "much", "BYTES", "Says much.", run_much },
	{ "fail", "[WHY [BYTES]]", "Fails, after so many bytes.", run_fail },
	{ "wait", NULL, "Waits for the file that ends being busy.", run_wait },
	{ .name = NULL },
};

static const struct rend_option options[] = {
	REND_OPTION("how", REND_CHOICE, word_conf, how, "well", "well|dies|refuses|opens_not|attaches_not|hangs",
	    "What goes wrong."),
	REND_OPTION("slow", REND_CHOICE, word_conf, slow, "no", "no|yes", "Answers some keys late."),
	REND_OPTION("number", REND_INT, word_conf, number, "0", NULL, "Nothing."),
	REND_OPTION("from", REND_STRING, word_conf, from, "", NULL, "The file without which a late one is not busy."),
	REND_OPTION("until", REND_STRING, word_conf, until, "", NULL, "The file that ends being busy."),
	{ 0 },
};

static const struct rend_handler word = {
	.name = "word",
	.doc = "Answers every get with one word.",
	.conf_size = sizeof(struct word_conf),
	.options = options,
	.check = on_check,
	.open = on_open,
	.attach = on_attach,
	.detach = on_detach,
	.any = on_any,
	.tick = on_tick,
	.commands = commands,
};

#ifdef MAJOR
static const struct rend_plugin other = { .magic = REND_ABI_MAGIC, .abi_major = MAJOR, .handler = &word };

REND_API const struct rend_plugin *rend_plugin(void);
REND_API const struct rend_plugin *
rend_plugin(void)
{
	return &other;
}
#else
REND_PLUGIN(.version = WORD, .handler = &word);
#endif
