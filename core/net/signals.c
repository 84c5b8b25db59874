/* What the server does at a signal: see signals.h. */
#include "net/signals.h"

#include <event2/event.h>
#include <signal.h>

#include "base/log.h"
#include "net/renewal.h"
#include "net/server.h"
#include "rend/log.h"

static void
on_stop_signal(evutil_socket_t sig, short what, void *arg)
{
	struct server *s = arg;

	(void)what;
	if (s->draining) {
		rend_log(REND_LOG_WARN, "signal %d again: connections are cut", (int)sig);
		event_base_loopbreak(s->base);
		return;
	}
	rend_log(REND_LOG_INFO, "signal %d: no connection is taken in any more, %u get their answers", (int)sig,
	    __atomic_load_n(&s->connections, __ATOMIC_RELAXED));
	server_drain(s);
}

/* The log file was renamed. */
static void
on_reopen_signal(evutil_socket_t sig, short what, void *arg)
{
	(void)sig;
	(void)what;
	(void)arg;
	log_reopen();
}

/* What changed while it was being read is read again. */
static void
on_reload_signal(evutil_socket_t sig, short what, void *arg)
{
	struct server *s = arg;

	(void)sig;
	(void)what;
	if (!renewal_reload(s))
		s->reload_again = s->keeper != NULL;
}

static void
on_upgrade_signal(evutil_socket_t sig, short what, void *arg)
{
	const char *why = renewal_hinders(arg);

	(void)sig;
	(void)what;
	if (why != NULL || !renewal_upgrade(arg))
		rend_log(REND_LOG_ERROR, "not upgraded: %s", why != NULL ? why : "it cannot be begun");
}

int
signals_start(struct server *s)
{
	static const struct {
		int sig;
		event_callback_fn fn;
	} wanted[] = { { SIGTERM, on_stop_signal }, { SIGINT, on_stop_signal }, { SIGUSR1, on_reopen_signal },
		{ SIGHUP, on_reload_signal }, { SIGUSR2, on_upgrade_signal } };
	size_t count = sizeof wanted / sizeof *wanted - (s->source == NULL ? 2 : 0);

	signal(SIGPIPE, SIG_IGN);
	for (size_t i = 0; i < count; i++) {
		s->signals[i] = evsignal_new(s->base, wanted[i].sig, wanted[i].fn, s);
		if (s->signals[i] == NULL || event_add(s->signals[i], NULL) != 0)
			return -1;
	}
	return 0;
}

void
signals_end(struct server *s)
{
	for (size_t i = 0; i < sizeof s->signals / sizeof *s->signals; i++)
		if (s->signals[i] != NULL)
			event_free(s->signals[i]);
}
