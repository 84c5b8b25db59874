/*
 * rend: from the command line to a server, and back.
 *
 *	args ─► conf ─► log ─► (background) ─► bind ─► user ─► pid file ─► open, serve ─► drain, close
 *	                                       └── signals that end us wait ──┘
 */
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "args.h"
#include "base/hash.h"
#include "base/log.h"
#include "conf/arena.h"
#include "conf/conf.h"
#include "conf/describe.h"
#include "conf/draw.h"
#include "daemon.h"
#include "net/server.h"

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

/* A copy of path that means the same in every folder, or NULL: no memory. */
static char *
absolute(struct conf *c, const char *folder, const char *path)
{
	if (*path == '/' || *path == '\0')
		return arena_print(c->arena, "%s", path);
	return arena_print(c->arena, "%s/%s", folder, path);
}

/* In the background the folder where we were started is left. */
static int
make_paths_absolute(struct conf *c, struct rend_error *err)
{
	char folder[PATH_MAX];
	bool all;

	if (getcwd(folder, sizeof folder) == NULL)
		return error_set(err, EX_OSERR, "cannot tell what folder this is: %s", strerror(errno));
	if (strcmp(c->log_to, "stderr") != 0)
		c->log_to = absolute(c, folder, c->log_to);
	c->pid_file = absolute(c, folder, c->pid_file);
	c->server.state_dir = absolute(c, folder, c->server.state_dir);
	all = c->log_to != NULL && c->pid_file != NULL && c->server.state_dir != NULL;
	for (size_t i = 0; i < c->server.listener_count; i++) {
		struct listener_settings *l = &c->server.listeners[i];

		if (l->path == NULL)
			continue;
		l->path = absolute(c, folder, l->path);
		all = all && l->path != NULL;
	}
	return all ? 0 : error_set(err, EX_OSERR, "no memory");
}

/* Those that end us, or reopen the log: from the first socket on until somebody takes them, they wait. */
static void
hold_signals(int how)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGUSR1);
	sigprocmask(how, &set, NULL);
}

static void
give_files(const struct conf *c, const struct daemon_user *user)
{
	for (size_t i = 0; i < c->server.listener_count; i++)
		if (c->server.listeners[i].path != NULL)
			daemon_user_give_socket(user, c->server.listeners[i].path);
	daemon_user_give_log(user);
}

/* From a bound server to a served one.  0, or -1. */
static int
start(struct server *s, struct conf *c, const struct daemon_user *user, struct rend_error *err)
{
	give_files(c, user);
	if (daemon_user_become(user, err) != 0 || daemon_pid_write(c->pid_file, err) != 0)
		return -1;
	if (log_start() != 0)
		return error_set(err, EX_OSERR, "cannot start the log: %s", strerror(errno));
	/* The graph is the server's from here on, whatever comes of it. */
	c->generation = NULL;
	return server_start(s, err);
}

static int
serve_conf(const struct args *a, struct conf *c)
{
	struct rend_error err = { 0 };
	struct daemon_user user;
	struct server *s = NULL;
	int rc = 0;

	if (daemon_user_find(&user, c->user, &err) != 0 || daemon_open_files(&c->server, c->handlers, &err) != 0)
		return fail(&err);
	if (a->background && daemon_begin(&err) != 0)
		return fail(&err);
	hold_signals(SIG_BLOCK);
	s = server_new(&c->server, &err);
	if (s == NULL)
		return fail(&err);
	if (start(s, c, &user, &err) == 0) {
		hold_signals(SIG_UNBLOCK);
		daemon_ready();
		server_run(s);
		/* Nobody takes them any more, and the pid file is still to be removed. */
		hold_signals(SIG_BLOCK);
	} else
		rc = fail(&err);
	server_free(&s);
	daemon_pid_remove();
	log_stop();
	return rc;
}

static int
serve(const struct args *a)
{
	struct messages m = { 0 };
	struct rend_error err = { 0 };
	struct conf c = { 0 };
	int rc = conf_load(&c, &a->source, &m);

	if (rc != 0)
		messages_print(&m, stderr);
	else if (a->background && make_paths_absolute(&c, &err) != 0)
		rc = complain(&err);
	else if (log_open(c.log_to, c.log_level) != 0) {
		error_set(&err, EX_CANTCREAT, "cannot log to %s: %s", c.log_to, strerror(errno));
		rc = complain(&err);
	} else {
		log_in_file = strcmp(c.log_to, "stderr") != 0;
		messages_log(&m);
		rc = serve_conf(a, &c);
	}
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
