/* The command line: one table, from which --help is made. */
#include "args.h"

#include <arpa/inet.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "tool.h"

typedef const char *take_f(struct settings *s, const char *word);

static take_f take_protocol, take_binary, take_text, take_sources, take_arrivals, take_size, take_ttl, take_width,
    take_mix, take_set_share, take_pid, take_claim, take_also, take_promise;

enum kind { TITLE, TAKE, FLAG, COUNT, COUNT32, REAL, TIME, BYTES, TEXT };

static const struct row {
	const char *names; /* with commas between; of one letter: -n, longer ones: --name, and -name */
	const char *arg;
	enum kind kind;
	uint64_t least, most; /* of COUNT, COUNT32, TIME and BYTES */
	size_t at;	      /* in struct settings */
	take_f *take;
	const char *doc;
} rows[] = {
#define AT(field) offsetof(struct settings, field)
	{ NULL, NULL, TITLE, 0, 0, 0, NULL, "The server" },
	{ "h,host", "HOST", TEXT, 0, 0, AT(host), NULL, "where it is (localhost)" },
	{ "p,port", "PORT", TEXT, 0, 0, AT(port), NULL, "its port (11212)" },
	{ "s,socket", "PATH", TEXT, 0, 0, AT(socket), NULL, "a unix socket instead" },
	{ "also", "ADDRESS", TAKE, 0, 0, 0, take_also,
	    "another way to the same data, HOST:PORT or the PATH of a unix socket; connections use all of them in "
	    "turn" },
	{ "protocol", "NAME", TAKE, 0, 0, 0, take_protocol, "text, binary or meta (text)" },
	{ "b,binary", NULL, TAKE, 0, 0, 0, take_binary, "--protocol binary" },
	{ "t,text", NULL, TAKE, 0, 0, 0, take_text, "--protocol text" },
	{ "sources", "A-B,C", TAKE, 0, 0, 0, take_sources, "addresses to connect from, in turn: 127.0.0.1-127.0.0.4" },
	{ "timeout", "TIME", TIME, 1000000, 3600000000000, AT(timeout), NULL,
	    "an answer that takes longer is lost (5s)" },

	{ NULL, NULL, TITLE, 0, 0, 0, NULL, "How long" },
	{ "n,num-ops,requests", "N", COUNT, 1, UINT64_C(1) << 60, AT(requests), NULL,
	    "so many requests (1M, if no time is given)" },
	{ "seconds", "TIME", TIME, 1000000, UINT64_C(86400000000000) * 30, AT(duration), NULL, "so long" },
	{ "warmup", "TIME", TIME, 0, 3600000000000, AT(warmup), NULL, "before that, so long without counting (0)" },

	{ NULL, NULL, TITLE, 0, 0, 0, NULL, "How" },
	{ "w,workers,c,connections", "N", COUNT32, 1, 100000, AT(connections), NULL, "so many connections (10)" },
	{ "idle", "N", COUNT32, 0, 100000, AT(idle), NULL, "and so many that ask once and then are silent (0)" },
	{ "depth", "N", COUNT32, 1, 1000, AT(depth), NULL,
	    "requests of a connection that are under way at a time (1)" },
	{ "rate", "N", REAL, 0, 0, AT(rate), NULL,
	    "open loop: so many requests a second, whether answers come or not; times count from when each was due" },
	{ "arrivals", "HOW", TAKE, 0, 0, 0, take_arrivals, "with --rate: constant, or poisson (constant)" },
	{ "churn", "N", REAL, 0, 0, AT(churn), NULL, "so many connections a second are closed and opened again (0)" },
	{ "preload", NULL, FLAG, 0, 0, AT(preload), NULL, "store all keys first, without counting" },
	{ "seed", "N", COUNT, 0, UINT64_C(1) << 60, AT(seed), NULL, "the same requests again (by the clock)" },

	{ NULL, NULL, TITLE, 0, 0, 0, NULL, "What" },
	{ "kl,key-length", "N", COUNT32, 1, KEYS_NAME_MAX, AT(letters), NULL, "letters of a key, behind the prefix" },
	{ "keys", "N", COUNT, 1, KEYS_MAX, AT(keys), NULL, "so many keys; without, all that the letters can name" },
	{ "prefix", "TEXT", TEXT, 0, 0, AT(prefix), NULL, "what keys begin with" },
	{ "dist", "HOW", TEXT, 0, 0, AT(order), NULL,
	    "which keys: uniform, zipf:0.99, hotspot:10%:90%, sequential (uniform)" },
	{ "size", "SIZES", TAKE, 0, 0, 0, take_size,
	    "bytes of a value: 100; 1KiB-10KiB; 100:9,4KiB:1; lognormal:200:1.5:64KiB" },
	{ "ttl", "TIMES", TAKE, 0, 0, 0, take_ttl, "TTLs in seconds: 0; 60-3600; 0:1,60:9 (0)" },
	{ "width", "N", TAKE, 0, 0, 0, take_width, "keys of one get: 1; 10; 2-25" },
	{ "mix", "VERB:N,...", TAKE, 0, 0, 0, take_mix, "which requests, and how often: get:9,set:1" },
	{ "set-share", "SHARE", TAKE, 0, 0, 0, take_set_share, "so much of it is set, the rest get: 10%" },
	{ "flags", NULL, FLAG, 0, 0, AT(flags), NULL, "items have client flags, which are checked, too" },
	{ "step", "BYTES", BYTES, 1, SIZE_MOST, AT(step), NULL, "sizes: by how much each is larger (100)" },
	{ "limit", "BYTES", BYTES, 1, SIZE_MOST / 2, AT(limit), NULL,
	    "sizes: the largest item (item_size_max of the server's stats, or 1MiB)" },
	{ "may-evict", NULL, FLAG, 0, 0, AT(may_evict), NULL, "a miss is no fault where there should be a value" },

	{ "promise", "NAME", TAKE, 0, 0, 0, take_promise, "check: atomic or fresh (atomic)" },
	{ "no-evictions", NULL, FLAG, 0, 0, AT(no_evictions), NULL,
	    "check: a miss is a fault, too, where nothing has removed the value" },
	{ "ttl-slack", "TIME", TIME, 0, 3600000000000, AT(slack), NULL,
	    "check: a value may be read so long after its exptime (3s)" },

	{ NULL, NULL, TITLE, 0, 0, 0, NULL, "What is said" },
	{ "pid", "PID,...", TAKE, 0, 0, 0, take_pid, "CPU time and memory of these processes, in the measured time" },
	{ "json", "FILE", TEXT, 0, 0, AT(json), NULL,
	    "everything, as JSON; - is the standard output, instead of tables" },
	{ "assert", "CLAIMS", TAKE, 0, 0, 0, take_claim,
	    "end with status 2 unless all hold: p99<2ms,errors=0,get.hits>0" },
	{ "may-fail", NULL, FLAG, 0, 0, AT(may_fail), NULL, "errors that the server says leave the status alone" },
	{ "may-lose", NULL, FLAG, 0, 0, AT(may_lose), NULL, "nor do lost answers" },
	{ "interval", "TIME", TIME, 10000000, 3600000000000, AT(interval), NULL,
	    "throughput is noted once in this time (1s)" },
	{ "quiet", NULL, FLAG, 0, 0, AT(quiet), NULL, "no tables" },
	{ "help", NULL, FLAG, 0, 0, 0, NULL, "this" },
	{ "version", NULL, FLAG, 0, 0, 0, NULL, "the version" },
#undef AT
};

#define ROWS (sizeof rows / sizeof *rows)

/* ---- options that are more than a number ---- */

static const char *
take_protocol(struct settings *s, const char *word)
{
	s->proto = proto_find(word);
	return s->proto == NULL ? "there are text, binary and meta" : NULL;
}

static const char *
take_binary(struct settings *s, const char *word)
{
	(void)word;
	s->proto = &proto_binary;
	return NULL;
}

static const char *
take_text(struct settings *s, const char *word)
{
	(void)word;
	s->proto = &proto_text;
	return NULL;
}

/* One address, or two with a dash between. */
static const char *
add_sources(struct settings *s, char *part)
{
	char *dash = strchr(part, '-');
	struct in_addr first, last;

	if (dash != NULL)
		*dash = '\0';
	if (inet_pton(AF_INET, part, &first) != 1 || inet_pton(AF_INET, dash == NULL ? part : dash + 1, &last) != 1)
		return "it is no IPv4 address";
	for (uint64_t a = ntohl(first.s_addr); a <= ntohl(last.s_addr); a++) {
		if (s->source_count == SETTINGS_SOURCES)
			return "they are more than 256";
		s->sources[s->source_count++].s_addr = htonl((uint32_t)a);
	}
	return s->source_count == 0 ? "the larger one comes first" : NULL;
}

static const char *
take_sources(struct settings *s, const char *word)
{
	char part[40];
	const char *why;

	s->source_count = 0;
	for (;; word++) {
		size_t len = strcspn(word, ",");

		snprintf(part, sizeof part, "%.*s", (int)len, word);
		why = add_sources(s, part);
		word += len;
		if (why != NULL || *word == '\0')
			return why;
	}
}

/* HOST:PORT, [HOST]:PORT, or a path. */
static const char *
take_also(struct settings *s, const char *word)
{
	const char *colon = strrchr(word, ':');
	bool brackets = word[0] == '[' && colon != NULL && colon[-1] == ']';
	size_t host = colon == NULL ? 0 : (size_t)(colon - word) - (brackets ? 2 : 0);

	if (s->also_count == SETTINGS_ALSO)
		return "more than 15 times";
	if (word[0] == '/') {
		if (strlen(word) >= sizeof s->also[0].path)
			return "the path is too long";
		strcpy(s->also[s->also_count++].path, word);
		return NULL;
	}
	if (colon == NULL || host == 0 || host >= sizeof s->also[0].host || strlen(colon + 1) >= sizeof s->also[0].port)
		return "it is neither HOST:PORT nor a path that begins with /";
	memcpy(s->also[s->also_count].host, word + brackets, host);
	strcpy(s->also[s->also_count++].port, colon + 1);
	return NULL;
}

static const char *
take_promise(struct settings *s, const char *word)
{
	s->fresh = strcmp(word, "fresh") == 0;
	return s->fresh || strcmp(word, "atomic") == 0 ? NULL : "there are atomic and fresh";
}

static const char *
take_arrivals(struct settings *s, const char *word)
{
	s->poisson = strcmp(word, "poisson") == 0;
	return s->poisson || strcmp(word, "constant") == 0 ? NULL : "there are constant and poisson";
}

static const char *
take_size(struct settings *s, const char *word)
{
	return spread_parse(&s->size, word, QUANTITY_BYTES, SIZE_MOST);
}

static const char *
take_ttl(struct settings *s, const char *word)
{
	return spread_parse(&s->ttl, word, QUANTITY_COUNT, TTL_MOST);
}

static const char *
take_width(struct settings *s, const char *word)
{
	const char *why = spread_parse(&s->width, word, QUANTITY_COUNT, WIDTH_MOST);

	for (uint32_t i = 0; why == NULL && i < s->width.count; i++)
		if (s->width.parts[i].low == 0 || s->width.parts[i].high == 0)
			return "a get has a key";
	return why;
}

static const char *
take_mix(struct settings *s, const char *word)
{
	memset(s->mix, 0, sizeof s->mix);
	s->mix_all = 0;
	for (;; word++) {
		size_t len = strcspn(word, ","), name = strcspn(word, ":,");
		enum verb v = verb_find(word, name);
		double n = 1;

		if (v == VERB_COUNT)
			return "no such verb; there are get gets gat gats gete set add replace append prepend cas "
			       "delete incr "
			       "decr touch version noop flush_all";
		if (name < len && !quantity_parse(word + name + 1, len - name - 1, QUANTITY_SHARE, &n))
			return "behind : stands how often";
		s->mix[v] += n;
		s->mix_all += n;
		word += len;
		if (*word == '\0')
			break;
	}
	return s->mix_all > 0 ? NULL : "it is empty";
}

static const char *
take_set_share(struct settings *s, const char *word)
{
	double share;

	if (!quantity_parse(word, strlen(word), QUANTITY_SHARE, &share) || share > 1)
		return "it is 0 to 100%, or 0 to 1";
	memset(s->mix, 0, sizeof s->mix);
	s->mix[VERB_SET] = share;
	s->mix[VERB_GET] = 1 - share;
	s->mix_all = 1;
	return NULL;
}

static const char *
take_pid(struct settings *s, const char *word)
{
	for (;; word++) {
		size_t len = strcspn(word, ",");
		uint64_t pid;

		if (!quantity_whole(word, len, QUANTITY_COUNT, INT32_MAX, &pid) || pid == 0)
			return "it is no process id";
		if (s->pid_count == SETTINGS_PIDS)
			return "they are more than 16";
		s->pids[s->pid_count++] = (uint32_t)pid;
		word += len;
		if (*word == '\0')
			return NULL;
	}
}

static const char *
take_claim(struct settings *s, const char *word)
{
	if (s->claim_count == SETTINGS_CLAIMS)
		return "more than 32 times";
	s->claims[s->claim_count++] = word;
	return NULL;
}

/* ---- reading ---- */

/* A sentence for a number that is none. */
static const char *
no_number(const struct row *row)
{
	static char why[160];
	enum quantity q = row->kind == TIME ? QUANTITY_TIME : row->kind == BYTES ? QUANTITY_BYTES : QUANTITY_COUNT;

	snprintf(why, sizeof why, "it is no such number, or too small or too large; such as %s", quantity_examples(q));
	return why;
}

static const char *
take_row(struct settings *s, const struct row *row, const char *word)
{
	void *at = (char *)s + row->at;
	enum quantity q = row->kind == TIME ? QUANTITY_TIME : row->kind == BYTES ? QUANTITY_BYTES : QUANTITY_COUNT;
	uint64_t n;

	switch (row->kind) {
	case TITLE:
		break;
	case TAKE:
		return row->take(s, word);
	case FLAG:
		*(bool *)at = true;
		return NULL;
	case TEXT:
		*(const char **)at = word;
		return NULL;
	case REAL:
		return quantity_parse(word, strlen(word), q, at) ? NULL : no_number(row);
	case COUNT:
	case TIME:
	case BYTES:
	case COUNT32:
		if (!quantity_whole(word, strlen(word), q, row->most, &n) || n < row->least)
			return no_number(row);
		if (row->kind == COUNT32)
			*(uint32_t *)at = (uint32_t)n;
		else
			*(uint64_t *)at = n;
		if (row->at == offsetof(struct settings, seed))
			s->seeded = true;
		return NULL;
	}
	return "it is no option";
}

static const struct row *
row_named(const char *name, size_t len)
{
	for (size_t i = 0; i < ROWS; i++) {
		const char *n = rows[i].names;

		while (n != NULL && *n != '\0') {
			size_t part = strcspn(n, ",");

			if (part == len && memcmp(n, name, len) == 0)
				return &rows[i];
			n += part + (n[part] == ',');
		}
	}
	return NULL;
}

/* -n 5, -n5, -n=5, --requests 5, -requests=5.  Returns how many words it took, or 0: everything is said. */
static int
take_option(struct settings *s, const char *word, const char *next, const struct row **row)
{
	const char *name = word + (word[1] == '-' ? 2 : 1), *equals = strchr(name, '='), *value = NULL, *why;
	size_t len = equals == NULL ? strlen(name) : (size_t)(equals - name);
	int words = 1;

	*row = row_named(name, len);
	if (*row != NULL && equals != NULL) {
		value = equals + 1;
	} else if (*row == NULL && word[1] != '-') {
		*row = row_named(name, 1);
		value = name + 1;
	}
	if (*row == NULL || (value != NULL && (*row)->arg == NULL)) {
		fprintf(stderr, "rend-load: there is no option %s; rend-load --help tells which there are\n", word);
		return 0;
	}
	if ((*row)->arg != NULL && value == NULL) {
		value = next;
		words = 2;
	}
	if ((*row)->arg != NULL && value == NULL) {
		fprintf(stderr, "rend-load: %s wants %s\n", word, (*row)->arg);
		return 0;
	}
	/* --help and --version are the caller's. */
	if ((*row)->kind == FLAG && (*row)->at == 0)
		return words;
	why = take_row(s, *row, value);
	if (why == NULL)
		return words;
	fprintf(stderr, "rend-load: %s%s%s: %s\n", word, words == 2 ? " " : "", words == 2 ? value : "", why);
	return 0;
}

static void
help_row(const struct row *row)
{
	char left[80];
	size_t used = 0;

	if (row->kind == TITLE) {
		printf("\n%s:\n", row->doc);
		return;
	}
	for (const char *n = row->names; *n != '\0';) {
		size_t len = strcspn(n, ",");

		used += (size_t)snprintf(left + used, sizeof left - used, "%s%s%.*s", used == 0 ? "" : ", ",
		    len <= 2 ? "-" : "--", (int)len, n);
		n += len + (n[len] == ',');
	}
	if (row->arg != NULL)
		snprintf(left + used, sizeof left - used, " %s", row->arg);
	printf("  %-34s %s\n", left, row->doc);
}

static void
help(void)
{
	printf("Usage: rend-load TOOL [OPTION...]\n\n"
	       "Loads a server that speaks memcached's protocol, and checks every answer.\n\n");
	for (const struct tool *const *t = tools; *t != NULL; t++) {
		printf("  %-8s %s\n", (*t)->name, (*t)->doc);
		for (const char *const *d = (*t)->defaults; *d != NULL; d++)
			printf("%s%s", d == (*t)->defaults ? "           has " : " ", *d);
		printf("\n");
	}
	for (size_t i = 0; i < ROWS; i++)
		help_row(&rows[i]);
	printf(
	    "\nStatus: 0 if all is well, 1 after a wrong value, a lost answer, a protocol error or an error that "
	    "the server\n"
	    "said, 2 if an assertion is false, 64 after a wrong command line, 69 if the server cannot be reached or a\n"
	    "--pid is none, 71 without memory, 73 and 74 if the JSON cannot be written, 130 and 143 after Ctrl-C and\n"
	    "SIGTERM.\n");
}

/* ---- the command line ---- */

static int
usage(const char *what)
{
	fprintf(stderr, "rend-load: %s; rend-load --help tells more\n", what);
	return EX_USAGE;
}

static const struct tool *
tool_named(const char *name)
{
	for (const struct tool *const *t = tools; *t != NULL; t++)
		if (strcmp((*t)->name, name) == 0)
			return *t;
	return NULL;
}

int
args_read(struct settings *s, int argc, char **argv)
{
	const struct row *row;
	const char *why;
	int i = 1, words;

	*s = settings_defaults;
	if (argc > 1 && argv[1][0] != '-') {
		s->tool = tool_named(argv[1]);
		if (s->tool == NULL) {
			fprintf(stderr, "rend-load: there is no tool %s; rend-load --help tells which there are\n",
			    argv[1]);
			return EX_USAGE;
		}
		s->argc = argc - 2;
		s->argv = argv + 2;
		i = 2;
		for (const char *const *d = s->tool->defaults; *d != NULL; d++)
			if (take_option(s, *d, NULL, &row) == 0)
				return EX_SOFTWARE;
	}
	for (; i < argc; i += words) {
		if (argv[i][0] != '-' || argv[i][1] == '\0') {
			fprintf(stderr, "rend-load: what is \"%s\"? rend-load --help tells more\n", argv[i]);
			return EX_USAGE;
		}
		words = take_option(s, argv[i], argv[i + 1], &row);
		if (words == 0)
			return EX_USAGE;
		if (strcmp(row->names, "help") == 0) {
			help();
			return 0;
		}
		if (strcmp(row->names, "version") == 0) {
			printf("rend-load %s\n", PACKAGE_VERSION);
			return 0;
		}
	}
	if (s->tool == NULL)
		return usage("which tool?");
	why = settings_complete(s);
	return why == NULL ? -1 : usage(why);
}
