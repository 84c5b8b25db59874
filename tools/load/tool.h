/* The tools: what rend-load can do. */
#ifndef LOAD_TOOL_H
#define LOAD_TOOL_H

struct plan;
struct settings;
struct target;

struct tool {
	const char *name, *doc;
	const char *const *defaults; /* options, as on the command line; up to NULL */

	/* Makes its plan.  NULL: *why says why not; the string is static. */
	struct plan *(*plan)(const struct settings *s, const struct target *t, const char **why);
};

extern const struct tool tool_run, tool_blast, tool_setget, tool_sizes, tool_fill, tool_setops, tool_check;

/* All of them, up to NULL. */
extern const struct tool *const tools[];

#endif
