/* The old process's end of the channel to the new one: see channel.h. */
#include "net/channel.h"

#include <errno.h>
#include <string.h>
#include <sysexits.h>

#include "base/clock.h"

/* How many letters may lie before the one that says why it failed. */
#define REASON_LETTERS 16

/* ---- sending ---- */

uint64_t
channel_step(const struct channel *c)
{
	uint64_t until = clock_mono() + CHANNEL_STEP_NS;

	return c->until != 0 && c->until < until ? c->until : until;
}

static bool
is_gone(int e)
{
	return e == EPIPE || e == ECONNRESET;
}

int
channel_send(struct channel *c)
{
	if (letter_send(c->fd, &c->letter, channel_step(c)) == 0)
		return 0;
	return error_set(
	    c->err, EX_TEMPFAIL, "the new process cannot be told: %s", is_gone(errno) ? "it is gone" : strerror(errno));
}

int
channel_send_bare(struct channel *c, enum letter_type type)
{
	letter_begin(&c->letter, type);
	return channel_send(c);
}

/* ---- hearing ---- */

/* What is not wanted, with its descriptors. */
static void
drop(struct channel *c)
{
	c->began = c->began || c->letter.type == LETTER_SERVING;
	c->letter.broken = true;
	letter_finish(&c->letter);
}

/* What it says of itself is for people: it becomes the reason. */
static int
take_failed(struct channel *c)
{
	char text[LETTER_TEXT_MAX];
	int code = (int)letter_get_at_most(&c->letter, 255);

	letter_get_text(&c->letter, text, sizeof text);
	if (!letter_finish(&c->letter))
		return error_set(c->err, EX_PROTOCOL, "the new process failed, and did not say how");
	return error_set(c->err, code == 0 ? EX_SOFTWARE : code, "the new process: %s", text);
}

/* Whoever goes while it is told something may have said why: that is the reason then.  Who has much else to say is not listened to. */
static void
hear_reason(struct channel *c)
{
	for (int i = 0; i < REASON_LETTERS && letter_receive(c->fd, &c->letter, 0, NULL) == LETTER_HERE; i++) {
		if (c->letter.type == LETTER_FAILED) {
			take_failed(c);
			return;
		}
		drop(c);
	}
}

int
channel_refuse(struct channel *c)
{
	drop(c);
	return error_set(c->err, EX_PROTOCOL, "the new process: %s", letter_got_says(LETTER_HERE));
}

int
channel_await(struct channel *c, enum letter_type type, uint64_t until)
{
	enum letter_got got = letter_receive(c->fd, &c->letter, until, c->stop);

	if (got == LETTER_HERE && c->letter.type == LETTER_FAILED)
		return take_failed(c);
	if (got == LETTER_HERE && c->letter.type == type)
		return 0;
	if (got == LETTER_HERE)
		return channel_refuse(c);
	c->late = got == LETTER_LATE;
	return error_set(
	    c->err, got == LETTER_BAD ? EX_PROTOCOL : EX_TEMPFAIL, "the new process: %s", letter_got_says(got));
}

int
channel_await_bare(struct channel *c, enum letter_type type, uint64_t until)
{
	if (channel_await(c, type, until) != 0)
		return -1;
	return letter_finish(&c->letter) ? 0 : channel_refuse(c);
}

bool
channel_drop_all(struct channel *c, uint64_t wait, uint64_t until)
{
	enum letter_got got;

	while ((got = letter_receive(c->fd, &c->letter, wait, NULL)) == LETTER_HERE) {
		drop(c);
		if (clock_mono() >= until)
			return false;
	}
	return got == LETTER_END;
}

/* ---- the end of it ---- */

bool
channel_abort(struct channel *c)
{
	if (c->told_abort)
		return true;
	c->told_abort = true;
	hear_reason(c);
	letter_begin(&c->letter, LETTER_ABORT);
	letter_put_text(&c->letter, c->err->text);
	return letter_send(c->fd, &c->letter, clock_mono() + CHANNEL_STEP_NS) == 0 || is_gone(errno);
}
