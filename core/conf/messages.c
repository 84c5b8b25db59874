/* What is wrong with a configuration: see messages.h. */
#include "conf/messages.h"

#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "rend/log.h"

/* `-o workers` already says what `workers: ` would say again. */
static bool
says_subject(const struct place *place, const char *subject)
{
	return strncmp(place->file, "-o ", 3) == 0 && strcmp(place->file + 3, subject) == 0;
}

static void
add(struct messages *m, struct place place, int exit_code, const char *subject, const char *fmt, va_list ap)
{
	char text[1400];
	size_t used = 0;

	if (exit_code != 0)
		m->errors++;
	if (m->count == MESSAGES_MAX) {
		m->left_off++;
		return;
	}
	if (place.file == NULL)
		place.file = "";
	if (subject != NULL && !says_subject(&place, subject))
		used = snprintf(text, sizeof text, "%.300s: ", subject);
	vsnprintf(text + used, sizeof text - used, fmt, ap);
	m->all[m->count] =
	    (struct message){ .place = place, .exit_code = exit_code, .text = strdup(text), .number = m->count };
	m->count++;
}

void
messages_error(struct messages *m, struct place place, int exit_code, const char *subject, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	add(m, place, exit_code == 0 ? EX_CONFIG : exit_code, subject, fmt, ap);
	va_end(ap);
}

void
messages_warn(struct messages *m, struct place place, const char *subject, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	add(m, place, 0, subject, fmt, ap);
	va_end(ap);
}

void
messages_take(struct messages *m, struct place place, const char *subject, const struct rend_error *err)
{
	messages_error(
	    m, place, err->exit_code, subject, "%s", err->text[0] == '\0' ? "refused without a reason" : err->text);
}

/* Files in the order in which they were met, then what the command line said. */
static size_t
rank(const struct messages *m, const struct place *place)
{
	size_t i = 0;

	if (place->line == 0)
		return MESSAGES_MAX;
	while (m->all[i].place.line == 0 || strcmp(m->all[i].place.file, place->file) != 0)
		i++;
	return i;
}

static int
compare(const void *a, const void *b)
{
	const struct message *x = a, *y = b;

	if (x->rank != y->rank)
		return x->rank < y->rank ? -1 : 1;
	if (x->place.line != y->place.line)
		return x->place.line < y->place.line ? -1 : 1;
	return x->number < y->number ? -1 : x->number > y->number;
}

static void
sort(struct messages *m)
{
	for (size_t i = 0; i < m->count; i++)
		m->all[i].rank = rank(m, &m->all[i].place);
	qsort(m->all, m->count, sizeof *m->all, compare);
}

/* A name from a file may hold anything; a terminal should not obey it. */
static void
print_safely(const char *text, FILE *out)
{
	for (const unsigned char *p = (const unsigned char *)text; *p != '\0'; p++) {
		if (*p < 0x20 || *p == 0x7f)
			fprintf(out, "\\x%02x", *p);
		else
			fputc(*p, out);
	}
}

void
messages_print(struct messages *m, FILE *out)
{
	sort(m);
	for (size_t i = 0; i < m->count; i++) {
		const struct message *it = &m->all[i];

		print_safely(it->place.file, out);
		if (it->place.line != 0)
			fprintf(out, ":%u", it->place.line);
		fprintf(out, "%s%s", it->place.file[0] == '\0' ? "" : ": ", it->exit_code == 0 ? "warning: " : "");
		print_safely(it->text == NULL ? "(no memory for the message)" : it->text, out);
		fputc('\n', out);
	}
	if (m->left_off > 0)
		fprintf(out, "and %zu more\n", m->left_off);
}

void
messages_log(struct messages *m)
{
	sort(m);
	for (size_t i = 0; i < m->count; i++) {
		const struct message *it = &m->all[i];
		char line[16] = "";

		if (it->place.line != 0)
			snprintf(line, sizeof line, ":%u", it->place.line);
		rend_log(it->exit_code == 0 ? REND_LOG_WARN : REND_LOG_ERROR, "%s%s: %s", it->place.file, line,
		    it->text == NULL ? "(no memory for the message)" : it->text);
	}
}

int
messages_exit_code(const struct messages *m)
{
	int code = 0;

	if (m->errors == 0)
		return 0;
	for (size_t i = 0; i < m->count; i++) {
		if (m->all[i].exit_code == 0)
			continue;
		if (code != 0 && code != m->all[i].exit_code)
			return EX_CONFIG;
		code = m->all[i].exit_code;
	}
	return code == 0 ? EX_CONFIG : code;
}

void
messages_fini(struct messages *m)
{
	for (size_t i = 0; i < m->count; i++)
		free(m->all[i].text);
	memset(m, 0, sizeof *m);
}
