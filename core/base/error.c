/* The sentence behind a -1. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "rend/plugin.h"

static int
error_vset(struct rend_error *err, int exit_code, const char *fmt, va_list ap)
{
	char text[sizeof(err->text)];

	if (err == NULL)
		return -1;
	/* Not straight into err: its old text may be among the arguments, when a caller puts a word before it. */
	if (vsnprintf(text, sizeof(text), fmt, ap) < 0)
		snprintf(text, sizeof(text), "%s", fmt);
	memcpy(err->text, text, sizeof(text));
	err->exit_code = exit_code;
	return -1;
}

int
error_set(struct rend_error *err, int exit_code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	error_vset(err, exit_code, fmt, ap);
	va_end(ap);
	return -1;
}

int
rend_error(struct rend_error *err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	error_vset(err, 0, fmt, ap);
	va_end(ap);
	return -1;
}
