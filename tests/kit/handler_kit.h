/*
 * What every handler must do, as a list of behaviours, run against any handler plugin.  Each runs in a process of its
 * own, so that a crash, a hang or a panic is a failed behaviour with a name.
 */
#ifndef KIT_HANDLER_KIT_H
#define KIT_HANDLER_KIT_H

#include <stdbool.h>
#include <stddef.h>

struct handler_kit {
	const char *plugin; /* a file */
	const char *const
	    *options; /* "memory=1MiB", ...: as on rend's command line; a handler's name there is a plugin file */
	size_t option_count;
	/* It, and the handlers its options name, are asked through one that gives each answer later, and from another thread. */
	bool later;
	const char *only; /* behaviours whose name has this in it; NULL: all */
	int seconds;	  /* that each behaviour may take; 0: 30 */
};

/* The time of each behaviour. */
static inline int
kit_seconds(const struct handler_kit *kit)
{
	return kit->seconds > 0 ? kit->seconds : 30;
}

enum verdict { KIT_PASSED, KIT_FAILED, KIT_SKIPPED };

/* reason: of a failure, or what the handler does not have. */
typedef void handler_kit_told_f(void *arg, const char *behaviour, enum verdict verdict, const char *reason);

/* Runs the list.  Returns how many failed.  No other thread may run. */
int handler_kit_run(const struct handler_kit *kit, handler_kit_told_f *told, void *arg);

/*
 * Loads and opens it once, and closes it.  0, or -1 with a sentence in why: not a plugin, not a handler, wrong options.
 */
int handler_kit_try(const struct handler_kit *kit, char *why, size_t size);

#endif
