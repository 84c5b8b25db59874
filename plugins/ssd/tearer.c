/* The thread that stores large values: see tearer.h. */
#include "tearer.h"

#include "gather.h"
#include "rend/check.h"
#include "rend/worker.h"
#include "state.h"

#define WAITING_MOST 256
#define LOOK_NS	     20000000ULL /* so late, at most, those are answered that wait for no more */

void
tearer_init(struct tearer *t)
{
	*t = (struct tearer){ 0 };
	t->end = &t->first;
	pthread_mutex_init(&t->lock, NULL);
	pthread_cond_init(&t->changed, NULL);
}

bool
tearer_take(struct tearer *t, struct tear *tear)
{
	bool room;

	tear->next = NULL;
	tear->bytes = tear->pieces.item.value->len;
	pthread_mutex_lock(&t->lock);
	room = t->count < WAITING_MOST && (t->bytes == 0 || t->bytes + tear->bytes <= t->room);
	if (room) {
		*t->end = tear;
		t->end = &tear->next;
		t->count++;
		t->bytes += tear->bytes;
		pthread_cond_broadcast(&t->changed);
	}
	pthread_mutex_unlock(&t->lock);
	return room;
}

/* The lock is held. */
static void
take_out(struct tearer *t, struct tear **at)
{
	struct tear *tear = *at;

	*at = tear->next;
	if (*at == NULL)
		t->end = at;
	tear->next = NULL;
	t->count--;
}

/* It leaves.  The lock is held. */
static void
leaves(struct tearer *t, const struct tear *tear)
{
	t->bytes -= tear->bytes;
}

/* ---- the thread ---- */

static bool
is_stopped(struct tearer *t)
{
	bool stopped;

	pthread_mutex_lock(&t->lock);
	stopped = t->stops_now;
	pthread_mutex_unlock(&t->lock);
	return stopped;
}

/* Those whose time is over while they wait hold their keys no longer: they were not begun. */
static void
answer_late(struct tearer *t)
{
	struct tear **at;

	pthread_mutex_lock(&t->lock);
	for (at = &t->first; *at != NULL;) {
		struct tear *tear = *at;

		if (rend_now() < tear->until) {
			at = &tear->next;
			continue;
		}
		take_out(t, at);
		leaves(t, tear);
		t->late = tear->inst;
		pthread_mutex_unlock(&t->lock);
		job_stored(tear);
		pthread_mutex_lock(&t->lock);
		t->late = NULL;
		pthread_cond_broadcast(&t->changed);
		at = &t->first; /* others may have left meanwhile */
	}
	pthread_mutex_unlock(&t->lock);
}

/* For the keeper.  false: its time is over. */
static bool
waits(struct tearer *t, struct tear *tear, uint64_t until)
{
	for (;;) {
		uint64_t now = rend_now(), look = now + LOOK_NS < until ? now + LOOK_NS : until;

		if (pieces_wait(&tear->pieces, look))
			return true;
		if (now >= until)
			return false;
		answer_late(t);
	}
}

/* Until it is stored, or its time is over: then nothing older is there either. */
static void
carry_out(struct tearer *t, struct tear *tear)
{
	uint64_t until = rend_now() + gather_time(t->time, tear->pieces.item.value->len);

	if (rend_now() >= tear->until)
		return; /* it has not been begun */
	if (until > tear->until)
		until = tear->until;
	do {
		answer_late(t);
		tear->stored = pieces_go(&tear->pieces, rend_wall(), &tear->cas);
	} while (tear->stored == STORE_WAITS && !is_stopped(t) && waits(t, tear, until));
	if (tear->stored != STORE_WAITS)
		return;
	store_refuse(t->store, tear->pieces.item.khash);
	tear->stored = STORE_NOT_ADMITTED;
}

/* Answers it, or leaves that to who waits in tearer_leave().  The lock is held. */
static void
hand_back(struct tearer *t, struct tear *tear)
{
	leaves(t, tear);
	if (t->stops_now) {
		t->stops_now = false;
		t->back = tear;
		pthread_cond_broadcast(&t->changed);
		while (t->back != NULL)
			pthread_cond_wait(&t->changed, &t->lock);
	} else {
		t->answers = true;
		pthread_mutex_unlock(&t->lock);
		job_stored(tear);
		pthread_mutex_lock(&t->lock);
		t->answers = false;
	}
	t->now = NULL;
	pthread_cond_broadcast(&t->changed);
}

static void *
run(void *arg)
{
	struct tearer *t = arg;

	pthread_mutex_lock(&t->lock);
	for (;;) {
		struct tear *tear;

		while (t->first == NULL && !t->ends)
			pthread_cond_wait(&t->changed, &t->lock);
		tear = t->first;
		if (tear == NULL)
			break;
		take_out(t, &t->first);
		t->now = tear->inst;
		t->turn++;
		pthread_mutex_unlock(&t->lock);
		carry_out(t, tear);
		pthread_mutex_lock(&t->lock);
		hand_back(t, tear);
	}
	pthread_mutex_unlock(&t->lock);
	return NULL;
}

int
tearer_start(struct tearer *t, struct store *store, uint64_t time, uint64_t room)
{
	t->store = store;
	t->time = time;
	t->room = room;
	t->runs = pthread_create(&t->thread, NULL, run, t) == 0;
	if (!t->runs)
		return -1;
	pthread_setname_np(t->thread, "ssd-tearer");
	return 0;
}

void
tearer_stop(struct tearer *t)
{
	pthread_mutex_lock(&t->lock);
	t->ends = true;
	pthread_cond_broadcast(&t->changed);
	pthread_mutex_unlock(&t->lock);
	if (t->runs)
		pthread_join(t->thread, NULL);
	t->runs = false;
	REND_ASSERT(t->first == NULL);
	pthread_cond_destroy(&t->changed);
	pthread_mutex_destroy(&t->lock);
}

/* ---- who leaves ---- */

/* What is being stored ends soon: it waits for the keeper at most, and is woken.  The lock is held.  NULL: it was answered just now. */
static struct tear *
take_back(struct tearer *t)
{
	struct tear *tear = NULL;
	uint64_t turn = t->turn;

	if (!t->answers) {
		t->stops_now = true;
		pthread_mutex_unlock(&t->lock);
		pieces_stepped(t->store);
		pthread_mutex_lock(&t->lock);
	}
	while (t->turn == turn && t->now != NULL && t->back == NULL)
		pthread_cond_wait(&t->changed, &t->lock);
	if (t->turn != turn)
		return NULL; /* what is in t->back is another's */
	tear = t->back;
	t->back = NULL;
	pthread_cond_broadcast(&t->changed);
	return tear;
}

struct tear *
tearer_leave(struct tearer *t, const struct instance *inst)
{
	struct tear *tear, **at;
	bool any;

	pthread_mutex_lock(&t->lock);
	do {
		for (at = &t->first; *at != NULL && (*at)->inst != inst;)
			at = &(*at)->next;
		tear = *at;
		any = tear != NULL || t->now == inst || t->late == inst;
		if (tear != NULL) {
			take_out(t, at);
			leaves(t, tear);
		} else if (t->late == inst) {
			pthread_cond_wait(&t->changed, &t->lock);
		} else if (any) {
			tear = take_back(t);
		}
		/* What was answered meanwhile may be in the queue again. */
	} while (any && tear == NULL);
	pthread_mutex_unlock(&t->lock);
	return tear;
}
