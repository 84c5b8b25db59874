/* rend-plugin-test: does a handler plugin do what every handler must? */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "../tests/kit/handler_kit.h"

#define OPTIONS_MAX 64

static const char usage[] =
    "Usage: rend-plugin-test [-o name=value]... [--later] [--only text] [--seconds n] plugin.so\n"
    "\n"
    "Runs a handler plugin through the list of what every handler must do, each item in a process of its own.\n"
    "One line for each; the status is 0 if none failed, 1 if some did, 65 if the plugin cannot be opened.\n"
    "\n"
    "  -o name=value   an option of the plugin, as in its block of rend.conf; an option that names\n"
    "                  a handler takes the file of that handler's plugin, which runs with its defaults\n"
    "  --later         ask it, and let it ask others, through a handler that gives each answer later, and from another "
    "thread\n"
    "  --only text     only what has this in its name\n"
    "  --seconds n     that each item may take (30)\n"
    "  -h, --help      this\n";

struct tally {
	int passed, failed, skipped;
};

static void
tell(void *arg, const char *behaviour, enum verdict verdict, const char *reason)
{
	static const char *const words[] = { [KIT_PASSED] = "ok  ", [KIT_FAILED] = "FAIL", [KIT_SKIPPED] = "skip" };
	struct tally *t = arg;

	*(verdict == KIT_PASSED ? &t->passed : verdict == KIT_FAILED ? &t->failed : &t->skipped) += 1;
	printf("%s  %s%s%s\n", words[verdict], behaviour, *reason ? ": " : "", reason);
	fflush(stdout);
}

/* 0: it is none. */
static int
seconds_of(const char *word)
{
	size_t len = strlen(word);

	return len < 6 && strspn(word, "0123456789") == len ? atoi(word) : 0;
}

int
main(int argc, char **argv)
{
	static const struct option longs[] = { { "later", no_argument, NULL, 'l' },
		{ "only", required_argument, NULL, 'n' }, { "seconds", required_argument, NULL, 's' },
		{ "help", no_argument, NULL, 'h' }, { NULL, 0, NULL, 0 } };
	const char *options[OPTIONS_MAX];
	struct handler_kit kit = { .options = options };
	struct tally tally = { 0, 0, 0 };
	char why[512];
	int c;

	while ((c = getopt_long(argc, argv, "ho:", longs, NULL)) != -1)
		switch (c) {
		case 'o':
			if (kit.option_count == OPTIONS_MAX) {
				fprintf(stderr, "rend-plugin-test: more than %d options\n", OPTIONS_MAX);
				return EX_USAGE;
			}
			options[kit.option_count++] = optarg;
			break;
		case 'l':
			kit.later = true;
			break;
		case 'n':
			kit.only = optarg;
			break;
		case 's':
			kit.seconds = seconds_of(optarg);
			if (kit.seconds != 0)
				break;
			fprintf(stderr, "rend-plugin-test: --seconds is a number from 1 to 99999\n");
			return EX_USAGE;
		case 'h':
			fputs(usage, stdout);
			return 0;
		default:
			fputs(usage, stderr);
			return EX_USAGE;
		}
	if (optind != argc - 1) {
		fputs(usage, stderr);
		return EX_USAGE;
	}
	kit.plugin = argv[optind];
	if (handler_kit_try(&kit, why, sizeof why) != 0) {
		fprintf(stderr, "rend-plugin-test: %s\n", why);
		return EX_DATAERR;
	}
	handler_kit_run(&kit, tell, &tally);
	if (tally.passed + tally.failed + tally.skipped == 0) {
		fprintf(
		    stderr, "rend-plugin-test: nothing has %s in its name\n", kit.only == NULL ? "anything" : kit.only);
		return EX_USAGE;
	}
	printf("%d passed, %d failed", tally.passed, tally.failed);
	if (tally.skipped > 0)
		printf(", %d skipped", tally.skipped);
	printf("\n");
	return tally.failed > 0;
}
