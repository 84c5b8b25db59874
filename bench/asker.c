/* Asks a handler in batches: see asker.h. */
#include "asker.h"

#include <inttypes.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#define NS_PER_S    1000000000ULL
#define KEY_BYTES   14
#define STUFF_BYTES (1 << 16)

static char stuff[STUFF_BYTES + ASKER_BYTES_MAX];

static uint64_t
ns_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec;
}

static uint64_t
random_number(uint64_t *state)
{
	*state = *state * 6364136223846793005ULL + 1442695040888963407ULL;
	return *state >> 20;
}

void
asker_init(void)
{
	for (size_t i = 0; i < sizeof stuff; i++)
		stuff[i] = (char)(random_number(&(uint64_t){ i }) + i * 31);
}

/* ---- keys, and values: the number of the key, and then bytes that are where the number says ---- */

static void
write_key(char *key, uint64_t number)
{
	memcpy(key, "key-", 4);
	for (int at = KEY_BYTES - 1; at >= 4; at--, number /= 10)
		key[at] = (char)('0' + number % 10);
}

static const char *
stuff_of(uint64_t number)
{
	return stuff + number * 8 % STUFF_BYTES;
}

static void
bring(struct asker *a, struct rend_op *op, uint64_t number)
{
	const struct plan *p = &a->plan;
	uint64_t bytes = p->bytes + random_number(&a->random) % (p->bytes_to - p->bytes + 1);
	struct rend_buf *buf = rend_buf_new(bytes);

	if (buf == NULL)
		rig_fail("no memory");
	memcpy(buf->data, &number, sizeof number);
	memcpy(buf->data + sizeof number, stuff_of(number), bytes - sizeof number);
	rend_value_set(&op->item.value, buf, buf->data, bytes);
}

static bool
is_right(const struct plan *p, const struct rend_value *v, uint64_t number)
{
	const struct rend_seg *segs = rend_value_segs(v);

	return v->len >= p->bytes && v->len <= p->bytes_to && v->nsegs == 1 &&
	       memcmp(segs->p, &number, sizeof number) == 0 &&
	       memcmp(segs->p + sizeof number, stuff_of(number), v->len - sizeof number) == 0;
}

/* ---- asking ---- */

static void
no_answer_is_late(struct rend_op *op)
{
	rig_fail("a %s was answered later", rend_verb_name(op->verb));
}

static struct rend_op *
make(struct asker *a, unsigned verb, uint64_t number)
{
	char key[KEY_BYTES];
	struct rend_op *op;

	write_key(key, number);
	op = op_new(&a->seat->worker, key, sizeof key);
	if (op == NULL)
		rig_fail("no memory");
	op->verb = (uint8_t)verb;
	op->done = no_answer_is_late;
	if (verb == REND_SET)
		bring(a, op, number);
	else
		op->ask.want = REND_WANT_VALUE;
	return op;
}

static void
note(struct asker *a, const struct rend_op *op, uint64_t number, uint64_t took)
{
	bool counts = op->verb == a->plan.timed && op->status == REND_OK;

	a->done++;
	if (counts) {
		a->noted++;
		a->times[took / ASKER_SLOT_NS < ASKER_SLOTS ? took / ASKER_SLOT_NS : ASKER_SLOTS - 1]++;
	}
	if (a->plan.idle)
		return;
	a->missed += op->status == REND_MISS;
	a->refused += op->status != REND_OK && op->status != REND_MISS;
	if (op->verb == REND_GET && op->status == REND_OK)
		a->wrong += !is_right(&a->plan, &op->item.value, number);
}

static void
ask(struct asker *a, struct rend_op *op, uint64_t number)
{
	bool timed = a->plan.timed == op->verb;
	uint64_t began = timed ? ns_now() : 0;

	if (a->plan.idle)
		op->status = REND_OK;
	else if (!rend_submit(a->node, op))
		rig_fail("a %s was not answered at once", rend_verb_name(op->verb));
	note(a, op, number, timed ? ns_now() - began : 0);
	rend_value_drop(&op->item.value);
	rend_op_free(&op);
}

static void
ask_batch(struct asker *a)
{
	const struct plan *p = &a->plan;
	struct rend_op *ops[REND_PREFETCH_MAX];
	uint64_t numbers[REND_PREFETCH_MAX], hashes[REND_PREFETCH_MAX];

	for (uint64_t i = 0; i < p->batch; i++) {
		bool set = p->sets > 0 && random_number(&a->random) % 100 < p->sets;

		numbers[i] = random_number(&a->random) % p->keys;
		ops[i] = make(a, set ? REND_SET : REND_GET, numbers[i]);
		hashes[i] = ops[i]->hash;
	}
	if (p->hint && !p->idle)
		node_prefetch(a->node, &a->seat->worker, hashes, p->batch);
	for (uint64_t i = 0; i < p->batch; i++)
		ask(a, ops[i], numbers[i]);
	seat_pass(a->seat);
}

void
asker_fill(struct asker *a)
{
	for (uint64_t number = 0; number < a->plan.keys; number++) {
		ask(a, make(a, REND_SET, number), number);
		seat_pass(a->seat);
	}
	if (a->refused > 0)
		rig_fail("%" PRIu64 " of %" PRIu64 " sets were refused", a->refused, a->plan.keys);
}

void
asker_drive(struct asker *a, double seconds)
{
	uint64_t until = ns_now() + (uint64_t)(seconds * 1e9);

	do
		ask_batch(a);
	while (ns_now() < until);
}

/* ---- counting it ---- */

static double
seconds_of(struct timeval t)
{
	return (double)t.tv_sec + (double)t.tv_usec / 1e6;
}

void
asker_measure(struct asker *a, double seconds)
{
	struct rusage before, after;
	uint64_t began;

	a->done = a->missed = a->refused = a->wrong = a->noted = 0;
	memset(a->times, 0, sizeof a->times);
	getrusage(RUSAGE_THREAD, &before);
	began = ns_now();
	asker_drive(a, seconds);
	a->seconds = (double)(ns_now() - began) / 1e9;
	getrusage(RUSAGE_THREAD, &after);
	a->user = seconds_of(after.ru_utime) - seconds_of(before.ru_utime);
	a->kernel = seconds_of(after.ru_stime) - seconds_of(before.ru_stime);
}
