/* A store goes on in another process: see succession.h. */
#include "succession.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "cooling.h"
#include "haul.h"
#include "pin.h"
#include "rend/log.h"
#include "ticking.h"
#include "units.h"

/* More than the next process can have given before it ended. */
#define VERSIONS_OF_OTHERS (1ULL << 32)

/* How long it may take to give what has another clock this one's. */
#define FINISH_NS  1000000000ULL

#define NOTE_MAGIC 0x6574616c656d0001ULL

/* Where what is in the parcel: pipes are behind those. */
enum { FD_ARENA, FD_HOLDS, FD_PIPES };

_Static_assert(FD_PIPES + TENANTS_MAX + 1 <= REND_PARCEL_FDS, "they are in the parcel");

/* The parcel's note.  The holds are in a file of their own, since they may be many. */
struct note {
	uint64_t magic, holds, sum;
	uint32_t pipes, unused;
};

/* ---- giving ---- */

/* What keeps a store from being given; NULL: nothing. */
static const char *
obstacle(struct store *s)
{
	if (s->arena.pages->map.fd < 0)
		return "its memory is no file: hand_over is false, or there can be none here";
	if (s->tenants.count == TENANTS_MAX)
		return "too many who had it before still send values out of it";
	for (unsigned w = 0; w < s->workers; w++)
		if (s->haulages[w].first != NULL)
			return "a large value is being stored";
	if (s->arena.pages->claimed != 0)
		return "somebody has pages that are for a value";
	if (!grace_over(&s->grace, grace_mark(&s->grace)))
		return "a worker is at work in it";
	if (!proof_finish(s, ticking_ns() + FINISH_NS))
		return "much of it has the times of another clock yet";
	return NULL;
}

/*
 * Segments that somebody was about to clean, or that were open, are full, and what was cleaned is free: so the table is the same however many
 * workers sort it.  What is warm beyond what is paid for is cooled.
 */
static void
come_to_rest(struct store *s)
{
	for (unsigned w = 0; w < s->workers; w++)
		if (s->haulages[w].shelf != NULL)
			cleaner_fini(s->haulages[w].shelf);
	log_close(&s->log);
	log_reclaim(&s->log);
	cooling_all(s->arena.pages);
}

/* All that is held: by those before, and by this process, which is the last of them. */
static struct tenant_hold *
all_holds(const struct store *s, const struct pins_held *held, uint64_t count)
{
	const struct tenants *t = &s->tenants;
	struct tenant_hold *holds = calloc(t->holds_count + count + 1, sizeof *holds);

	if (holds == NULL)
		return NULL;
	if (t->holds_count != 0)
		memcpy(holds, t->holds, t->holds_count * sizeof *holds);
	for (uint64_t i = 0; i < count; i++)
		holds[t->holds_count + i] = (struct tenant_hold){
			.location = held[i].offset / ARENA_UNIT,
			.who = t->count,
			.lent = held[i].lent,
		};
	return holds;
}

static bool
write_all(int fd, const void *p, size_t len)
{
	for (size_t at = 0; at < len;) {
		ssize_t n = write(fd, (const char *)p + at, len - at);

		if (n <= 0)
			return false;
		at += (size_t)n;
	}
	return true;
}

static int
holds_file(const struct tenant_hold *holds, uint64_t count)
{
	int fd = memfd_create("inmem-holds", MFD_CLOEXEC);

	if (fd >= 0 && !write_all(fd, holds, count * sizeof *holds)) {
		close(fd);
		return -1;
	}
	return fd;
}

static void
close_given(struct store *s)
{
	for (int i = 0; i < 2; i++)
		if (s->given_fds[i] >= 0)
			close(s->given_fds[i]);
	s->given_fds[0] = s->given_fds[1] = -1;
}

/* The descriptors that there are only because it is given: the file of holds, and a pipe. */
static int
open_given(struct store *s, const struct tenant_hold *holds, uint64_t count)
{
	int ends[2];

	s->given_fds[0] = holds_file(holds, count);
	if (s->given_fds[0] < 0)
		return -1;
	if (pipe2(ends, O_CLOEXEC) != 0) {
		close_given(s);
		return -1;
	}
	s->given_fds[1] = ends[0];
	s->arena.pages->pins.alive = ends[1];
	return 0;
}

static void
fill_in(const struct store *s, struct rend_parcel *parcel, const struct tenant_hold *holds, uint64_t count)
{
	const struct tenants *t = &s->tenants;
	struct note note = {
		.magic = NOTE_MAGIC,
		.holds = count,
		.sum = XXH3_64bits(holds, count * sizeof *holds),
		.pipes = t->count + 1,
	};

	memcpy(parcel->note, &note, sizeof note);
	parcel->note_len = sizeof note;
	parcel->fds[FD_ARENA] = s->arena.pages->map.fd;
	parcel->fds[FD_HOLDS] = s->given_fds[0];
	for (unsigned i = 0; i < t->count; i++)
		parcel->fds[FD_PIPES + i] = t->pipes[i];
	parcel->fds[FD_PIPES + t->count] = s->given_fds[1];
	parcel->fd_count = FD_PIPES + t->count + 1;
}

/* The pins are given already. */
static int
give_with(struct store *s, struct rend_parcel *parcel, const struct pins_held *held, uint64_t count)
{
	struct tenant_hold *holds = all_holds(s, held, count);
	int rc = -1;

	count += s->tenants.holds_count;
	if (holds != NULL && open_given(s, holds, count) == 0) {
		fill_in(s, parcel, holds, count);
		rc = 0;
	}
	free(holds);
	return rc;
}

int
store_give(struct store *s, struct rend_parcel *parcel, struct rend_error *err)
{
	const char *why;
	struct pins_held *held;
	uint64_t count;
	int rc;

	/* Nobody else has it: also if it was taken over, and nobody has asked it anything. */
	store_served(s);
	tenants_look(&s->tenants, &s->arena);
	why = obstacle(s);
	if (why != NULL)
		return rend_error(err, "it cannot be handed over: %s", why);
	/* While it can be refused: when what was given is lost, nobody could be told that there is no memory for another one. */
	s->spare = store_new(s->arena.limit, s->evict, true, s->workers);
	if (s->spare == NULL)
		return rend_error(err, "it cannot be handed over: no memory for an empty one");
	come_to_rest(s);
	if (pins_give(s->arena.pages, &held, &count) != 0) {
		store_free(&s->spare);
		return rend_error(err, "it cannot be handed over: no memory");
	}
	rc = give_with(s, parcel, held, count);
	free(held);
	if (rc != 0) {
		pins_keep(s->arena.pages);
		store_free(&s->spare);
		return rend_error(err, "it cannot be handed over: no memory, or no descriptors");
	}
	s->given_bytes = store_bytes(s);
	mapping_unclaim(&s->arena.pages->map);
	__atomic_store_n(&s->given, true, __ATOMIC_RELEASE);
	header_write(s);
	return 0;
}

/*
 * Is it as it was given?  What another process has used is not what is known of it here; and one that lives, and has said that it takes it, may use
 * it yet, whatever the core could find out of it.
 */
static bool
take_back(struct store *s)
{
	if (!mapping_claim(&s->arena.pages->map))
		return false;
	if (header_become(&s->arena, HEADER_CLEAN, HEADER_LIVE))
		return true;
	if (!header_become(&s->arena, HEADER_TAKEN, HEADER_LIVE) || !header_is_whole(&s->arena, header_of(&s->arena)))
		return false;
	log_sort(&s->log);
	return true;
}

/* The arena ends, but for what answers still send out of it: that stays as it is. */
static void
leave_arena(struct store *s)
{
	struct pages *p = s->arena.pages;

	for (unsigned w = 0; w < s->workers; w++)
		if (s->haulages[w].shelf != NULL)
			outgoing_fini(&s->haulages[w].shelf->outgoing);
	pins_leave(p);
	mapping_forget(&p->map, s->arena.base, s->arena.pages_at);
	budget_give(s->arena.budget, s->given_bytes);
	if (s->claim_fd >= 0)
		close(s->claim_fd);
	s->claim_fd = -1;
	tenants_fini(&s->tenants);
	index_fini(&s->index);
	log_fini(&s->log);
	arena_fini(&s->arena);
}

/* The arena of the spare one is s's.  Nothing is asked for that the spare one did not have. */
static void
move_in(struct store *s)
{
	struct store *spare = s->spare;

	s->spare = NULL;
	s->arena = spare->arena;
	budget_give(s->arena.budget, log_bytes(&spare->log));
	log_fini(&spare->log);
	index_fini(&spare->index);
	if (log_init(&s->log, &s->arena, &s->grace, s->workers) != 0)
		rend_panic(__FILE__, __LINE__, "inmem: what was given back to a budget is not there");
	index_init(&s->index, &s->arena);
	s->served = true;
	store_finish(s);
	store_bare_free(&spare);
}

static void
begin_empty(struct store *s)
{
	rend_log(REND_LOG_ERROR,
	    "inmem: the next process has changed the memory that it was given, or has it still: all items are lost");
	leave_arena(s);
	move_in(s);
	memset(s->counts, 0, s->workers * sizeof *s->counts);
	s->version += VERSIONS_OF_OTHERS;
	proof_end(s);
	for (unsigned w = 0; w < s->workers; w++) {
		struct shelf *sh = s->haulages[w].shelf;

		if (sh != NULL)
			outgoing_init(&sh->outgoing, s->arena.budget, sh->outgoing.size);
	}
}

void
store_keep(struct store *s)
{
	bool ours = take_back(s);

	close_given(s);
	if (!ours) {
		begin_empty(s);
		__atomic_store_n(&s->given, false, __ATOMIC_RELEASE);
		return;
	}
	store_free(&s->spare);
	close(s->arena.pages->pins.alive);
	s->arena.pages->pins.alive = -1;
	__atomic_store_n(&s->given, false, __ATOMIC_RELEASE);
	pins_keep(s->arena.pages);
}

/* ---- taking ---- */

/* Reads the holds; NULL: they are not what the note says. */
static struct tenant_hold *
read_holds(int fd, const struct note *note)
{
	size_t len = note->holds * sizeof(struct tenant_hold);
	struct tenant_hold *holds;
	struct stat st;

	if (note->holds > SIZE_MAX / sizeof *holds - 1 || fstat(fd, &st) != 0 || st.st_size != (off_t)len)
		return NULL;
	holds = calloc(note->holds + 1, sizeof *holds);
	if (holds == NULL)
		return NULL;
	if (pread(fd, holds, len, 0) != (ssize_t)len || XXH3_64bits(holds, len) != note->sum) {
		free(holds);
		return NULL;
	}
	return holds;
}

static bool
is_note(const struct rend_parcel *parcel, struct note *note)
{
	if (parcel->note_len != sizeof *note)
		return false;
	memcpy(note, parcel->note, sizeof *note);
	return note->magic == NOTE_MAGIC && note->pipes >= 1 && note->pipes <= TENANTS_MAX &&
	       parcel->fd_count == FD_PIPES + note->pipes;
}

/* Counts what is there.  false: it is more than there may be. */
static bool
count_bytes(struct store *s, const struct header *h, uint64_t segments)
{
	struct arena *a = &s->arena;
	uint64_t pages = index_buckets(&s->index) / INDEX_BUCKETS + growth_runs(&s->index) - a->sets;
	uint64_t bytes = segments + pages * ARENA_PAGE + h->pages.paid * PAGES_PAGE;

	if (arena_tables(a) + bytes > a->limit)
		return false;
	/* More workers may have come: what they take is counted even if it is too much now. */
	budget_count(a->budget, bytes + store_own_bytes(s));
	return true;
}

static void
take_pages(struct pages *p, const struct header *h)
{
	p->in_use = h->pages.in_use;
	p->warmed = h->pages.warmed;
	p->paid = h->pages.paid;
	p->pinned = h->pages.pinned;
	p->orphans = h->pages.orphans;
	p->reserved = h->pages.reserved;
	p->top = h->pages.top;
	p->hand = h->pages.hand;
	p->pieces = h->pages.pieces;
	p->next = h->pages.next;
}

/* From here on nothing fails, and it is ours.  What came from there is looked at before it is believed. */
static void
go_on(struct store *s, const struct header *h)
{
	log_inherit(&s->log, &s->arena, &s->grace, s->workers, h->opened);
	s->log.full.flushed = h->flushed;
	index_forget_behind(&s->index);
	take_pages(s->arena.pages, h);
	units_clear_from(s->arena.pages, h->pages.top);
	/* When that was says another process. */
	for (uint64_t i = 0; i < s->tenants.holds_count; i++) {
		struct large *l = arena_at(&s->arena, s->tenants.holds[i].location);

		__atomic_store_n(&l->since, LARGE_NEVER, __ATOMIC_RELAXED);
	}
	s->version = h->version;
	s->counts[0].items = (int64_t)h->items;
	s->average = h->average;
	proof_begin(s, h->from, h->epoch, header_skew(h));
}

/* What the note and the header say is so, or NULL: everything is right. */
static const char *
fault_of(struct store *s, const struct header *h, const struct note *note, struct tenant_hold *holds)
{
	const char *why = header_fault(&s->arena, h);
	uint64_t segments;

	if (why != NULL)
		return why;
	if (!log_is_right(&s->arena, &segments) || !index_inherit(&s->index, &s->arena, h->grown, h->growing))
		return "it is damaged";
	if (!tenants_are_right(&s->arena, holds, note->holds, note->pipes))
		return "what others hold of it is not there";
	return count_bytes(s, h, segments) ? NULL : "it has more than memory = says";
}

/* Copies of the pipes, so that what is refused is as it was. */
static int
take_pipes(struct tenants *t, const struct rend_parcel *parcel, unsigned count)
{
	for (t->count = 0; t->count < count; t->count++) {
		t->pipes[t->count] = fcntl(parcel->fds[FD_PIPES + t->count], F_DUPFD_CLOEXEC, 0);
		if (t->pipes[t->count] < 0)
			return -1;
	}
	return 0;
}

static const char *
take_arena(struct store *s, uint64_t limit, const struct rend_parcel *parcel, const struct note *note)
{
	struct tenant_hold *holds = read_holds(parcel->fds[FD_HOLDS], note);
	struct header header;
	int fd;
	const char *why;

	if (holds == NULL)
		return "what others hold of it cannot be read";
	s->tenants.holds = holds;
	fd = fcntl(parcel->fds[FD_ARENA], F_DUPFD_CLOEXEC, 0);
	if (fd < 0 || arena_inherit(&s->arena, limit, fd) != 0) {
		if (fd >= 0)
			close(fd);
		return "its memory is of another size, or cannot be had";
	}
	header_copy(&header, &s->arena);
	why = fault_of(s, &header, note, holds);
	if (why == NULL && (proof_reserve(s) != 0 || index_mend(&s->index, proof_leads, s) != 0))
		why = "there is no memory";
	if (why == NULL && take_pipes(&s->tenants, parcel, note->pipes) != 0)
		why = "there are no descriptors";
	/* This process's from now on, as far as others can see. */
	if (why == NULL &&
	    (!mapping_claim(&s->arena.pages->map) || !header_become(&s->arena, HEADER_CLEAN, HEADER_TAKEN)))
		why = "somebody else has it";
	if (why == NULL) {
		s->tenants.holds_count = note->holds;
		go_on(s, &header);
		return NULL;
	}
	/* It changed nothing there; the budget is this process's. */
	if (s->index.arena != NULL)
		index_fini(&s->index);
	budget_give(s->arena.budget, budget_used(s->arena.budget) - 1);
	pages_drop(&s->arena.pages);
	return why;
}

struct store *
store_take(uint64_t limit, bool evict, unsigned workers, const struct rend_parcel *parcel, struct rend_error *err)
{
	struct store *s;
	struct note note;
	const char *why;

	if (!is_note(parcel, &note)) {
		rend_error(err, "what was handed over is refused: another version made it");
		return NULL;
	}
	s = store_bare(evict, workers);
	if (s == NULL) {
		rend_error(err, "what was handed over is refused: no memory");
		return NULL;
	}
	why = take_arena(s, limit, parcel, &note);
	if (why != NULL) {
		rend_error(err, "what was handed over is refused: %s", why);
		tenants_fini(&s->tenants);
		store_bare_free(&s);
		return NULL;
	}
	store_finish(s);
	/* To close one of the arena's file would end the claim. */
	s->claim_fd = parcel->fds[FD_ARENA];
	for (unsigned i = FD_ARENA + 1; i < parcel->fd_count; i++)
		close(parcel->fds[i]);
	return s;
}
