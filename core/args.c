/* The command line: see args.h.  Short options mean to rend what they mean to memcached, and become settings like all
 * others. */
#include "args.h"

#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#define LISTENERS_MAX 32 /* by -l */

/* What has to wait until all was read: it depends on the rest. */
struct words {
	const char *port, *socket;
	struct {
		const char *address, *port;
	} listen[LISTENERS_MAX];
	size_t listen_count;
	const char *mode; /* the option that chose what to do */
};

typedef int take_f(struct args *a, struct words *w, const char *word);

static take_f take_file, take_setting, take_port, take_listen, take_socket, take_memory, take_verbose, take_background,
    take_user, take_pid_file, take_describe, take_takeover;

static const struct {
	int key; /* a letter, or 256 and more */
	const char *name, *arg;
	take_f *take;
	enum args_mode mode; /* where take is NULL */
	const char *doc;
} rows[] = {
	{ 'c', "config", "FILE", take_file, 0, "read the configuration from FILE; without: inmem under l1only" },
	{ 't', "test", NULL, NULL, ARGS_CHECK, "only check the configuration and load the plugins" },
	{ 'o', "set", "NAME=VALUE", take_setting, 0,
	    "set anything: -o listeners.0.port=11311, -o handlers.mem.memory=1GiB" },
	{ 'p', "port", "PORT", take_port, 0, "the TCP port (11211)" },
	{ 'l', "listen", "ADDRESS", take_listen, 0, "the address, or ADDRESS:PORT; several with commas (127.0.0.1)" },
	{ 's', "unix-socket", "PATH", take_socket, 0, "a unix socket instead of TCP" },
	{ 'm', "memory-limit", "MIB", take_memory, 0, "memory for items, in MiB (64)" },
	{ 'd', "daemon", NULL, take_background, 0, "go into the background once serving" },
	{ 'u', "user", "USER", take_user, 0, "who to become when started by root" },
	{ 'P', "pidfile", "FILE", take_pid_file, 0, "write the number of the process to FILE" },
	{ 'v', "verbose", NULL, take_verbose, 0, "log more" },
	{ 256, "draw", NULL, NULL, ARGS_DRAW, "print the graph and the policies' tables for dot" },
	{ 257, "paths", NULL, NULL, ARGS_PATHS, "print every path a request can take" },
	{ 258, "describe", "PLUGIN", take_describe, 0,
	    "print a plugin's options; rend, log, listener, admin, handler: the server's own" },
	{ 259, "list-plugins", NULL, NULL, ARGS_LIST_PLUGINS, "print what can be loaded" },
	{ 260, "takeover", "SOCKET", take_takeover, 0, "take over from the rend whose control socket this is" },
	{ 'V', "version", NULL, NULL, ARGS_VERSION, "print the version" },
	{ 'h', "help", NULL, NULL, ARGS_HELP, "print this" },
};

#define ROWS (sizeof rows / sizeof *rows)

__attribute__((format(printf, 1, 2))) static int
usage(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fputs("rend: ", stderr);
	vfprintf(stderr, fmt, ap);
	fputs("; rend --help tells more\n", stderr);
	va_end(ap);
	return EX_USAGE;
}

/* Text that lives as long as the args.  NULL: too much was said. */
__attribute__((format(printf, 2, 3))) static const char *
keep(struct args *a, const char *fmt, ...)
{
	char *at = a->text + a->used;
	size_t room = sizeof a->text - a->used;
	va_list ap;
	int len;

	va_start(ap, fmt);
	len = vsnprintf(at, room, fmt, ap);
	va_end(ap);
	if (len < 0 || (size_t)len >= room)
		return NULL;
	a->used += len + 1;
	return at;
}

static int
set(struct args *a, const char *path, const char *value, const char *origin)
{
	if (path == NULL || origin == NULL || a->count == ARGS_OVERRIDES_MAX)
		return usage("too many options");
	a->overrides[a->count++] = (struct conf_override){ path, value, origin };
	return 0;
}

static int
take_file(struct args *a, struct words *w, const char *word)
{
	(void)w;
	if (a->source.file != NULL)
		return usage("-c twice");
	a->source.file = word;
	return 0;
}

static int
take_setting(struct args *a, struct words *w, const char *word)
{
	const char *is = strchr(word, '='), *path;

	(void)w;
	if (is == NULL || is == word)
		return usage("-o wants NAME=VALUE, not \"%s\"", word);
	path = keep(a, "%.*s", (int)(is - word), word);
	return set(a, path, is + 1, path == NULL ? NULL : keep(a, "-o %s", path));
}

static int
take_port(struct args *a, struct words *w, const char *word)
{
	(void)a;
	w->port = word;
	return 0;
}

/* One of -l's: 127.0.0.1, 127.0.0.1:11211, ::1, [::1], [::1]:11211, localhost. */
static int
add_listen(struct args *a, struct words *w, const char *word)
{
	const char *colon = strrchr(word, ':'), *end = word + strlen(word), *port = NULL;

	if (w->listen_count == LISTENERS_MAX)
		return usage("-l more than %d times", LISTENERS_MAX);
	if (*word == '[') {
		const char *close = strchr(word, ']');

		if (close == NULL || (close[1] != '\0' && close[1] != ':'))
			return usage("-l wants an address, not \"%s\"", word);
		port = close[1] == ':' ? close + 2 : NULL;
		word++;
		end = close;
	} else if (colon != NULL && strchr(word, ':') == colon) {
		port = colon + 1;
		end = colon;
	}
	word = strncmp(word, "localhost", end - word) == 0 && end - word == 9
		   ? "127.0.0.1"
		   : keep(a, "%.*s", (int)(end - word), word);
	if (word == NULL)
		return usage("too many options");
	w->listen[w->listen_count].address = word;
	w->listen[w->listen_count++].port = port;
	return 0;
}

static int
take_listen(struct args *a, struct words *w, const char *word)
{
	while (*word != '\0') {
		size_t len = strcspn(word, ",");
		const char *one = keep(a, "%.*s", (int)len, word);
		int rc = one == NULL ? usage("too many options") : add_listen(a, w, one);

		if (rc != 0)
			return rc;
		word += len + (word[len] == ',');
	}
	return 0;
}

static int
take_socket(struct args *a, struct words *w, const char *word)
{
	(void)a;
	w->socket = word;
	return 0;
}

static int
take_memory(struct args *a, struct words *w, const char *word)
{
	(void)w;
	if (*word == '\0' || strlen(word) > 9 || word[strspn(word, "0123456789")] != '\0')
		return usage("-m wants a number of MiB, not \"%s\"", word);
	a->source.memory = keep(a, "%sMiB", word);
	return a->source.memory == NULL ? usage("too many options") : 0;
}

static int
take_verbose(struct args *a, struct words *w, const char *word)
{
	(void)w;
	(void)word;
	return set(a, "log.level", "debug", "-v");
}

static int
take_background(struct args *a, struct words *w, const char *word)
{
	(void)w;
	(void)word;
	a->background = true;
	return 0;
}

static int
take_user(struct args *a, struct words *w, const char *word)
{
	(void)w;
	return set(a, "user", word, "-u");
}

static int
take_pid_file(struct args *a, struct words *w, const char *word)
{
	(void)w;
	return set(a, "pid_file", word, "-P");
}

static int
choose(struct args *a, struct words *w, enum args_mode mode, const char *name)
{
	/* --help -t is help. */
	if (a->mode == ARGS_HELP || a->mode == ARGS_VERSION)
		return 0;
	if (w->mode != NULL && a->mode != mode && mode != ARGS_HELP && mode != ARGS_VERSION)
		return usage("--%s and --%s: which of them?", w->mode, name);
	w->mode = name;
	a->mode = mode;
	return 0;
}

static int
take_describe(struct args *a, struct words *w, const char *word)
{
	a->plugin = word;
	return choose(a, w, ARGS_DESCRIBE, "describe");
}

static int
take_takeover(struct args *a, struct words *w, const char *word)
{
	(void)w;
	a->takeover = word;
	return 0;
}

/* -s: the first listener becomes a unix socket, and TCP is off, as with memcached. */
static int
set_socket(struct args *a, const struct words *w)
{
	if (set(a, "listeners.0.address", NULL, "-s") != 0 || set(a, "listeners.0.port", NULL, "-s") != 0)
		return EX_USAGE;
	return set(a, "listeners.0.path", w->socket, "-s");
}

static int
set_listener(struct args *a, const struct words *w, size_t n)
{
	const char *port = w->listen[n].port != NULL ? w->listen[n].port : w->port;

	if (w->listen[n].address != NULL &&
	    set(a, keep(a, "listeners.%zu.address", n), w->listen[n].address, "-l") != 0)
		return EX_USAGE;
	if (port != NULL && set(a, keep(a, "listeners.%zu.port", n), port, port == w->port ? "-p" : "-l") != 0)
		return EX_USAGE;
	/* The configuration that is built in has one listener; the others ask what it asks. */
	return n == 0 ? 0 : set(a, keep(a, "listeners.%zu.policy", n), "main", "-l");
}

static int
set_listeners(struct args *a, struct words *w)
{
	if (w->socket != NULL)
		return set_socket(a, w);
	if (w->listen_count > 1 && a->source.file != NULL)
		return usage("several addresses by -l are only for a rend without -c");
	if (w->listen_count == 0)
		w->listen_count = w->port != NULL;
	for (size_t i = 0; i < w->listen_count; i++)
		if (set_listener(a, w, i) != 0)
			return EX_USAGE;
	return 0;
}

static int
take(struct args *a, struct words *w, int key)
{
	for (size_t i = 0; i < ROWS; i++)
		if (rows[i].key == key)
			return rows[i].take != NULL ? rows[i].take(a, w, optarg)
						    : choose(a, w, rows[i].mode, rows[i].name);
	return EX_USAGE;
}

int
args_parse(struct args *a, int argc, char **argv)
{
	char letters[2 * ROWS + 2] = "";
	struct option options[ROWS + 1] = { 0 };
	struct words w = { 0 };
	size_t used = 0;
	int key, rc;

	memset(a, 0, sizeof *a);
	a->argv = argv;
	for (size_t i = 0; i < ROWS; i++) {
		options[i] = (struct option){ rows[i].name, rows[i].arg != NULL, NULL, rows[i].key };
		if (rows[i].key >= 256)
			continue;
		letters[used++] = (char)rows[i].key;
		if (rows[i].arg != NULL)
			letters[used++] = ':';
	}
	while ((key = getopt_long(argc, argv, letters, options, NULL)) != -1) {
		/* getopt has said it already. */
		if (key == '?')
			return EX_USAGE;
		rc = take(a, &w, key);
		if (rc != 0)
			return rc;
	}
	if (optind < argc)
		return usage("\"%s\" is no option", argv[optind]);
	rc = set_listeners(a, &w);
	a->source.overrides = a->overrides;
	a->source.override_count = a->count;
	return rc;
}

void
args_help(void)
{
	printf("usage: rend [-c FILE] [options]\nA memcached-compatible server and proxy.\n\n");
	for (size_t i = 0; i < ROWS; i++) {
		char left[48];

		if (rows[i].key < 256)
			snprintf(left, sizeof left, "-%c, --%s %s", rows[i].key, rows[i].name,
			    rows[i].arg == NULL ? "" : rows[i].arg);
		else
			snprintf(
			    left, sizeof left, "    --%s %s", rows[i].name, rows[i].arg == NULL ? "" : rows[i].arg);
		printf("  %-28s %s\n", left, rows[i].doc);
	}
	printf("\nSignals: SIGTERM drains and ends; SIGHUP reads the configuration anew; SIGUSR2 hands over to a new "
	       "process of the\n"
	       "program that lies there now; SIGUSR1 opens the log file again.  rendctl asks for the same over the "
	       "control socket, and\n"
	       "says what came of it.\n");
}
