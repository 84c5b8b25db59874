/* Reads rend.conf anew: see reload.h. */
#include "reload.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/process.h"

/* More than the child gives the plugins. */
#define PATIENCE_NS ((CONF_REHEARSAL + 20) * 1000000000ULL)

#define ARGS_MAX    1024

extern char **environ;

/* ---- the child ---- */

static int
spawn(pid_t *pid, const struct reload *r, int said, char **argv)
{
	const struct process_file files[] = {
		{ .to = STDIN_FILENO, .from = -1, .path = "/dev/null", .flags = O_RDONLY },
		{ .to = STDOUT_FILENO, .from = -1, .path = "/dev/null", .flags = O_WRONLY },
		{ .to = STDERR_FILENO, .from = said },
	};
	const struct process_start how = {
		/* What runs, even if another file lies at its path meanwhile. */
		.program = "/proc/self/exe",
		/* Else this process still is where it was started; it need not be able to come there again. */
		.folder = r->args->background ? r->folder : NULL,
		.argv = argv,
		.environment = environ,
		.files = files,
		.file_count = sizeof files / sizeof *files,
	};

	return process_start(&how, pid);
}

static void
take_said(int fd, struct strbuf *said)
{
	char buf[4096];
	ssize_t n;

	for (off_t at = 0; (n = pread(fd, buf, sizeof buf, at)) > 0; at += n)
		strbuf_add(said, buf, (size_t)n);
}

static int
say_late(const bool *stop, struct strbuf *said)
{
	if (__atomic_load_n(stop, __ATOMIC_RELAXED)) {
		strbuf_puts(said, "the server is ending\n");
		return EX_TEMPFAIL;
	}
	strbuf_printf(said, "rend.conf could not be checked within %d s\n", (int)(PATIENCE_NS / 1000000000));
	return EX_SOFTWARE;
}

/* 0, or the exit code; what it said then is in said. */
static int
check_apart(const struct reload *r, const bool *stop, struct strbuf *said)
{
	char *argv[ARGS_MAX + 3] = { r->args->argv[0], "-t" };
	int count = 2, fd = memfd_create("reload", MFD_CLOEXEC), status = 0, e;
	pid_t pid;

	for (char **arg = r->args->argv + 1; *arg != NULL && count < ARGS_MAX; arg++)
		argv[count++] = *arg;
	argv[count] = NULL;
	e = fd < 0 ? errno : spawn(&pid, r, fd, argv);
	if (e != 0) {
		strbuf_printf(said, "rend.conf cannot be checked apart: %s\n", strerror(e));
		status = EX_OSERR;
	} else if (!process_await(pid, &status, clock_mono() + PATIENCE_NS, stop)) {
		process_end(pid, &status);
		take_said(fd, said);
		status = say_late(stop, said);
	} else if (!WIFEXITED(status)) {
		take_said(fd, said);
		strbuf_printf(said, "the process that checked rend.conf died with signal %d\n", WTERMSIG(status));
		status = EX_SOFTWARE;
	} else {
		status = WEXITSTATUS(status);
		if (status != 0)
			take_said(fd, said);
	}
	if (fd >= 0)
		close(fd);
	return status;
}

/* ---- what needs a restart ---- */

static bool
same_text(const char *a, const char *b)
{
	return strcmp(a == NULL ? "" : a, b == NULL ? "" : b) == 0;
}

static int
check_fixed(const struct conf *now, const struct conf *next, struct strbuf *said)
{
	const struct server_settings *a = &now->server, *b = &next->server;
	const struct {
		const char *name;
		bool same;
	} fixed[] = {
		{ "workers", a->workers == b->workers },
		{ "disk_threads", a->disk_threads == b->disk_threads },
		{ "max_connections", now->max_connections == next->max_connections },
		{ "backlog", a->backlog == b->backlog },
		{ "item_size_max", a->item_size_max == b->item_size_max },
		{ "user", same_text(now->user, next->user) },
		{ "pid_file", same_text(now->pid_file, next->pid_file) },
		{ "state_dir", same_text(a->state_dir, b->state_dir) },
		{ "control", same_text(a->control, b->control) },
		{ "log.to", same_text(now->log_to, next->log_to) },
		{ "admin", a->admin.on == b->admin.on },
		{ "admin.address", same_text(a->admin.at.address, b->admin.at.address) },
		{ "admin.port", a->admin.at.port == b->admin.at.port },
	};
	int rc = 0;

	for (size_t i = 0; i < sizeof fixed / sizeof *fixed; i++)
		if (!fixed[i].same) {
			strbuf_printf(said, "%s has changed: needs a restart\n", fixed[i].name);
			rc = EX_CONFIG;
		}
	return rc;
}

/* ---- the source ---- */

static void
take_messages(struct messages *m, struct strbuf *said)
{
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);

	if (f == NULL)
		return;
	messages_print(m, f);
	if (fclose(f) == 0)
		strbuf_add(said, text, len);
	free(text);
}

static int
load(const struct reload *r, struct conf *c, const struct generation *now, struct strbuf *said)
{
	struct messages m = { 0 };
	struct rend_error err = { 0 };
	int rc = conf_load_beside(c, &r->source_conf, now, &m);

	take_messages(&m, said);
	messages_fini(&m);
	if (rc == 0 && r->args->background && conf_make_absolute(c, r->folder, &err) != 0) {
		strbuf_printf(said, "%s\n", err.text);
		rc = EX_OSERR;
	}
	return rc != 0 ? rc : check_fixed(r->first, c, said);
}

static void
drop(struct conf *c)
{
	conf_fini(c);
	free(c);
}

static int
read_anew(void *arg, const struct generation *now, const bool *stop, struct server_settings **next, struct strbuf *said)
{
	const struct reload *r = arg;
	struct conf *c = calloc(1, sizeof *c);
	int rc;

	if (c == NULL) {
		strbuf_puts(said, "no memory\n");
		return EX_OSERR;
	}
	rc = check_apart(r, stop, said);
	if (rc == 0)
		rc = load(r, c, now, said);
	if (rc != 0) {
		drop(c);
		return rc;
	}
	c->server.max_connections = r->first->server.max_connections;
	c->generation = NULL;
	*next = &c->server;
	return 0;
}

static void
release(void *arg, struct server_settings **next)
{
	struct conf *c = (struct conf *)(void *)((char *)*next - offsetof(struct conf, server));

	(void)arg;
	*next = NULL;
	drop(c);
}

int
reload_init(struct reload *r, const struct args *args, const struct conf *first, struct rend_error *err)
{
	const char *file = args->source.file;

	*r = (struct reload){ .args = args,
		.first = first,
		.source_conf = args->source,
		.source = { .arg = r, .read = read_anew, .release = release } };
	/* In the background the folder is left. */
	if (!args->background)
		return 0;
	r->folder = getcwd(NULL, 0);
	if (r->folder == NULL)
		return error_set(err, EX_OSERR, "cannot tell what folder this is: %s", strerror(errno));
	if (file != NULL && *file != '/' && asprintf(&r->file, "%s/%s", r->folder, file) >= 0)
		r->source_conf.file = r->file;
	return 0;
}

void
reload_fini(struct reload *r)
{
	free(r->folder);
	free(r->file);
	r->folder = r->file = NULL;
}
