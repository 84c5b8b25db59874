/*
 * rendctl: tells a running rend what to do, and asks it how it is.  One line to its control socket (core/net/control.h), the answer from there:
 *
 *	rendctl reload ──► "reload\n" ──► rend ──► "ok\n" or "error 78\n", then lines ──► they are printed, 0 or 78 is the exit code
 */
#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#ifndef PACKAGE_VERSION
#define PACKAGE_VERSION "0"
#endif

#define CONTROL_DEFAULT "/run/rend/control"
#define WAIT_DEFAULT	60

static void
help(FILE *out)
{
	fputs(
	    "rendctl [-s SOCKET] [-w SECONDS] REQUEST\n"
	    "\n"
	    "  status          how it is: generation, listeners and their policies, nodes\n"
	    "  reload          read rend.conf anew; what is wrong is printed, and nothing has changed then\n"
	    "  upgrade         start the program anew and hand over all connections; if it fails, nothing has changed\n"
	    "  drain           take no more connections in, answer what was asked, end\n"
	    "  stats           all numbers, as /metrics has them\n"
	    "  loglevel LEVEL  error, warn, info or debug, until the next reload\n"
	    "  node NAME COMMAND [ARG...]\n"
	    "                  a command of the plugin of this block of rend.conf, which rend --describe PLUGIN lists; "
	    "an "
	    "ARG that begins\n"
	    "                  with - stands behind --\n"
	    "\n"
	    "  -s, --control SOCKET  what rend.conf calls control; without: $REND_CONTROL, else " CONTROL_DEFAULT "\n"
	    "  -w, --wait SECONDS    how long to wait for an answer; without: 60\n"
	    "  -h, --help            this\n"
	    "  -V, --version         which rend this belongs to\n"
	    "\n"
	    "Exit codes: 0 done; 1 the plugin's command failed; 64 it was asked wrongly; 69 no rend answers there, or "
	    "not in time; 74 the\n"
	    "answer was cut off; 75 not now, try again; 77 not allowed; others, such as 78 (rend.conf is wrong), are "
	    "what rend would exit\n"
	    "with.\n",
	    out);
}

static int
fail(int code, const char *what, const char *why)
{
	fprintf(stderr, "rendctl: %s: %s\n", what, why);
	return code;
}

static long long
now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (long long)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* 0, or the exit code after a sentence. */
static int
call(const char *path, int *fd)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };

	if (strlen(path) >= sizeof un.sun_path)
		return fail(EX_USAGE, path, "the path is too long");
	strcpy(un.sun_path, path);
	*fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (*fd < 0)
		return fail(EX_OSERR, "socket", strerror(errno));
	if (connect(*fd, (struct sockaddr *)&un, sizeof un) == 0)
		return 0;
	return fail(errno == EACCES || errno == EPERM ? EX_NOPERM : EX_UNAVAILABLE, path, strerror(errno));
}

/* Waits until it can be read from.  false: it took too long. */
static bool
await(int fd, long long until)
{
	for (;;) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		long long left = until - now_ms();
		int n = poll(&p, 1, left > 0 ? (int)left : 0);

		if (n > 0)
			return true;
		if (n == 0 || errno != EINTR)
			return false;
	}
}

/* How long the answer is, behind how it went.  false: it is none. */
static bool
take_length(const char *at, long long *length)
{
	char *end;

	*length = -1;
	if (*at == '\0')
		return true;
	if (*at != ' ' || at[1] < '0' || at[1] > '9')
		return false;
	*length = strtoll(at + 1, &end, 10);
	return *end == '\0';
}

/* The first line says how it went, and, of some answers, how many bytes follow (else -1).  The exit code; -1: it is none. */
static int
take_head(const char *head, long long *length)
{
	char *end;
	long code;

	if (strncmp(head, "ok", 2) == 0)
		return take_length(head + 2, length) ? 0 : -1;
	if (strncmp(head, "error ", 6) != 0)
		return -1;
	code = strtol(head + 6, &end, 10);
	return code > 0 && code < 256 && take_length(end, length) ? (int)code : -1;
}

/* Reads the answer and prints what stands behind its first line. */
static int
hear(int fd, const char *path, long long until)
{
	char head[64], buf[4096];
	size_t len = 0;
	long long length = -1, heard = 0;
	int code = -1;

	for (;;) {
		char *p = buf;
		ssize_t n;

		if (!await(fd, until))
			return fail(EX_UNAVAILABLE, path, "no answer in time; what was asked for may still happen");
		n = recv(fd, buf, sizeof buf, MSG_DONTWAIT);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			continue;
		if (n <= 0)
			break;
		for (; code < 0 && p < buf + n; p++) {
			if (*p != '\n' && len < sizeof head - 1) {
				head[len++] = *p;
				continue;
			}
			head[len] = '\0';
			code = take_head(head, &length);
			if (code < 0)
				return fail(EX_PROTOCOL, path, "that is no rend");
		}
		fwrite(p, 1, (size_t)(buf + n - p), code == 0 ? stdout : stderr);
		heard += buf + n - p;
	}
	if (code < 0)
		return fail(EX_IOERR, path, "it hung up without an answer: is it ending, or are you somebody else?");
	if (fflush(stdout) != 0 || ferror(stdout))
		return fail(EX_IOERR, "cannot write", strerror(errno));
	if (heard < length)
		return fail(EX_IOERR, path, "the answer was cut off");
	return code;
}

/* The words in one line, as core/net/control.h has them; NULL: no memory. */
static char *
line_of(int argc, char **argv)
{
	size_t room = 1;
	char *line, *to;

	for (int i = 0; i < argc; i++)
		room += 3 * strlen(argv[i]) + 1;
	line = to = malloc(room + 1);
	for (int i = 0; line != NULL && i < argc; i++) {
		for (const unsigned char *p = (const unsigned char *)argv[i]; *p != '\0'; p++)
			if (*p <= ' ' || *p == '%' || *p >= 0x7f)
				to += sprintf(to, "%%%02X", *p);
			else
				*to++ = (char)*p;
		*to++ = i + 1 < argc ? ' ' : '\n';
	}
	if (line != NULL)
		*to = '\0';
	return line;
}

/* All of it, or nothing can be said any more: it may not be read further than it is too long, and that is the answer then. */
static void
say(int fd, const char *line, long long until)
{
	size_t len = strlen(line);

	while (len > 0) {
		struct pollfd p = { .fd = fd, .events = POLLOUT };
		long long left = until - now_ms();
		ssize_t n;

		if (left <= 0 || (poll(&p, 1, (int)left) < 0 && errno != EINTR))
			return;
		n = send(fd, line, len, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return;
		line += n > 0 ? n : 0;
		len -= n > 0 ? (size_t)n : 0;
	}
}

static int
ask(const char *path, int seconds, int argc, char **argv)
{
	long long until = now_ms() + 1000LL * seconds;
	int fd = -1, rc;
	char *line;

	if (argc > 2 && strcmp(argv[0], "node") != 0)
		return fail(EX_USAGE, "too many words", "see rendctl --help");
	line = line_of(argc, argv);
	if (line == NULL)
		return fail(EX_OSERR, "rendctl", "no memory");
	rc = call(path, &fd);
	if (rc == 0) {
		say(fd, line, until);
		rc = hear(fd, path, until);
	}
	if (fd >= 0)
		close(fd);
	free(line);
	return rc;
}

int
main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "control", required_argument, NULL, 's' },
		{ "wait", required_argument, NULL, 'w' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ NULL, 0, NULL, 0 },
	};
	const char *path = getenv("REND_CONTROL");
	int seconds = WAIT_DEFAULT, key;
	char *end;
	long n;

	while ((key = getopt_long(argc, argv, "s:w:hV", options, NULL)) != -1)
		switch (key) {
		case 's':
			path = optarg;
			break;
		case 'w':
			n = strtol(optarg, &end, 10);
			if (*end != '\0' || end == optarg || n < 1 || n > 86400)
				return fail(EX_USAGE, optarg, "seconds are wanted, 1 to 86400");
			seconds = (int)n;
			break;
		case 'h':
			help(stdout);
			return 0;
		case 'V':
			puts("rendctl " PACKAGE_VERSION);
			return 0;
		default:
			return EX_USAGE;
		}
	if (optind == argc) {
		help(stderr);
		return EX_USAGE;
	}
	return ask(path == NULL || *path == '\0' ? CONTROL_DEFAULT : path, seconds, argc - optind, argv + optind);
}
