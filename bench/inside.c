/*
 * What a handler takes by itself, without a protocol or a socket: one worker asks it, from the inside of one process.
 *
 *	inside [-o name=value]... [OPTION]... PLUGIN.so
 *
 *	--verb get|set    what is asked (get)
 *	--keys N          of so many keys (100000); --sequential: one after the other, not at random
 *	--bytes N         bytes of a value (4096)
 *	--depth N         so many are under way at a time (1)
 *	--rate N          no more than so many a second (0: as many as there are answers)
 *	--seconds S       so long, or --requests N: so many
 *	--warmup S        before that, so long without counting
 *	--seed N
 *
 * Says as JSON how many were answered, the time from submit to done, and what it took of CPU, with the threads of the plugin.  Each value that
 * is got must be the one that its key was given.
 */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "../tests/kit/rig.h"

#define NS_PER_S    1000000000ULL
#define OPTIONS_MAX 64
#define DEPTH_MAX   4096
#define KEY_BYTES   24
#define SLOT_NS	    100 /* of the histogram */
#define SLOTS	    (1 << 20)
#define BURST	    256 /* of those that are due, at most so many in a turn */

struct plan {
	unsigned verb;
	uint64_t keys, bytes, depth, rate, requests, random;
	double seconds, warmup;
	bool sequential;
};

struct slot {
	struct driver *driver;
	struct rend_op *op;
	uint64_t number, submitted;
};

struct driver {
	struct plan plan;
	struct rig rig;
	struct seat *seat;
	struct slot slots[DEPTH_MAX];
	struct slot *idle[DEPTH_MAX];
	uint64_t idle_count, asked, next;
	bool counts;
	char *stuff; /* what values are made of */
	/* counted */
	uint64_t done, missed, refused, wrong;
	uint64_t times[SLOTS];
};

static struct driver driver;

static uint64_t
ns_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec;
}

static uint64_t
random_number(struct plan *p)
{
	p->random = p->random * 6364136223846793005ULL + 1442695040888963407ULL;
	return p->random >> 20;
}

/* ---- values: the number of the key, and then bytes that are where the number says ---- */

#define STUFF_BYTES (1 << 20)

static const char *
stuff_of(const struct driver *d, uint64_t number)
{
	return d->stuff + number * 8 % STUFF_BYTES;
}

static void
bring(struct driver *d, struct slot *s)
{
	uint64_t bytes = d->plan.bytes;
	struct rend_buf *buf = rend_buf_new(bytes);

	if (buf == NULL)
		rig_fail("no memory");
	memcpy(buf->data, &s->number, sizeof s->number);
	memcpy(buf->data + sizeof s->number, stuff_of(d, s->number), bytes - sizeof s->number);
	rend_value_set(&s->op->item.value, buf, buf->data, bytes);
}

static bool
is_right(const struct driver *d, const struct slot *s)
{
	uint64_t bytes = d->plan.bytes;
	const struct rend_value *v = &s->op->item.value;
	const struct rend_seg *segs = rend_value_segs(v);

	return v->len == bytes && v->nsegs == 1 && memcmp(segs->p, &s->number, sizeof s->number) == 0 &&
	       memcmp(segs->p + sizeof s->number, stuff_of(d, s->number), bytes - sizeof s->number) == 0;
}

/* ---- asking ---- */

static void
note(struct driver *d, struct slot *s)
{
	uint64_t at = (ns_now() - s->submitted) / SLOT_NS;
	struct rend_op *op = s->op;

	if (d->counts) {
		d->done++;
		d->times[at < SLOTS ? at : SLOTS - 1]++;
		d->missed += op->status == REND_MISS;
		d->refused += op->status != REND_OK && op->status != REND_MISS;
		d->wrong += op->status == REND_OK && op->verb == REND_GET && !is_right(d, s);
	}
	rend_value_drop(&op->item.value);
	rend_op_free(&s->op);
	d->idle[d->idle_count++] = s;
}

static void
answered(struct rend_op *op)
{
	struct slot *s = op->up;

	note(s->driver, s);
}

static void
ask(struct driver *d)
{
	struct plan *p = &d->plan;
	struct slot *s = d->idle[--d->idle_count];
	char key[KEY_BYTES];
	int len;

	s->number = (p->sequential ? d->next++ : random_number(p)) % p->keys;
	len = snprintf(key, sizeof key, "key-%010" PRIu64, s->number);
	s->op = op_new(&d->seat->worker, key, (size_t)len);
	if (s->op == NULL)
		rig_fail("no memory");
	s->op->verb = (uint8_t)p->verb;
	s->op->up = s;
	s->op->done = answered;
	if (p->verb == REND_SET)
		bring(d, s);
	else
		s->op->ask.want = REND_WANT_VALUE;
	d->asked++;
	s->submitted = ns_now();
	if (rend_submit(d->rig.node, s->op))
		note(d, s);
}

/* Until then, or until so many were asked; 0: no such end.  What is under way then is waited for. */
static void
drive(struct driver *d, uint64_t until, uint64_t requests)
{
	struct plan *p = &d->plan;
	uint64_t began = ns_now(), asked = d->asked;

	for (;;) {
		uint64_t now = ns_now(), left = requests == 0 ? UINT64_MAX : requests - (d->asked - asked);
		uint64_t due = p->rate == 0 ? UINT64_MAX : (now - began) * p->rate / NS_PER_S - (d->asked - asked);

		if ((until != 0 && now >= until) || left == 0)
			break;
		if (due > left)
			due = left;
		/* One that is answered at once is idle again: a turn comes all the same. */
		if (due > (p->rate == 0 ? p->depth : BURST))
			due = p->rate == 0 ? p->depth : BURST;
		for (; due > 0 && d->idle_count > 0; due--)
			ask(d);
		seat_turn(d->seat);
	}
	while (d->idle_count < p->depth)
		seat_turn(d->seat);
}

/* ---- saying it ---- */

static double
percentile(const struct driver *d, double part)
{
	uint64_t seen = 0;

	for (unsigned i = 0; i < SLOTS; i++)
		if ((seen += d->times[i]) > (uint64_t)((double)d->done * part))
			return (double)i * SLOT_NS / 1000;
	return (double)SLOTS * SLOT_NS / 1000;
}

struct used {
	uint64_t ns;
	double user, kernel;
};

static double
seconds_of(struct timeval t)
{
	return (double)t.tv_sec + (double)t.tv_usec / 1e6;
}

static struct used
used_now(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return (struct used){ .ns = ns_now(), .user = seconds_of(u.ru_utime), .kernel = seconds_of(u.ru_stime) };
}

static void
say(const struct driver *d, const struct used *before)
{
	struct used now = used_now();
	double seconds = (double)(now.ns - before->ns) / 1e9;
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	printf("{\"done\": %" PRIu64 ", \"seconds\": %.6f, \"missed\": %" PRIu64 ", \"refused\": %" PRIu64
	       ", \"wrong\": %" PRIu64 ", \"p50_us\": %.1f, \"p99_us\": %.1f, \"p99_9_us\": %.1f, \"user_seconds\": "
	       "%.6f, \"kernel_seconds\": %.6f, "
	       "\"rss_kb\": %ld}\n",
	    d->done, seconds, d->missed, d->refused, d->wrong, percentile(d, 0.5), percentile(d, 0.99),
	    percentile(d, 0.999), now.user - before->user, now.kernel - before->kernel, u.ru_maxrss);
}

/* ---- all of it ---- */

static int
run(struct driver *d, const struct handler_kit *kit)
{
	/* The kit would ask for every verb there is, also flush_all. */
	static const struct rend_handler known;
	struct plan *p = &d->plan;
	struct rend_error err = { 0 };
	struct used before;

	if (rig_make(&d->rig, kit, 1, &err) != 0 || rig_open(&d->rig, &err) != 0) {
		fprintf(stderr, "inside: %s\n", err.text);
		return 1;
	}
	d->rig.handler = &known;
	d->seat = &d->rig.seats[0];
	seat_enter(d->seat);
	for (uint64_t i = 0; i < p->depth; i++) {
		d->slots[i].driver = d;
		d->idle[d->idle_count++] = &d->slots[i];
	}
	if (p->warmup > 0)
		drive(d, ns_now() + (uint64_t)(p->warmup * 1e9), 0);
	d->counts = true;
	before = used_now();
	drive(d, p->seconds > 0 ? before.ns + (uint64_t)(p->seconds * 1e9) : 0, p->requests);
	say(d, &before);
	seat_leave(d->seat);
	rig_close(&d->rig);
	return d->wrong > 0;
}

static bool
makes_sense(const struct plan *p)
{
	return p->keys > 0 && p->bytes >= sizeof(uint64_t) && p->bytes <= STUFF_BYTES && p->depth > 0 &&
	       p->depth <= DEPTH_MAX && (p->seconds > 0 || p->requests > 0) && p->verb != REND_VERB_COUNT;
}

static unsigned
verb_of(const char *word)
{
	return strcmp(word, "get") == 0 ? REND_GET : strcmp(word, "set") == 0 ? REND_SET : REND_VERB_COUNT;
}

static bool
take_option(struct plan *p, int c, const char *word)
{
	uint64_t number = strtoull(word == NULL ? "0" : word, NULL, 10);

	switch (c) {
	case 'v':
		p->verb = verb_of(word);
		return true;
	case 'k':
		p->keys = number;
		return true;
	case 'b':
		p->bytes = number;
		return true;
	case 'd':
		p->depth = number;
		return true;
	case 'r':
		p->rate = number;
		return true;
	case 'n':
		p->requests = number;
		return true;
	case 'e':
		p->random = number * 2654435761 + 88172645463325252ULL;
		return true;
	case 't':
		p->seconds = strtod(word, NULL);
		return true;
	case 'w':
		p->warmup = strtod(word, NULL);
		return true;
	case 'q':
		p->sequential = true;
		return true;
	default:
		return false;
	}
}

int
main(int argc, char **argv)
{
	static const struct option longs[] = { { "verb", required_argument, NULL, 'v' },
		{ "keys", required_argument, NULL, 'k' }, { "bytes", required_argument, NULL, 'b' },
		{ "depth", required_argument, NULL, 'd' }, { "rate", required_argument, NULL, 'r' },
		{ "requests", required_argument, NULL, 'n' }, { "seed", required_argument, NULL, 'e' },
		{ "seconds", required_argument, NULL, 't' }, { "warmup", required_argument, NULL, 'w' },
		{ "sequential", no_argument, NULL, 'q' }, { NULL, 0, NULL, 0 } };
	const char *options[OPTIONS_MAX];
	struct handler_kit kit = { .options = options };
	struct driver *d = &driver;
	bool sound = true;
	int c;

	d->plan = (struct plan){
		.verb = REND_GET, .keys = 100000, .bytes = 4096, .depth = 1, .random = 88172645463325252ULL
	};
	while ((c = getopt_long(argc, argv, "o:", longs, NULL)) != -1)
		if (c != 'o')
			sound = take_option(&d->plan, c, optarg) && sound;
		else if (kit.option_count < OPTIONS_MAX)
			options[kit.option_count++] = optarg;
	if (!sound || optind != argc - 1 || !makes_sense(&d->plan)) {
		fputs("Usage: inside [-o name=value]... [OPTION]... PLUGIN.so: see bench/inside.c\n", stderr);
		return 64;
	}
	kit.plugin = argv[optind];
	d->stuff = malloc(2 * STUFF_BYTES);
	if (d->stuff == NULL)
		return 1;
	for (size_t i = 0; i < 2 * STUFF_BYTES; i++)
		d->stuff[i] = (char)(random_number(&(struct plan){ .random = i }) + i * 31);
	return run(d, &kit);
}
