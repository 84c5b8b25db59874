/*
 * rend: from the command line to a server, and back.
 *
 *	args ─► conf ─► log ─► (background) ─► bind ─► user ─► pid file ─► open, serve ─► drain, close
 *	                                       └── signals that end us wait ──┘
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "args.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/notify.h"
#include "conf/arena.h"
#include "conf/conf.h"
#include "conf/describe.h"
#include "conf/draw.h"
#include "daemon.h"
#include "net/server.h"
#include "net/takeover.h"
#include "reload.h"
#include "successor.h"

#ifndef PACKAGE_VERSION
#define PACKAGE_VERSION "0"
#endif

static int
complain(const struct rend_error *err)
{
	fprintf(stderr, "rend: %s\n", err->text);
	return err->exit_code == 0 ? EX_CONFIG : err->exit_code;
}

/* What was written is there, or it is said that it is not: a full disk, a closed pipe. */
static int
written(void)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return 0;
	fprintf(stderr, "rend: cannot write: %s\n", strerror(errno));
	return EX_IOERR;
}

/* ---- what one can ask for instead of a server ---- */

static int
print_version(const struct args *a)
{
	(void)a;
	printf("rend %s (plugin ABI %d.%d)\n", PACKAGE_VERSION, REND_ABI_MAJOR, REND_ABI_MINOR);
	return written();
}

static int
print_help(const struct args *a)
{
	(void)a;
	args_help();
	return written();
}

static int
print_plugins(const struct args *a)
{
	struct messages m = { 0 };
	struct rend_error err = { 0 };
	struct conf c = { 0 };
	int rc = conf_load_top(&c, &a->source, &m);

	messages_print(&m, stderr);
	if (rc == 0)
		rc = (a->mode == ARGS_DESCRIBE ? describe_plugin(a->plugin, c.plugin_dir, stdout, &err)
					       : describe_all(c.plugin_dir, stdout, &err)) == 0
			 ? written()
			 : complain(&err);
	conf_fini(&c);
	messages_fini(&m);
	return rc;
}

static const char *
plural(size_t n)
{
	return n == 1 ? "" : "s";
}

static int
print_checked(const struct args *a, const struct conf *c)
{
	size_t policies = c->policies;

	printf("%s: ok, %zu handler%s, %zu polic%s, %zu listener%s\n",
	    a->source.file == NULL ? "(built in)" : a->source.file, c->handlers, plural(c->handlers), policies,
	    policies == 1 ? "y" : "ies", c->server.listener_count, plural(c->server.listener_count));
	return written();
}

static int
print_conf(const struct args *a)
{
	struct messages m = { 0 };
	struct conf c = { 0 };
	int rc = conf_load(&c, &a->source, &m);

	messages_print(&m, stderr);
	if (rc == 0 && a->mode == ARGS_DRAW)
		draw_graph(&c, stdout);
	if (rc == 0 && a->mode == ARGS_PATHS)
		draw_paths(&c, stdout);
	if (rc == 0)
		rc = a->mode == ARGS_CHECK ? print_checked(a, &c) : written();
	conf_fini(&c);
	messages_fini(&m);
	return rc;
}

/* ---- the server ---- */

/* Whoever starts a server looks at the terminal, wherever the log goes. */
static bool log_in_file;

static int
fail(const struct rend_error *err)
{
	rend_log(REND_LOG_ERROR, "%s", err->text);
	if (log_in_file)
		return complain(err);
	return err->exit_code == 0 ? EX_CONFIG : err->exit_code;
}

/* Those that end us, reopen the log, reload or upgrade: from the first socket on until somebody takes them, they wait. */
static void
hold_signals(int how)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGUSR2);
	sigaddset(&set, SIGHUP);
	sigprocmask(how, &set, NULL);
}

static void
give_files(const struct conf *c, const struct daemon_user *user)
{
	for (size_t i = 0; i < c->server.listener_count; i++)
		if (c->server.listeners[i].path != NULL)
			daemon_user_give_socket(user, c->server.listeners[i].path);
	if (*c->server.control != '\0')
		daemon_user_give_socket(user, c->server.control);
	daemon_user_give_log(user);
}

/* All that a server is made of. */
struct birth {
	const struct args *args;
	struct conf *conf;
	struct daemon_user user;
	struct reload reload;
	struct successor successor;
	struct server_source source;
	struct inherited sockets;  /* systemd's */
	struct takeover *takeover; /* NULL: it begins by itself */
	bool started_for_it;	   /* by the process before this one */
};

/* ---- what the server asks of us ---- */

static int
read_anew(void *arg, const struct generation *now, const bool *stop, struct server_settings **next, struct strbuf *said)
{
	const struct server_source *r = &((struct birth *)arg)->reload.source;

	return r->read(r->arg, now, stop, next, said);
}

static void
release(void *arg, struct server_settings **next)
{
	const struct server_source *r = &((struct birth *)arg)->reload.source;

	r->release(r->arg, next);
}

static int
spawn(void *arg, int channel, pid_t *pid, struct rend_error *err)
{
	return successor_start(&((struct birth *)arg)->successor, channel, pid, err);
}

static void
reap(void *arg, pid_t pid, struct strbuf *said)
{
	(void)arg;
	successor_end(pid, said);
}

static int
pid_file(void *arg, const char **path)
{
	(void)arg;
	return daemon_pid_file(path);
}

static void
left(void *arg, pid_t pid)
{
	(void)arg;
	(void)pid;
	daemon_pid_leave();
}

/* ---- its birth ---- */

/* Whoever is to be relieved is told, too. */
static int
fail_birth(struct birth *b, const struct rend_error *err)
{
	if (b->takeover != NULL)
		takeover_fail(b->takeover, err->exit_code == 0 ? EX_CONFIG : err->exit_code, err->text);
	return fail(err);
}

/* The pid file is written when this process serves, if it is the one of the process before. */
static int
write_pid_file(struct birth *b, struct inherited_socket **old, struct rend_error *err)
{
	const char *path = b->conf->pid_file;

	if (b->takeover != NULL && *path != '\0')
		*old = inherited_take_pid_file(takeover_sockets(b->takeover), path);
	return *old != NULL ? 0 : daemon_pid_write(path, err);
}

/* From a bound server to a served one.  0, or -1. */
static int
start(struct birth *b, struct server *s, struct rend_error *err)
{
	struct inherited_socket *pid = NULL;

	give_files(b->conf, &b->user);
	if (daemon_user_become(&b->user, err) != 0 || write_pid_file(b, &pid, err) != 0)
		return -1;
	if (log_start() != 0)
		return error_set(err, EX_OSERR, "cannot start the log: %s", strerror(errno));
	/* The graph is the server's from here on, whatever comes of it. */
	b->conf->generation = NULL;
	if (server_start(s, err) != 0) {
		if (pid != NULL)
			close(pid->fd);
		return -1;
	}
	if (pid != NULL)
		daemon_pid_take(pid->fd, b->conf->pid_file);
	return 0;
}

static int
serve_bound(struct birth *b, struct server *s, bool *freed)
{
	struct rend_error err = { 0 };
	int rc = 0;

	if (start(b, s, &err) == 0) {
		hold_signals(SIG_UNBLOCK);
		daemon_ready();
		notify_ready();
		if (b->started_for_it && b->args->background && chdir("/") != 0)
			rend_log(REND_LOG_WARN, "cannot leave the folder: %s", strerror(errno));
		server_run(s);
		/* Nobody takes them any more, and the pid file is still to be removed. */
		hold_signals(SIG_BLOCK);
	} else
		rc = fail_birth(b, &err);
	*freed = server_free(&s);
	return rc;
}

/* Where sockets come from, if not from here.  0, or -1 with the reason. */
static int
inherit(struct birth *b, struct server_heritage *from, struct rend_error *err)
{
	if (b->takeover == NULL && b->args->takeover != NULL) {
		b->takeover = takeover_call(b->args->takeover, err);
		if (b->takeover == NULL)
			return -1;
	}
	from->takeover = b->takeover;
	from->sockets = b->takeover == NULL ? &b->sockets : takeover_sockets(b->takeover);
	return b->takeover == NULL ? 0 : takeover_hear(b->takeover, err);
}

static int
serve_in_place(struct birth *b)
{
	struct server_heritage from = { 0 };
	struct rend_error err = { 0 };
	struct server *s;
	bool freed;
	int rc;

	hold_signals(SIG_BLOCK);
	if (inherit(b, &from, &err) != 0)
		return fail_birth(b, &err);
	b->source = (struct server_source){ b, read_anew, spawn, reap, pid_file, left, release };
	s = server_new(&b->conf->server, &b->source, &from, &err);
	if (s == NULL)
		return fail_birth(b, &err);
	/* Clients would connect there, and nobody would ever answer. */
	if (b->takeover == NULL && inherited_drop(&b->sockets, false) > 0)
		rend_log(REND_LOG_WARN, "LISTEN_FDS: sockets at which no listener listens are closed");
	rc = serve_bound(b, s, &freed);
	daemon_pid_remove();
	log_stop();
	/* A thread that did not come back uses what would be freed here. */
	if (!freed)
		_exit(rc);
	return rc;
}

static int
serve_conf(struct birth *b)
{
	struct conf *c = b->conf;
	struct rend_error err = { 0 };
	int rc;

	if (daemon_user_find(&b->user, c->user, &err) != 0 || daemon_open_files(&c->server, c->handlers, &err) != 0 ||
	    reload_init(&b->reload, b->args, c, &err) != 0)
		return fail_birth(b, &err);
	if (successor_init(&b->successor, b->args, &err) != 0 ||
	    (b->args->background && !b->started_for_it && daemon_begin(&err) != 0))
		rc = fail_birth(b, &err);
	else {
		daemon_room_for_files(&c->server);
		rc = serve_in_place(b);
	}
	successor_fini(&b->successor);
	reload_fini(&b->reload);
	return rc;
}

/* What is wrong with rend.conf: to the terminal, and to whom this process was to relieve. */
static void
say_wrong(struct birth *b, struct messages *m, int rc)
{
	char *text = NULL;
	size_t len = 0;
	FILE *f;

	messages_print(m, stderr);
	if (b->takeover == NULL || (f = open_memstream(&text, &len)) == NULL)
		return;
	messages_print(m, f);
	if (fclose(f) == 0)
		takeover_fail(b->takeover, rc, text);
	free(text);
}

static int
serve_loaded(struct birth *b, struct messages *m)
{
	struct rend_error err = { 0 };
	struct conf *c = b->conf;

	if (b->args->background && conf_make_absolute(c, NULL, &err) != 0) {
		if (b->takeover != NULL)
			takeover_fail(b->takeover, EX_OSERR, err.text);
		return complain(&err);
	}
	if (log_open(c->log_to, c->log_level) != 0) {
		error_set(&err, EX_CANTCREAT, "cannot log to %s: %s", c->log_to, strerror(errno));
		if (b->takeover != NULL)
			takeover_fail(b->takeover, EX_CANTCREAT, err.text);
		return complain(&err);
	}
	log_in_file = strcmp(c->log_to, "stderr") != 0;
	messages_log(m);
	return serve_conf(b);
}

static int
serve(const struct args *a)
{
	static struct birth b;
	struct messages m = { 0 };
	struct rend_error err = { 0 };
	struct conf c = { 0 };
	int channel = successor_channel(), rc;

	b.args = a;
	b.conf = &c;
	if (channel >= 0) {
		b.started_for_it = true;
		b.takeover = takeover_new(channel);
		if (b.takeover == NULL)
			return EX_OSERR;
	}
	if (inherited_from_environment(&b.sockets, &err) != 0)
		return complain(&err);
	rc = conf_load(&c, &a->source, &m);
	if (rc != 0)
		say_wrong(&b, &m, rc);
	else
		rc = serve_loaded(&b, &m);
	takeover_free(&b.takeover);
	inherited_fini(&b.sockets);
	conf_fini(&c);
	messages_fini(&m);
	return rc;
}

static int (*const modes[])(const struct args *) = {
	[ARGS_SERVE] = serve,
	[ARGS_CHECK] = print_conf,
	[ARGS_DRAW] = print_conf,
	[ARGS_PATHS] = print_conf,
	[ARGS_DESCRIBE] = print_plugins,
	[ARGS_LIST_PLUGINS] = print_plugins,
	[ARGS_VERSION] = print_version,
	[ARGS_HELP] = print_help,
};

int
main(int argc, char **argv)
{
	static struct args args;
	int rc;

	daemon_standard_files();
	/* Whoever started us may have turned it off, and then no child could be waited for. */
	signal(SIGCHLD, SIG_DFL);
	signal(SIGPIPE, SIG_IGN);
	hash_seed_random();
	rc = args_parse(&args, argc, argv);
	if (rc == 0)
		rc = modes[args.mode](&args);
	return rc;
}
