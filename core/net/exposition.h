/*
 * Metrics as Prometheus reads them: its text format, version 0.0.4.
 *
 *	# HELP rend_node_up Whether a worker reaches it.
 *	# TYPE rend_node_up gauge
 *	rend_node_up{node="mem"} 1
 *
 * A family begins with its name and is said whole before the next one.
 */
#ifndef NET_EXPOSITION_H
#define NET_EXPOSITION_H

#include "base/histogram.h"
#include "base/strbuf.h"

#define EXPOSITION_TYPE "text/plain; version=0.0.4; charset=utf-8"

/* Longer names are refused. */
#define EXPOSITION_NAME_MAX 160

enum exposition_kind { EXPOSITION_COUNTER, EXPOSITION_GAUGE, EXPOSITION_HISTOGRAM };

struct label {
	const char *name; /* NULL ends a list */
	const char *value;
};

/* LABELS({ "node", name }, { "verb", "get" }) */
#define LABELS(...) ((const struct label[]){ __VA_ARGS__, { NULL, NULL } })
#define NO_LABELS   ((const struct label[]){ { NULL, NULL } })

/* All-zero but for out.most is the beginning. */
struct exposition {
	struct strbuf out;
	struct strbuf begun; /* names of the families so far, each with its \0 */
	char family[EXPOSITION_NAME_MAX];
	unsigned refused; /* families that could not begin */
};

/*
 * Begins a family.  false: there has been one of that name, or the name is none (too long, or not [a-z_][a-z0-9_]*): it may not be said.
 * A counter's name ends with _total, a histogram's with its unit.
 */
bool exposition_begin(struct exposition *e, const char *name, enum exposition_kind kind, const char *help);

/* One sample of the family.  Values of labels may hold any byte; what is no UTF-8 becomes U+FFFD. */
void exposition_number(struct exposition *e, const struct label *labels, uint64_t value);

/* The same, given in ns and said in seconds. */
void exposition_seconds(struct exposition *e, const struct label *labels, uint64_t ns);

/* One histogram of the family, of durations in ns: cumulative buckets from 10 us to 10 s, sum, count. */
void exposition_histogram(struct exposition *e, const struct label *labels, const struct histogram *h);

/* A family of one number. */
void exposition_one(
    struct exposition *e, const char *name, enum exposition_kind kind, const char *help, uint64_t value);

void exposition_fini(struct exposition *e);

#endif
