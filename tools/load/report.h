/* Says what a run came to: tables for people, JSON for programs. */
#ifndef LOAD_REPORT_H
#define LOAD_REPORT_H

#include "json.h"
#include "summary.h"

/* What is known besides. */
struct report {
	const struct summary *summary;
	char server_version[80];
	char started[32]; /* UTC */
	int status;
	const char *const *claims; /* sentences, of those that were checked */
	const bool *held;
	uint32_t claim_count;
};

void report_tables(const struct report *r, FILE *to);

/* Opens the object, and writes all that is the same for all tools.  The tool may add to it; then json_close(j, '}'). */
void report_json(const struct report *r, struct json *j);

#endif
