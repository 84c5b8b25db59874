/* Writes JSON: see json.h. */
#include "json.h"

#include <inttypes.h>
#include <math.h>

static void
put_text(FILE *to, const char *s)
{
	putc('"', to);
	for (; *s != '\0'; s++)
		if (*s == '"' || *s == '\\')
			fprintf(to, "\\%c", *s);
		else if ((unsigned char)*s < ' ' || (unsigned char)*s > '~')
			/* Bytes that may be no UTF-8, as characters of the same number. */
			fprintf(to, "\\u%04x", (unsigned char)*s);
		else
			putc(*s, to);
	putc('"', to);
}

/* So deep each thing has a line of its own; what is deeper stands in one. */
#define LINES_TO 2

static void
begin(struct json *j, const char *key)
{
	if (j->more)
		putc(',', j->to);
	if (j->depth > 0 && j->depth <= LINES_TO)
		fprintf(j->to, "\n%*s", (int)j->depth, "");
	else if (j->more)
		putc(' ', j->to);
	j->more = true;
	if (key == NULL)
		return;
	put_text(j->to, key);
	fputs(": ", j->to);
}

void
json_object(struct json *j, const char *key)
{
	begin(j, key);
	putc('{', j->to);
	j->depth++;
	j->more = false;
}

void
json_array(struct json *j, const char *key)
{
	begin(j, key);
	putc('[', j->to);
	j->depth++;
	j->more = false;
}

void
json_close(struct json *j, char bracket)
{
	j->depth--;
	if (j->more && j->depth < LINES_TO)
		fprintf(j->to, "\n%*s", (int)j->depth, "");
	putc(bracket, j->to);
	j->more = true;
	if (j->depth == 0)
		putc('\n', j->to);
}

void
json_text(struct json *j, const char *key, const char *value)
{
	begin(j, key);
	put_text(j->to, value);
}

void
json_count(struct json *j, const char *key, uint64_t value)
{
	begin(j, key);
	fprintf(j->to, "%" PRIu64, value);
}

void
json_real(struct json *j, const char *key, double value, int digits)
{
	begin(j, key);
	if (isfinite(value))
		fprintf(j->to, "%.*f", digits, value);
	else
		fputs("null", j->to);
}

void
json_truth(struct json *j, const char *key, bool value)
{
	begin(j, key);
	fputs(value ? "true" : "false", j->to);
}
