/* Lines of stats to a client: see report.h. */
#include "net/report.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "net/conn.h"

void
report_line(const struct report *r, const char *name, const char *fmt, ...)
{
	char value[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(value, sizeof value, fmt, ap);
	va_end(ap);
	dialog_stat(&r->conn->dialog, &r->conn->out, r->asked, name, value);
}

void
report_number(const struct report *r, const char *name, uint64_t value)
{
	report_line(r, name, "%" PRIu64, value);
}

void
report_flag(const struct report *r, const char *name, bool yes)
{
	report_line(r, name, "%s", yes ? "yes" : "no");
}

void
report_named(const struct report *r, uint64_t value, const char *fmt, ...)
{
	char name[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(name, sizeof name, fmt, ap);
	va_end(ap);
	report_number(r, name, value);
}
