/* The process that comes after this one: see successor.h. */
#include "successor.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/process.h"

#define VARIABLE "REND_TAKEOVER"
#define CHANNEL	 3

/* How long one that was told to end may take. */
#define END_NS 2000000000ULL

extern char **environ;

/* A path that was said is followed again, wherever it leads by then; one that was looked up is where it was found. */
static char *
program_of(const char *said, const char *folder)
{
	char found[4096], *program = NULL;
	ssize_t n;

	if (*said == '/')
		return strdup(said);
	if (strchr(said, '/') != NULL)
		return asprintf(&program, "%s/%s", folder, said) < 0 ? NULL : program;
	n = readlink("/proc/self/exe", found, sizeof found - 1);
	if (n <= 0)
		return NULL;
	found[n] = '\0';
	return strdup(found);
}

int
successor_init(struct successor *s, const struct args *args, struct rend_error *err)
{
	*s = (struct successor){ .args = args, .folder = getcwd(NULL, 0) };
	if (s->folder != NULL)
		s->program = program_of(args->argv[0], s->folder);
	if (s->program != NULL)
		return 0;
	error_set(err, EX_OSERR, "cannot tell where the program is: %s", strerror(errno));
	successor_fini(s);
	return -1;
}

void
successor_fini(struct successor *s)
{
	free(s->program);
	free(s->folder);
	s->program = s->folder = NULL;
}

/* Ours, with the variable, and without what is meant for this process alone; NULL: no memory.  Its strings are environ's but for the first. */
static char **
environment(void)
{
	size_t count = 0, to = 0;
	char **env;

	while (environ[count] != NULL)
		count++;
	env = calloc(count + 2, sizeof *env);
	if (env == NULL)
		return NULL;
	env[to++] = (char *)(uintptr_t)VARIABLE "=3";
	for (size_t i = 0; i < count; i++)
		if (strncmp(environ[i], VARIABLE "=", sizeof VARIABLE) != 0)
			env[to++] = environ[i];
	return env;
}

int
successor_start(const struct successor *s, int channel, pid_t *pid, struct rend_error *err)
{
	const struct process_file files[] = { { .to = CHANNEL, .from = channel } };
	char **env = environment();
	const struct process_start how = { s->program, s->folder, s->args->argv, env, files, 1 };
	int e;

	if (env == NULL)
		return error_set(err, EX_OSERR, "no memory for a new process");
	e = process_start(&how, pid);
	free(env);
	return e == 0 ? 0 : error_set(err, EX_OSERR, "%s: %s", s->program, strerror(e));
}

void
successor_end(pid_t pid, struct strbuf *said)
{
	int status = 0;
	bool late = !process_await(pid, &status, clock_mono() + END_NS, NULL);

	if (late && !process_end(pid, &status)) {
		strbuf_puts(said, "the new process does not end, also when it is killed\n");
		return;
	}
	if (late)
		strbuf_puts(said, "the new process did not end, and was killed\n");
	else if (WIFSIGNALED(status))
		strbuf_printf(
		    said, "the new process died with signal %d (%s)\n", WTERMSIG(status), strsignal(WTERMSIG(status)));
	else if (WEXITSTATUS(status) != 0)
		strbuf_printf(said, "the new process exited with status %d\n", WEXITSTATUS(status));
}

int
successor_channel(void)
{
	const char *said = getenv(VARIABLE);
	int type = 0;
	socklen_t len = sizeof type;
	bool ours = said != NULL && strcmp(said, "3") == 0;

	unsetenv(VARIABLE);
	if (!ours || getsockopt(CHANNEL, SOL_SOCKET, SO_TYPE, &type, &len) != 0 || type != SOCK_SEQPACKET)
		return -1;
	fcntl(CHANNEL, F_SETFD, FD_CLOEXEC);
	return CHANNEL;
}
