/*
 * Segments of which a place cannot be read.  What was there may have hidden anything: so the store begins empty (recover.c), and says in its super which
 * ones they are.  Then they are written all over, which mends most disks; those that cannot be read even then are not used any more, and who has to
 * rebuild the index does not look at them: nothing that counts is there.
 *
 *	rebuild: lost ──► super: empty, lost ──► zeros, read again ── right ──► super: free
 *	                                              └─ wrong ──► never used, while the super says so
 */
#include <string.h>

#include "state.h"

#define PIECE (1U << 20) /* bytes at once */

bool
lost_is(const struct store *s, uint32_t segment)
{
	for (uint32_t i = 0; i < s->lost.count; i++)
		if (s->lost.number[i] == segment)
			return true;
	return false;
}

/* Of a disk that cannot be read at all nothing is noted: some segments have to be left. */
static uint32_t
most(const struct store *s)
{
	return s->g.segments / 8 < FORMAT_LOST_MOST ? s->g.segments / 8 : FORMAT_LOST_MOST;
}

void
lost_note(struct store *s, const uint32_t *segments, uint32_t count)
{
	if (count > most(s) || s->lost.count > most(s) - count)
		return;
	for (uint32_t i = 0; i < count; i++)
		s->lost.number[s->lost.count++] = segments[i];
	s->lost_found = count;
}

static bool
is_blank(const char *p, size_t len)
{
	return p[0] == 0 && memcmp(p, p + 1, len - 1) == 0;
}

/* Is it as it should be, when all of it is written anew? */
static bool
is_mended(struct store *s, uint32_t segment)
{
	struct io_file *bank = write_bank(s, segment);
	uint64_t at = geometry_offset(&s->g, segment);
	bool ok = true;

	s->banks[geometry_bank(&s->g, segment)].unsynced = true;
	memset(s->scratch, 0, PIECE < s->g.segment ? PIECE : s->g.segment);
	for (uint32_t n, from = 0; from < s->g.segment && ok; from += n) {
		n = s->g.segment - from < PIECE ? s->g.segment - from : PIECE;
		ok = io_write(bank, s->scratch, n, at + from, NULL) == IO_OK;
	}
	ok = ok && io_sync(bank) == IO_OK;
	for (uint32_t n, from = 0; from < s->g.segment && ok; from += n) {
		n = s->g.segment - from < PIECE ? s->g.segment - from : PIECE;
		ok = io_read(bank, s->scratch, n, at + from, NULL) == IO_OK && is_blank(s->scratch, n);
	}
	return ok;
}

bool
lost_mend(struct store *s)
{
	uint32_t keep = s->lost.count - s->lost_found, mended = 0;

	for (uint32_t i = keep; i < s->lost.count; i++)
		if (is_mended(s, s->lost.number[i]))
			mended++;
		else
			s->lost.number[keep++] = s->lost.number[i];
	s->lost.count = keep;
	s->lost_found = 0;
	return mended > 0;
}

void
lost_leave_out(struct store *s)
{
	for (uint32_t i = 0; i < s->lost.count; i++) {
		struct segment *g = &s->segments[s->lost.number[i]];

		/* What says otherwise is an index that was made by somebody. */
		if (g->state != SEGMENT_FREE)
			continue;
		g->state = SEGMENT_BAD;
		g->lost = true;
	}
}
