/*
 * What a handler in memory takes by itself, asked in batches as a worker asks it that found several requests in one turn, without a protocol or a
 * socket: from one thread or two, each on a core of its own.
 *
 *	batches [-o name=value]... [OPTION]... PLUGIN.so
 *
 *	--workers N             so many threads ask one store (1)
 *	--apart                 instead of that, so many processes, each with a store of its own: nothing is shared
 *	--keys N                keys, any of them asked for as often as another (100000)
 *	--bytes N --bytes-to N  a value has as many bytes, drawn anew for each set (100 to 100)
 *	--batch N               requests in a batch (16)
 *	--hint                  they are told to prefetch() before they are asked
 *	--sets N                of a hundred requests, so many are sets (0)
 *	--timed get|set         the times of these are noted, of gets if they found something; else nobody looks at the clock
 *	--idle                  all of that, and nobody is asked: what this program takes
 *
 * Stores all keys and says "ready"; then, for each line "SECONDS WARMUP SEED" on stdin, asks for so long, and says as JSON how many requests there
 * were, what they took of CPU, and the times.  Ends with stdin.  Each value that is got must be one that its key was given.
 */
#include <getopt.h>
#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "asker.h"

#define OPTIONS_MAX 64
#define WISH_MAX    128

/* What all askers see, threads or processes. */
static struct shared {
	pthread_barrier_t barrier;
	bool end;
	double seconds, warmup;
	uint64_t seed;
	struct asker askers[RIG_SEATS];
} * shared;

/* ---- a turn of measuring ---- */

static void
measure(struct asker *a)
{
	a->random = (shared->seed * RIG_SEATS + (uint64_t)(a - shared->askers)) * 2654435761ULL + 88172645463325252ULL;
	asker_drive(a, shared->warmup);
	pthread_barrier_wait(&shared->barrier);
	asker_measure(a, shared->seconds);
}

/* The nth of the cores that this process may use, if there are so many. */
static void
pin(unsigned nth)
{
	cpu_set_t may, one;

	CPU_ZERO(&one);
	if (sched_getaffinity(0, sizeof may, &may) != 0)
		return;
	for (int core = 0; core < CPU_SETSIZE; core++)
		if (CPU_ISSET(core, &may) && nth-- == 0) {
			CPU_SET(core, &one);
			sched_setaffinity(0, sizeof one, &one);
			return;
		}
}

/* The others than the first: they are told by the barrier. */
static void
follow(struct asker *a)
{
	for (;;) {
		pthread_barrier_wait(&shared->barrier);
		if (shared->end)
			return;
		measure(a);
		pthread_barrier_wait(&shared->barrier);
	}
}

/* ---- saying it ---- */

static struct asker sum;

static double
percentile(double part)
{
	uint64_t seen = 0;

	for (unsigned i = 0; i < ASKER_SLOTS; i++)
		if ((seen += sum.times[i]) > (uint64_t)((double)sum.noted * part))
			return (double)i * ASKER_SLOT_NS / 1000;
	return 0;
}

static void
add_up(const struct asker *a)
{
	sum.done += a->done;
	sum.missed += a->missed;
	sum.refused += a->refused;
	sum.wrong += a->wrong;
	sum.noted += a->noted;
	sum.user += a->user;
	sum.kernel += a->kernel;
	if (sum.seconds < a->seconds)
		sum.seconds = a->seconds;
	for (unsigned i = 0; i < ASKER_SLOTS; i++)
		sum.times[i] += a->times[i];
}

static void
say(const struct plan *p)
{
	struct rusage u;

	memset(&sum, 0, sizeof sum);
	for (uint64_t i = 0; i < p->workers; i++)
		add_up(&shared->askers[i]);
	getrusage(RUSAGE_SELF, &u);
	printf("{\"done\": %" PRIu64 ", \"seconds\": %.6f, \"missed\": %" PRIu64 ", \"refused\": %" PRIu64
	       ", \"wrong\": %" PRIu64 ", \"noted\": %" PRIu64
	       ", \"p50_us\": %.2f, \"p99_us\": %.2f, \"p99_9_us\": %.2f, "
	       "\"user_seconds\": %.6f, \"kernel_seconds\": %.6f, \"rss_kb\": %ld}\n",
	    sum.done, sum.seconds, sum.missed, sum.refused, sum.wrong, sum.noted, percentile(0.5), percentile(0.99),
	    percentile(0.999), sum.user, sum.kernel, u.ru_maxrss);
	fflush(stdout);
}

/* Turns as stdin wants them, until it ends. */
static void
lead(struct asker *a)
{
	char line[WISH_MAX];

	printf("ready\n");
	fflush(stdout);
	while (fgets(line, sizeof line, stdin) != NULL) {
		if (sscanf(line, "%lf %lf %" SCNu64, &shared->seconds, &shared->warmup, &shared->seed) != 3)
			rig_fail("not a turn: %s", line);
		pthread_barrier_wait(&shared->barrier);
		measure(a);
		pthread_barrier_wait(&shared->barrier);
		say(&a->plan);
	}
	shared->end = true;
	pthread_barrier_wait(&shared->barrier);
}

/* ---- all of it ---- */

static struct rig rig;

static void
sit(struct asker *a, unsigned seat)
{
	a->node = rig.node;
	a->seat = &rig.seats[seat];
	seat_enter(a->seat);
}

static void *
second(void *arg)
{
	pin(1);
	sit(arg, 1);
	follow(arg);
	seat_leave(&rig.seats[1]);
	return NULL;
}

static void
make_rig(const struct handler_kit *kit, int seats)
{
	/* The kit would ask for every verb there is, also flush_all. */
	static const struct rend_handler known;
	struct rend_error err = { 0 };

	if (rig_make(&rig, kit, seats, &err) != 0 || rig_open(&rig, &err) != 0)
		rig_fail("%s", err.text);
	rig.handler = &known;
}

/* One thread and a store; the other, if there is one, does nothing that this one sees. */
static void
run_alone(const struct handler_kit *kit, unsigned nth)
{
	struct asker *a = &shared->askers[nth];

	pin(nth);
	make_rig(kit, 1);
	sit(a, 0);
	asker_fill(a);
	if (nth == 0)
		lead(a);
	else
		follow(a);
	seat_leave(a->seat);
	rig_close(&rig);
}

static void
run_apart(const struct handler_kit *kit)
{
	pid_t other = fork();

	if (other == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		run_alone(kit, 1);
		exit(0);
	}
	run_alone(kit, 0);
	waitpid(other, NULL, 0);
}

static void
run_together(const struct handler_kit *kit)
{
	struct asker *a = &shared->askers[0];
	pthread_t other;

	make_rig(kit, RIG_SEATS);
	if (pthread_create(&other, NULL, second, &shared->askers[1]) != 0)
		rig_fail("no thread");
	pin(0);
	sit(a, 0);
	asker_fill(a);
	lead(a);
	pthread_join(other, NULL);
	seat_leave(a->seat);
	rig_close(&rig);
}

static bool
makes_sense(const struct plan *p)
{
	return p->keys > 0 && p->keys <= ASKER_KEYS_MAX && p->bytes >= sizeof(uint64_t) && p->bytes_to >= p->bytes &&
	       p->bytes_to <= ASKER_BYTES_MAX && p->batch > 0 && p->batch <= REND_PREFETCH_MAX && p->sets <= 100 &&
	       p->workers > 0 && p->workers <= RIG_SEATS;
}

static bool
take_option(struct plan *p, int c, const char *word)
{
	uint64_t number = word == NULL ? 0 : strtoull(word, NULL, 10);

	switch (c) {
	case 'w':
		p->workers = number;
		return true;
	case 'k':
		p->keys = number;
		return true;
	case 'b':
		p->bytes = number;
		return true;
	case 't':
		p->bytes_to = number;
		return true;
	case 'n':
		p->batch = number;
		return true;
	case 's':
		p->sets = number;
		return true;
	case 'm':
		p->timed = strcmp(word, "get") == 0 ? REND_GET : REND_SET;
		return strcmp(word, "get") == 0 || strcmp(word, "set") == 0;
	case 'a':
		p->apart = true;
		return true;
	case 'h':
		p->hint = true;
		return true;
	case 'i':
		p->idle = true;
		return true;
	default:
		return false;
	}
}

static void
share(const struct plan *p)
{
	pthread_barrierattr_t attr;

	shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		rig_fail("no memory");
	pthread_barrierattr_init(&attr);
	pthread_barrierattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
	pthread_barrier_init(&shared->barrier, &attr, (unsigned)p->workers);
	for (int i = 0; i < RIG_SEATS; i++)
		shared->askers[i].plan = *p;
}

int
main(int argc, char **argv)
{
	static const struct option longs[] = { { "workers", required_argument, NULL, 'w' },
		{ "keys", required_argument, NULL, 'k' }, { "bytes", required_argument, NULL, 'b' },
		{ "bytes-to", required_argument, NULL, 't' }, { "batch", required_argument, NULL, 'n' },
		{ "sets", required_argument, NULL, 's' }, { "timed", required_argument, NULL, 'm' },
		{ "apart", no_argument, NULL, 'a' }, { "hint", no_argument, NULL, 'h' },
		{ "idle", no_argument, NULL, 'i' }, { NULL, 0, NULL, 0 } };
	const char *options[OPTIONS_MAX];
	struct handler_kit kit = { .options = options };
	struct plan p = { .workers = 1, .keys = 100000, .bytes = 100, .batch = 16, .timed = REND_VERB_COUNT };
	bool sound = true;
	int c;

	while ((c = getopt_long(argc, argv, "o:", longs, NULL)) != -1)
		if (c != 'o')
			sound = take_option(&p, c, optarg) && sound;
		else if (kit.option_count < OPTIONS_MAX)
			options[kit.option_count++] = optarg;
	if (p.bytes_to == 0)
		p.bytes_to = p.bytes;
	if (!sound || optind != argc - 1 || !makes_sense(&p)) {
		fputs("Usage: batches [-o name=value]... [OPTION]... PLUGIN.so: see bench/batches.c\n", stderr);
		return 64;
	}
	kit.plugin = argv[optind];
	share(&p);
	asker_init();
	if (p.workers == 1)
		run_alone(&kit, 0);
	else if (p.apart)
		run_apart(&kit);
	else
		run_together(&kit);
	return 0;
}
