/* The command line. */
#ifndef ARGS_H
#define ARGS_H

#include <stdbool.h>
#include <stddef.h>

#include "conf/conf.h"

#define ARGS_OVERRIDES_MAX 256

enum args_mode {
	ARGS_SERVE,
	ARGS_CHECK, /* -t */
	ARGS_DRAW,
	ARGS_PATHS,
	ARGS_DESCRIBE,
	ARGS_LIST_PLUGINS,
	ARGS_VERSION,
	ARGS_HELP,
};

/* What was said.  Points into argv, and into text of its own. */
struct args {
	enum args_mode mode;
	struct conf_source source;
	char **argv;	      /* all of it, as it was said */
	const char *plugin;   /* --describe */
	bool background;      /* -d */
	const char *takeover; /* --takeover */
	/* what source points to */
	struct conf_override overrides[ARGS_OVERRIDES_MAX];
	size_t count;
	char text[16384];
	size_t used;
};

/* 0, or EX_USAGE after a sentence to stderr. */
int args_parse(struct args *a, int argc, char **argv);

void args_help(void);

#endif
