/* The guard words of one L1 node: see guard.h. */
#include "engine/guard.h"

#include <stdlib.h>

#include "rend/check.h"

#define WORDS	   (1U << 20)
#define WRITER	   1ULL
#define WRITERS(w) ((w)&0xffff)
#define EPOCH	   (1ULL << 16)
#define WRITERS_MAX \
	(1U << 15) /* a bit is left for those that pass the check together, one per thread, and for guard_take_all() */

struct guard {
	uint64_t words[WORDS]; /* atomic */
};

struct guard *
guard_new(void)
{
	/* So much at once is fresh from the kernel: a page costs memory when its first word is changed. */
	return calloc(1, sizeof(struct guard));
}

void
guard_free(struct guard **gp)
{
	free(*gp);
	*gp = NULL;
}

static uint64_t *
guard_word(struct guard *words, uint64_t index)
{
	return &words->words[index & (WORDS - 1)];
}

void
guard_read(struct guard *words, uint64_t hash, struct rend_guard *g)
{
	*g = (struct rend_guard){ .words = words, .index = hash };
	g->seen = __atomic_load_n(guard_word(words, hash), __ATOMIC_SEQ_CST);
	g->alone = WRITERS(g->seen) == 0;
}

/* One writer more.  false: too many, nothing was changed. */
static bool
word_take(uint64_t *word, uint64_t *old)
{
	if (WRITERS(__atomic_load_n(word, __ATOMIC_SEQ_CST)) >= WRITERS_MAX)
		return false;
	*old = __atomic_fetch_add(word, EPOCH + WRITER, __ATOMIC_SEQ_CST);
	return true;
}

static void
word_give_back(uint64_t *word)
{
	REND_ASSERT(WRITERS(__atomic_fetch_sub(word, WRITER, __ATOMIC_SEQ_CST)) != 0);
}

bool
guard_write(struct guard *words, uint64_t hash, struct rend_guard *g)
{
	uint64_t old;

	if (!word_take(guard_word(words, hash), &old))
		return false;
	*g = (struct rend_guard){ .words = words, .index = hash, .writing = true };
	g->seen = old + EPOCH + WRITER;
	g->alone = WRITERS(old) == 0;
	return true;
}

bool
guard_write_all(struct guard *words, struct rend_guard *g)
{
	uint64_t old;

	for (uint64_t i = 0; i < WORDS; i++)
		if (!word_take(guard_word(words, i), &old)) {
			/* The epochs stay as they are now: that costs promotions, and no more. */
			while (i > 0)
				word_give_back(guard_word(words, --i));
			return false;
		}
	*g = (struct rend_guard){ .words = words, .writing = true, .all = true };
	return true;
}

void
guard_take_all(struct guard *words, struct rend_guard *g)
{
	for (uint64_t i = 0; i < WORDS; i++)
		__atomic_fetch_add(guard_word(words, i), EPOCH + WRITER, __ATOMIC_SEQ_CST);
	*g = (struct rend_guard){ .words = words, .writing = true, .all = true };
}

void
guard_end(struct rend_guard *g)
{
	struct guard *words = g->words;

	if (words != NULL && g->all)
		for (uint64_t i = 0; i < WORDS; i++)
			word_give_back(guard_word(words, i));
	else if (words != NULL && g->writing)
		word_give_back(guard_word(words, g->index));
	*g = (struct rend_guard){ 0 };
}

bool
rend_guard_holds(const struct rend_op *op)
{
	const struct rend_guard *g;

	REND_CHECK(op, REND_OP_MAGIC);
	g = op->guard;
	if (g == NULL)
		return true;
	/* A reader and a writer ask the same thing: nobody else writes, nobody else has since. */
	return g->words != NULL && g->alone &&
	       __atomic_load_n(guard_word(g->words, g->index), __ATOMIC_SEQ_CST) == g->seen;
}
