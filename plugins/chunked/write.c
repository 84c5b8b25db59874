/*
 * Writes a value.
 *
 *	set			pieces ─► meta
 *	on a condition		claim ─► pieces ─► meta
 *
 * The meta comes last, so who reads meanwhile finds an older meta, or none, or pieces that do not belong to it.  A write on a condition (add,
 * replace, a version, a lease; append and incr) must not touch the pieces of what it does not replace.  So it begins with a claim: the new
 * meta, that says of itself that its pieces are not there yet (`written` is 0) and goes by itself after a while, is stored on that
 * condition.  The last meta is stored only if the claim is still there.  If it is not, somebody has overwritten or deleted what is then
 * taken for stored.  A claim that was not answered, or with no version, is looked for: it has our token.
 *
 * Who has begun to write pieces and cannot end takes out the meta: what it was of is not whole any more.
 */
#include <string.h>

#include "task.h"

#define SEEKS 2 /* for a claim that is to be taken out, about a second apart */

/* ---- looking for a claim ---- */

/*
 * A claim that is not there: was it overwritten or deleted?  Where a miss may only say that another server was asked, nobody knows, and it may be there
 * yet.
 */
static bool
gone(const struct task *t, enum rend_status status)
{
	return status == REND_MISS && !t->in->store->unsure;
}

/* What became of the claim is open. */
static bool
in_doubt(const struct task *t, enum rend_status status)
{
	return rend_outcome(status) == REND_FAIL || (status == REND_MISS && !gone(t, status));
}

static void
look_for_it(struct task *t, task_answer_f *looked)
{
	struct rend_op *kid = meta_kid(t, REND_GET);

	if (kid == NULL) {
		task_end(t, REND_NO_MEMORY);
		return;
	}
	kid->ask.want = REND_WANT_VALUE | REND_WANT_CAS | REND_WANT_NO_WIN;
	meta_ask(t, kid, looked);
}

/* Is what was found the claim?  Then its version is known, too, if there are any. */
static bool
is_ours(struct task *t, struct rend_op *found)
{
	meta_found(t, found);
	if (!meta_claimed(t) || memcmp(t->was.token, t->is.token, sizeof t->is.token) != 0)
		return false;
	t->claimed = true;
	t->cas = (found->item.have & REND_WANT_CAS) ? found->item.cas : 0;
	t->link = found->item.link;
	return true;
}

/* ---- the end ---- */

static void
gave_back(struct task *t, struct rend_op *kid)
{
	rend_op_free(&kid);
	task_end(t, (enum rend_status)t->pieces.status);
}

static void seek(struct task *t);
static void give_back(struct task *t, enum rend_status status);

/* What is not taken out would keep others away for a minute; a connection that broke, and with it the version, is there again sooner. */
static void
seek_later(struct task *t)
{
	if (t->sought++ < SEEKS && !rend_op_given_up(t->op))
		task_rest(t, seek);
	else
		task_end(t, (enum rend_status)t->pieces.status);
}

static void
gave_claim_back(struct task *t, struct rend_op *kid)
{
	enum rend_status status = (enum rend_status)kid->status;

	if (!in_doubt(t, status) && status != REND_NOT_STORED) {
		gave_back(t, kid);
		return;
	}
	rend_op_free(&kid);
	if (status == REND_MISS)
		t->pieces.status = REND_LOST;
	seek_later(t);
}

static void
sought(struct task *t, struct rend_op *kid)
{
	enum rend_status status = (enum rend_status)kid->status;

	if (status == REND_OK && is_ours(t, kid)) {
		give_back(t, (enum rend_status)t->pieces.status);
		return;
	}
	if (status != REND_OK)
		rend_op_free(&kid);
	if (status == REND_MISS && in_doubt(t, status))
		t->pieces.status = REND_LOST;
	if (in_doubt(t, status))
		seek_later(t);
	else
		task_end(t, (enum rend_status)t->pieces.status);
}

static void
seek(struct task *t)
{
	if (rend_op_given_up(t->op))
		task_end(t, REND_TIMEOUT);
	else
		look_for_it(t, sought);
}

/* A set that failed leaves nothing older, either. */
static void
give_back(struct task *t, enum rend_status status)
{
	struct rend_op *kid;

	t->pieces.status = (uint8_t)status;
	if (t->claimed && t->cas != 0)
		meta_drop(t, t->cas, t->link, gave_claim_back);
	else if ((kid = meta_kid(t, REND_DELETE)) != NULL)
		meta_ask(t, kid, gave_back);
	else
		task_end(t, status);
}

static void
stored(struct task *t, uint64_t cas)
{
	struct rend_op *op = t->op;

	op->item.cas = cas;
	op->item.number = t->number;
	if ((op->ask.want & REND_WANT_EXPTIME) && !rend_verb_stores(op->verb)) {
		op->item.exptime = t->exptime;
		op->item.have |= REND_WANT_EXPTIME;
	}
	if (op->ask.want & REND_WANT_SIZE) {
		op->item.size = t->is.length;
		op->item.have |= REND_WANT_SIZE;
	}
	task_end(t, REND_OK);
}

static void last(struct task *t);

/* It was there, and is not now: overwritten, deleted, or gone with all that the backend had. */
static void
last_looked(struct task *t, struct rend_op *kid)
{
	enum rend_status looked = (enum rend_status)kid->status;

	if (looked == REND_OK && is_ours(t, kid)) {
		last(t);
		return;
	}
	if (looked != REND_OK)
		rend_op_free(&kid);
	if (in_doubt(t, looked))
		give_back(t, REND_LOST);
	else
		stored(t, t->cas);
}

/* The version is good over a connection that is gone, so nobody was asked: the claim may be there, with a version that is good over the new one. */
static bool
is_cut_off(const struct task *t, enum rend_status status)
{
	return t->claimed && t->cas != 0 && status == REND_NOT_STORED && t->op->ask.link == 0 &&
	       rend_guard_holds(t->op);
}

/* Once. */
static void
look_again(struct task *t)
{
	if (t->looked || rend_op_given_up(t->op)) {
		give_back(t, REND_LOST);
		return;
	}
	t->looked = true;
	look_for_it(t, last_looked);
}

static void
last_answered(struct task *t, struct rend_op *kid)
{
	enum rend_status status = (enum rend_status)kid->status;
	uint64_t cas = kid->item.cas;
	bool overtaken = t->claimed &&
			 (t->cas != 0 ? status == REND_EXISTS || gone(t, status)
				      : status == REND_NOT_STORED && gone(t, REND_MISS) && rend_guard_holds(t->op));

	rend_op_free(&kid);
	if (status == REND_OK)
		stored(t, cas);
	else if (overtaken)
		stored(t, t->cas);
	else if (is_cut_off(t, status))
		look_again(t);
	else if (t->claimed &&
		 (status == REND_MISS || (t->cas == 0 && status == REND_NOT_STORED && rend_guard_holds(t->op))))
		give_back(t, REND_LOST); /* perhaps another server was asked */
	else
		give_back(t, status);
}

static void
last(struct task *t)
{
	bool versions = t->claimed && t->cas != 0;
	struct rend_op *kid;

	if (t->pieces.status != REND_OK) {
		give_back(t, (enum rend_status)t->pieces.status);
		return;
	}
	t->is.written = (uint32_t)rend_wall();
	kid = meta_kid(t, t->claimed && !versions ? REND_REPLACE : REND_SET);
	if (kid == NULL || !meta_put(t, kid, t->exptime)) {
		if (kid != NULL)
			rend_op_free(&kid);
		give_back(t, REND_NO_MEMORY);
		return;
	}
	kid->ask.want = t->op->ask.want & REND_WANT_CAS;
	kid->ask.cas_new = t->op->ask.cas_new;
	kid->ask.link = t->link;
	kid->guard = t->op->guard;
	if (versions) {
		kid->ask.mode = REND_IF_CAS;
		kid->ask.cas = t->cas;
	}
	meta_ask(t, kid, last_answered);
}

static void
write_pieces(struct task *t)
{
	/* What is gone at once needs none. */
	bool gone = rend_expired(t->exptime, rend_wall());

	pieces_run(t, PIECES_WRITE, gone ? 0 : t->is.pieces, last);
}

/* ---- the beginning ---- */

/* Before anything was touched. */
static void
refuse(struct task *t, enum rend_status status)
{
	if (t->op->verb == REND_SET && (t->op->ask.mode & REND_IF_CAS) == 0)
		give_back(t, status);
	else
		task_end(t, status);
}

/* false: it was answered. */
static bool
describe(struct task *t)
{
	char key[LAYOUT_KEY_MAX];
	struct name name;

	name_of(&name, t->op->key, t->op->keylen);
	t->is = (struct meta){ .flags = t->flags,
		.data = piece_data((uint32_t)t->in->store->conf->chunk_size, name.len) };
	t->is.exptime = t->exptime > 0 && t->exptime <= UINT32_MAX ? (uint32_t)t->exptime : 0;
	if (t->source->len > UINT32_MAX) {
		refuse(t, REND_TOO_BIG);
		return false;
	}
	t->is.length = (uint32_t)t->source->len;
	t->is.pieces = piece_count(t->is.length, t->is.data);
	if (name_piece(&name, t->is.pieces, key) == 0) {
		refuse(t, REND_TOO_BIG);
		return false;
	}
	if (!token_next(&t->in->tokens, t->is.token)) {
		refuse(t, REND_IO);
		return false;
	}
	return true;
}

/* What is asked of one key is carried out in order, as long as there is the same connection: if it is not there now, it will not be. */
static void
claim_looked(struct task *t, struct rend_op *kid)
{
	enum rend_status status = (enum rend_status)t->pieces.status, looked = (enum rend_status)kid->status;
	bool failed = in_doubt(t, looked);

	if (looked == REND_OK && is_ours(t, kid)) {
		write_pieces(t);
		return;
	}
	if (looked != REND_OK)
		rend_op_free(&kid);
	if (!failed) {
		if (status == REND_OK)
			stored(t, 0); /* and overtaken */
		else
			task_end(t, status);
		return;
	}
	if (status == REND_OK || looked == REND_MISS)
		t->pieces.status = looked == REND_MISS ? REND_LOST : (uint8_t)looked;
	t->claimed = true; /* perhaps */
	if (t->cas != 0)
		give_back(t, (enum rend_status)t->pieces.status);
	else
		seek_later(t);
}

/* It was not answered, and would keep everybody away until it goes by itself; or it was, and not said which version it has. */
static void
claim_look(struct task *t, enum rend_status status)
{
	t->pieces.status = (uint8_t)status;
	look_for_it(t, claim_looked);
}

static void
claim_answered(struct task *t, struct rend_op *kid)
{
	enum rend_status status = (enum rend_status)kid->status;

	if (status == REND_OK)
		t->cas = kid->item.cas;
	rend_op_free(&kid);
	if (status == REND_OK && t->cas != 0) {
		t->claimed = true;
		write_pieces(t);
	} else if (status == REND_OK || rend_ambiguous(status)) {
		claim_look(t, status);
	} else if (t->resume != NULL && (status == REND_EXISTS || status == REND_MISS || status == REND_NOT_STORED) &&
		   rend_guard_holds(t->op)) {
		t->resume(t);
	} else {
		task_end(t, status);
	}
}

/*
 * Of a claim, where metas are told their versions: one that no item has, as the version of a lease is.  The handler's own count might come to that of
 * another meta, and the last one would be stored over it.
 */
static uint64_t
version_of_its_own(const uint8_t token[LAYOUT_TOKEN])
{
	uint64_t n;

	memcpy(&n, token, sizeof n);
	return 1ULL << 63 | n;
}

static void
claim(struct task *t, struct rend_op *kid, task_f *refused)
{
	int64_t now = rend_wall();
	uint32_t exptime = t->is.exptime;
	bool made;

	/* Somebody may touch it, and it would not go by itself: so it says since when it is there. */
	t->is.exptime = (uint32_t)now;
	made = kid != NULL && meta_put(t, kid, rend_earlier(now + LAYOUT_CLAIM, t->exptime));
	t->is.exptime = exptime;
	if (!made) {
		if (kid != NULL)
			rend_op_free(&kid);
		task_end(t, REND_NO_MEMORY);
		return;
	}
	kid->ask.cas_new = t->op->ask.cas_new != 0 ? version_of_its_own(t->is.token) : 0;
	kid->ask.want = REND_WANT_CAS;
	kid->guard = t->op->guard;
	t->cas = kid->ask.cas_new;
	t->resume = refused;
	meta_ask(t, kid, claim_answered);
}

void
write_begin(struct task *t)
{
	const struct rend_op *op = t->op;
	struct rend_op *kid;

	if (op->ask.mode & REND_INVALIDATE) {
		task_end(t, REND_UNSUPPORTED); /* a set that is late: the claim would not be */
		return;
	}
	if (!rend_guard_holds(op)) {
		task_end(t, REND_NOT_STORED);
		return;
	}
	t->source = &op->item.value;
	t->flags = op->item.flags;
	t->exptime = op->item.exptime;
	if (!describe(t))
		return;
	if (op->verb == REND_SET && (op->ask.mode & REND_IF_CAS) == 0) {
		write_pieces(t);
		return;
	}
	t->link = op->ask.link;
	kid = meta_kid(t, op->verb);
	if (kid != NULL)
		kid->ask = op->ask;
	claim(t, kid, NULL);
}

void
write_made(struct task *t, unsigned verb, uint64_t cas, uint64_t link, task_f *refused)
{
	struct rend_op *kid;

	t->source = &t->made;
	t->link = link;
	if (!describe(t))
		return;
	kid = meta_kid(t, verb);
	if (kid != NULL && verb == REND_SET) {
		kid->ask.mode = REND_IF_CAS;
		kid->ask.cas = cas;
		kid->ask.link = link;
	}
	claim(t, kid, refused);
}
