/* Where a group of stats writes its lines: to the client, at once. */
#ifndef NET_REPORT_H
#define NET_REPORT_H

#include <stdbool.h>
#include <stdint.h>

struct asked;
struct conn;
struct server;

struct report {
	struct conn *conn;
	const struct asked *asked;
	const struct server *server;
};

void report_line(const struct report *r, const char *name, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
void report_number(const struct report *r, const char *name, uint64_t value);
void report_flag(const struct report *r, const char *name, bool yes);

/* The name is put together, too. */
void report_named(const struct report *r, uint64_t value, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

#endif
