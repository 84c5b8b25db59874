/* What comes of reloads and upgrades on the main thread: see renewal.h. */
#include "net/renewal.h"

#include <string.h>
#include <unistd.h>

#include "base/notify.h"
#include "engine/generation.h"
#include "net/control.h"
#include "net/heir.h"
#include "net/keeper.h"
#include "net/runner.h"
#include "net/server.h"
#include "net/takeover.h"
#include "rend/log.h"

/* Line for line. */
static void
log_said(enum rend_log_level level, const struct strbuf *said)
{
	const char *p = said->text, *end = p + said->len;

	while (p < end) {
		const char *nl = memchr(p, '\n', (size_t)(end - p));
		size_t len = nl == NULL ? (size_t)(end - p) : (size_t)(nl - p);

		rend_log(level, "%.*s", (int)len, p);
		p += len + 1;
	}
}

/* ---- upgrades ---- */

static void
upgrade_done(struct server *s, const struct keeper_result *r)
{
	log_said(r->exit_code == 0 ? REND_LOG_WARN : REND_LOG_ERROR, r->said);
	if (r->exit_code == 0)
		rend_log(REND_LOG_INFO, "upgraded: another process serves");
	else
		rend_log(REND_LOG_ERROR, "not upgraded: this process serves on");
	if (r->exit_code != 0 && !s->draining)
		notify_ready();
	if (s->control != NULL)
		control_upgraded(s->control, r);
}

const char *
renewal_hinders(struct server *s)
{
	if (s->keeper == NULL || s->draining)
		return "the server is ending";
	if (keeper_is_busy(s->keeper))
		return "a reload or an upgrade is under way";
	/* It has a store, which would have to let go of it. */
	if (runner_under_way(s->runner) != NULL)
		return "a command of a plugin is under way, rendctl status says which: try again when it is over";
	/* They would come to nobody. */
	if (s->takeover != NULL && takeover_goes_on(s->takeover))
		return "connections of the process before this one are to come yet";
	return NULL;
}

bool
renewal_hand_over(struct server *s, const struct heir_at *at)
{
	if (renewal_hinders(s) != NULL || !keeper_upgrade(s->keeper, at)) {
		if (at != NULL)
			close(at->fd);
		if (at != NULL && at->process >= 0)
			close(at->process);
		return false;
	}
	notify_reloading();
	rend_log(REND_LOG_INFO, "upgrade: %s", at == NULL ? "a new process is started" : "a new process has called");
	return true;
}

bool
renewal_upgrade(struct server *s)
{
	return renewal_hand_over(s, NULL);
}

/* ---- reloads ---- */

bool
renewal_reload(struct server *s)
{
	if (s->keeper == NULL || s->draining)
		return false;
	if (!keeper_reload(s->keeper))
		return false;
	notify_reloading();
	rend_log(REND_LOG_INFO, "rend.conf is read anew");
	return true;
}

static void
reload_done(struct server *s, const struct keeper_result *r)
{
	log_said(r->exit_code == 0 ? REND_LOG_WARN : REND_LOG_ERROR, r->said);
	if (r->exit_code == 0) {
		__atomic_store_n(&s->reloads, s->reloads + 1, __ATOMIC_RELAXED);
		rend_log(REND_LOG_INFO, "reloaded: generation %llu is asked from now on",
		    (unsigned long long)server_generation(s)->number);
	} else {
		__atomic_store_n(&s->reloads_refused, s->reloads_refused + 1, __ATOMIC_RELAXED);
		rend_log(REND_LOG_ERROR, "not reloaded: generation %llu goes on",
		    (unsigned long long)server_generation(s)->number);
	}
	if (!s->draining)
		notify_ready();
	if (s->control != NULL)
		control_reloaded(s->control, r);
	if (s->reload_again && !s->draining) {
		s->reload_again = false;
		renewal_reload(s);
	}
}

void
renewal_done(struct server *s, const struct keeper_result *r)
{
	if (r->upgrade)
		upgrade_done(s, r);
	else
		reload_done(s, r);
}
