/* Connections that the process before this one has yet: see followers.h. */
#include "net/followers.h"

#include <event2/event.h>
#include <unistd.h>

#include "net/arrivals.h"
#include "net/letter.h"
#include "net/passage.h"
#include "net/server.h"
#include "rend/log.h"

/* How many letters are heard at once at most. */
#define AT_ONCE 100

static struct loop *
next_loop(struct followers *f)
{
	struct loop *l = &f->server->loops[f->next_loop];

	f->next_loop = (f->next_loop + 1) % f->server->loop_count;
	return l;
}

void
followers_seat(struct followers *f, struct passenger *all, size_t count)
{
	size_t loops = (size_t)f->server->loop_count;

	for (size_t i = 0; i < loops && i < count; i++)
		arrivals_seat(f->server, next_loop(f), f->sockets, &all[i], count - i, loops);
}

/* More that follow.  false: they are not to be believed. */
static bool
seat_letter(struct followers *f)
{
	struct passenger p;

	do {
		if (passage_read(f->letter, &p) == 0)
			arrivals_seat(f->server, next_loop(f), f->sockets, &p, 1, 1);
	} while (letter_has_more(f->letter));
	return letter_finish(f->letter);
}

static void
say_end(struct followers *f, bool by_itself)
{
	event_free(f->event);
	f->event = NULL;
	close(f->fd);
	f->fd = -1;
	if (by_itself)
		rend_log(REND_LOG_INFO, "takeover: the old process has nothing left");
	else
		rend_log(REND_LOG_WARN, "takeover: the old process is gone, with the clients that it had yet");
}

/* false: none was there. */
static bool
hear_letter(struct followers *f)
{
	enum letter_got got = letter_receive(f->fd, f->letter, 0, NULL);

	if (got == LETTER_LATE)
		return false;
	if (got == LETTER_HERE && f->letter->type == LETTER_CONN) {
		if (!seat_letter(f))
			rend_log(
			    REND_LOG_ERROR, "takeover: a connection that the old process passes is not to be believed");
		return true;
	}
	/* One for which no file can be opened is lost; the next ones may not be. */
	if (got == LETTER_NO_FILES) {
		rend_log(REND_LOG_ERROR, "takeover: a client of the old process is cut: %s", letter_got_says(got));
		return true;
	}
	if (got == LETTER_HERE) {
		bool bye = f->letter->type == LETTER_BYE && letter_finish(f->letter);

		f->letter->broken = true;
		letter_finish(f->letter);
		say_end(f, bye);
		return true;
	}
	say_end(f, false);
	return true;
}

static void
on_letter(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	hear_letter(arg);
}

int
followers_begin(struct followers *f, int fd)
{
	f->fd = fd;
	f->event = event_new(f->server->base, fd, EV_READ | EV_PERSIST, on_letter, f);
	return f->event == NULL ? -1 : event_add(f->event, NULL);
}

bool
followers_come(struct followers *f)
{
	for (int i = 0; i < AT_ONCE && f->event != NULL; i++)
		if (!hear_letter(f))
			break;
	return f->event != NULL;
}

void
followers_fini(struct followers *f)
{
	if (f->event != NULL)
		event_free(f->event);
	f->event = NULL;
	if (f->fd >= 0)
		close(f->fd);
	f->fd = -1;
}
