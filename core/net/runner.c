/* Runs commands of plugins: see runner.h. */
#include "net/runner.h"

#include <errno.h>
#include <event2/event.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/strbuf.h"
#include "engine/generation.h"
#include "net/keeper.h"
#include "net/server.h"
#include "rend/log.h"

/* What a command failed with, where a sentence of its plugin is all there is. */
#define EX_COMMAND 1

struct runner {
	struct server *server;
	void (*done)(struct server *s, const struct runner_result *r);
	struct event *event;
	int fd;		/* wakes the main thread */
	bool under_way; /* the main thread's, as all above */
	bool over;	/* the thread ends: released, acquired */
	pthread_t thread;
	/* the thread's, while it is under way */
	struct rend_node *node; /* atomic; NULL: there is none */
	const struct rend_command *command;
	char **argv; /* one block with what it leads to */
	int argc, status;
	struct strbuf said;
	size_t left_out; /* bytes of what it wrote */
	struct rend_error err;
	char name[512];
};

/* ---- its thread ---- */

/* As much as there is room for; the rest is counted. */
static ssize_t
hear(void *cookie, const char *p, size_t len)
{
	struct runner *r = cookie;
	size_t room = RUNNER_ANSWER_MAX - r->said.len, fits = len < room ? len : room;

	strbuf_add(&r->said, p, fits);
	r->left_out += len - fits;
	return (ssize_t)len;
}

static void *
run(void *arg)
{
	struct runner *r = arg;
	FILE *out = fopencookie(r, "w", (cookie_io_functions_t){ .write = hear });

	if (out == NULL) {
		r->status = error_set(&r->err, EX_OSERR, "no memory for an answer");
	} else {
		r->status = r->command->run(
		    r->node->store, r->argc, (const char *const *)(void *)r->argv, out, &r->err);
		fclose(out);
	}
	__atomic_store_n(&r->over, true, __ATOMIC_RELEASE);
	while (eventfd_write(r->fd, 1) != 0 && errno == EINTR)
		;
	return NULL;
}

/* ---- what came of it ---- */

/* It was all there is of it, or ends with a line that says so. */
static void
end_answer(struct runner *r)
{
	struct strbuf *b = &r->said;

	b->most = RUNNER_ANSWER_MAX + 128;
	if (b->len > 0 && b->text[b->len - 1] != '\n')
		strbuf_puts(b, "\n");
	if (r->left_out > 0)
		strbuf_printf(b, "(%zu bytes more are left out)\n", r->left_out);
}

static int
exit_code(struct runner *r)
{
	if (r->status == 0 && !r->said.broken)
		return 0;
	if (r->status == 0)
		error_set(&r->err, EX_OSERR, "it is done, and there was no memory for what it says");
	else if (r->err.text[0] == '\0')
		error_set(&r->err, 0, "it failed, and does not say why");
	strbuf_fini(&r->said);
	r->left_out = 0;
	strbuf_printf(&r->said, "%s: %s: %s", r->node->name, r->command->name, r->err.text);
	return r->err.exit_code == 0 ? EX_COMMAND : r->err.exit_code;
}

/* Its thread has said that it ends. */
static void
finish(struct runner *r)
{
	struct runner_result result;

	pthread_join(r->thread, NULL);
	result.exit_code = exit_code(r);
	end_answer(r);
	if (result.exit_code == 0)
		rend_log(REND_LOG_INFO, "%s: %s is done", r->node->name, r->command->name);
	else
		rend_log(REND_LOG_WARN, "%s: %s failed: %s", r->node->name, r->command->name, r->err.text);
	__atomic_store_n(&r->node, NULL, __ATOMIC_RELEASE);
	r->under_way = false;
	free(r->argv);
	r->argv = NULL;
	result.text = r->said.text;
	result.len = r->said.len;
	r->done(r->server, &result);
	strbuf_fini(&r->said);
}

static void
on_over(evutil_socket_t fd, short what, void *arg)
{
	struct runner *r = arg;
	eventfd_t n;

	(void)what;
	if (eventfd_read(fd, &n) == 0 && r->under_way && __atomic_load_n(&r->over, __ATOMIC_ACQUIRE))
		finish(r);
}

/* ---- the main thread ---- */

/* Its names, one after the other. */
static void
list_commands(const struct rend_command *all, char *to, size_t size)
{
	size_t len = 0;

	for (; all->name != NULL && len < size; all++)
		len += (size_t)snprintf(to + len, size - len, "%s%s", len > 0 ? ", " : "", all->name);
}

/* NULL with the reason. */
static const struct rend_command *
find_command(const struct rend_node *n, const char *name, struct rend_error *err)
{
	const struct rend_command *all = n->plugin->handler.commands;
	char list[512];

	if (all == NULL || all->name == NULL) {
		error_set(err, EX_USAGE, "%s: plugin %s has no commands", n->name, plugin_name(n->plugin));
		return NULL;
	}
	for (const struct rend_command *c = all; name != NULL && c->name != NULL; c++)
		if (strcmp(c->name, name) == 0)
			return c;
	list_commands(all, list, sizeof list);
	if (name == NULL)
		error_set(err, EX_USAGE, "%s: a command is wanted: %s", n->name, list);
	else
		error_set(err, EX_USAGE, "%s: plugin %s has no command %.64s; it has: %s", n->name,
		    plugin_name(n->plugin), name, list);
	return NULL;
}

static int
check_args(const struct rend_command *c, char *const *args, size_t count, struct rend_error *err)
{
	size_t bytes = 0;

	if (c->args == NULL && count > 0)
		return error_set(err, EX_USAGE, "%s takes no arguments", c->name);
	if (count > RUNNER_ARGS_MAX)
		return error_set(err, EX_USAGE, "%s: at most %d arguments can be given", c->name, RUNNER_ARGS_MAX);
	for (size_t i = 0; i < count; i++)
		bytes += strlen(args[i]) + 1;
	if (bytes > RUNNER_ARG_BYTES)
		return error_set(err, EX_USAGE, "%s: the arguments are longer than %d KiB together", c->name,
		    RUNNER_ARG_BYTES / 1024);
	return 0;
}

/* Why nothing can be told to this node now; NULL: it can. */
static const char *
hinders(const struct runner *r, const struct rend_node *n)
{
	const struct server *s = r->server;

	if (s->draining)
		return "the server is ending";
	if (keeper_upgrades(s->keeper))
		return "an upgrade is under way: try again";
	if (r->under_way)
		return "another command is under way, rendctl status says which: try again";
	if (n->idle)
		return "it is not open, since all who would ask it bypass it";
	if (node_is_given(n))
		return "it was to go to another process, and could not be opened again yet: try again";
	return NULL;
}

/* words, and what they lead to, in one block.  NULL: no memory. */
static char **
copy_words(char *const *words, size_t count)
{
	size_t bytes = (count + 1) * sizeof(char *);
	char **all, *to;

	for (size_t i = 0; i < count; i++)
		bytes += strlen(words[i]) + 1;
	all = calloc(1, bytes);
	if (all == NULL)
		return NULL;
	to = (char *)&all[count + 1];
	for (size_t i = 0; i < count; i++) {
		all[i] = to;
		to = stpcpy(to, words[i]) + 1;
	}
	return all;
}

static int
start_thread(struct runner *r)
{
	sigset_t all, before;
	int e;

	/* Signals are the main thread's. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	e = pthread_create(&r->thread, NULL, run, r);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return e;
}

static int
begin(struct runner *r, struct rend_node *n, char *const *words, size_t count, struct rend_error *err)
{
	int e;

	r->argv = copy_words(words, count);
	if (r->argv == NULL)
		return error_set(err, EX_OSERR, "no memory for a command");
	r->argc = (int)count;
	r->said = (struct strbuf){ .most = RUNNER_ANSWER_MAX };
	r->left_out = 0;
	r->err = (struct rend_error){ 0 };
	r->over = false;
	snprintf(r->name, sizeof r->name, "%s %s", n->name, r->command->name);
	__atomic_store_n(&r->node, n, __ATOMIC_RELEASE);
	e = start_thread(r);
	r->under_way = e == 0;
	if (r->under_way) {
		rend_log(REND_LOG_INFO, "%s: rendctl said %s", n->name, r->command->name);
		return 0;
	}
	__atomic_store_n(&r->node, NULL, __ATOMIC_RELEASE);
	free(r->argv);
	r->argv = NULL;
	return error_set(err, EX_OSERR, "there is no thread for a command: %s", strerror(e));
}

int
runner_begin(struct runner *r, char *const *words, size_t count, struct rend_error *err)
{
	struct rend_node *n = count == 0 ? NULL : generation_node(server_generation(r->server), words[0]);
	const struct rend_command *command;
	const char *why;

	if (n == NULL)
		return error_set(
		    err, EX_USAGE, "there is no node %.256s: rendctl status lists them", count == 0 ? "" : words[0]);
	command = find_command(n, count > 1 ? words[1] : NULL, err);
	if (command == NULL || check_args(command, words + 2, count - 2, err) != 0)
		return -1;
	why = hinders(r, n);
	if (why != NULL)
		return error_set(err, EX_TEMPFAIL, "%s: %s", n->name, why);
	r->command = command;
	return begin(r, n, words + 1, count - 1, err);
}

const char *
runner_under_way(const struct runner *r)
{
	return r != NULL && r->under_way ? r->name : NULL;
}

bool
runner_needs(const struct runner *r, const struct generation *g)
{
	const struct rend_node *n = r == NULL ? NULL : __atomic_load_n(&r->node, __ATOMIC_ACQUIRE);

	return n != NULL && n->owner == g;
}

/* ---- the whole ---- */

struct runner *
runner_new(struct server *s, void (*done)(struct server *s, const struct runner_result *r), struct rend_error *err)
{
	struct runner *r = calloc(1, sizeof *r);

	if (r != NULL) {
		r->server = s;
		r->done = done;
		r->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		r->event = r->fd < 0 ? NULL : event_new(s->base, r->fd, EV_READ | EV_PERSIST, on_over, r);
		if (r->event != NULL && event_add(r->event, NULL) == 0)
			return r;
		runner_free(&r);
	}
	error_set(err, EX_OSERR, "no memory for commands");
	return NULL;
}

bool
runner_stop(struct runner *r)
{
	static const char late[] = "the server ends, and does not wait for it any longer\n";

	if (r == NULL || !r->under_way)
		return true;
	if (__atomic_load_n(&r->over, __ATOMIC_ACQUIRE)) {
		finish(r);
		return true;
	}
	rend_log(
	    REND_LOG_ERROR, "%s: %s did not come back: its store is left as it is", r->node->name, r->command->name);
	r->node->in_use = true;
	r->done(r->server, &(struct runner_result){ EX_TEMPFAIL, late, strlen(late) });
	return false;
}

void
runner_free(struct runner **rp)
{
	struct runner *r = *rp;

	*rp = NULL;
	if (r == NULL)
		return;
	if (r->event != NULL)
		event_free(r->event);
	if (r->fd >= 0)
		close(r->fd);
	free(r);
}
