/* Prometheus's text format: see exposition.h. */
#include "net/exposition.h"

#include <inttypes.h>
#include <string.h>

#define NS_PER_S 1000000000U

static const uint64_t bounds[] = { 10000, 25000, 50000, 100000, 250000, 500000, 1000000, 2500000, 5000000, 10000000,
	25000000, 50000000, 100000000, 250000000, 500000000, 1000000000, 2500000000, 5000000000, 10000000000 };
#define BOUNDS (sizeof bounds / sizeof *bounds)

static const char *const bound_names[] = { "1e-05", "2.5e-05", "5e-05", "0.0001", "0.00025", "0.0005", "0.001",
	"0.0025", "0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1", "2.5", "5", "10" };
_Static_assert(sizeof bound_names / sizeof *bound_names == BOUNDS, "a bound has no name");

static bool
is_name(const char *name)
{
	size_t len = strlen(name);

	return len > 0 && len < EXPOSITION_NAME_MAX && (*name < '0' || *name > '9') &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_") == len;
}

static bool
has_begun(const struct exposition *e, const char *name)
{
	for (size_t at = 0; at < e->begun.len; at += strlen(e->begun.text + at) + 1)
		if (strcmp(e->begun.text + at, name) == 0)
			return true;
	return false;
}

/* Bytes of the character that begins here, which may be the NUL; 0: it is no UTF-8. */
static size_t
utf8_length(const char *text)
{
	const unsigned char *p = (const unsigned char *)text;
	size_t more = *p < 0x80 ? 0 : *p >= 0xc2 && *p < 0xe0 ? 1 : *p >= 0xe0 && *p < 0xf0 ? 2 : 3;

	if (more == 3 && (*p < 0xf0 || *p > 0xf4))
		return 0;
	for (size_t i = 1; i <= more; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	/* Longer than it need be, half of a pair, or beyond the last. */
	if ((*p == 0xe0 && p[1] < 0xa0) || (*p == 0xed && p[1] > 0x9f) || (*p == 0xf0 && p[1] < 0x90) ||
	    (*p == 0xf4 && p[1] > 0x8f))
		return 0;
	return 1 + more;
}

/* What stands for a character in the format, or NULL: itself.  Only values have an end that could be taken for theirs. */
static const char *
escape_of(char c, size_t length, bool quoted)
{
	if (length == 0)
		return "\xef\xbf\xbd"; /* U+FFFD: a reader refuses what is no UTF-8 */
	if (c == '\\')
		return "\\\\";
	if (c == '\n')
		return "\\n";
	return c == '"' && quoted ? "\\\"" : NULL;
}

static void
put_escaped(struct strbuf *out, const char *text, bool quoted)
{
	const char *plain = text;

	while (*text != '\0') {
		size_t length = utf8_length(text);
		const char *escape = escape_of(*text, length, quoted);

		if (escape != NULL) {
			strbuf_add(out, plain, (size_t)(text - plain));
			strbuf_puts(out, escape);
			plain = text + (length == 0 ? 1 : length);
		}
		text += length == 0 ? 1 : length;
	}
	strbuf_add(out, plain, (size_t)(text - plain));
}

bool
exposition_begin(struct exposition *e, const char *name, enum exposition_kind kind, const char *help)
{
	static const char *const kinds[] = {
		[EXPOSITION_COUNTER] = "counter",
		[EXPOSITION_GAUGE] = "gauge",
		[EXPOSITION_HISTOGRAM] = "histogram",
	};

	if (!is_name(name) || has_begun(e, name)) {
		e->refused++;
		return false;
	}
	e->begun.most = e->out.most;
	strbuf_add(&e->begun, name, strlen(name) + 1);
	if (e->begun.broken)
		e->out.broken = true;
	strcpy(e->family, name);
	strbuf_printf(&e->out, "# HELP %s ", name);
	put_escaped(&e->out, help, false);
	strbuf_printf(&e->out, "\n# TYPE %s %s\n", name, kinds[kind]);
	return true;
}

/* `name_suffix{a="b",le="1"} `, up to the value. */
static void
put_series(struct exposition *e, const char *suffix, const struct label *labels, const char *le)
{
	const char *before = "{";

	strbuf_puts(&e->out, e->family);
	strbuf_puts(&e->out, suffix);
	for (; labels->name != NULL; labels++) {
		strbuf_puts(&e->out, before);
		strbuf_puts(&e->out, labels->name);
		strbuf_puts(&e->out, "=\"");
		put_escaped(&e->out, labels->value, true);
		strbuf_puts(&e->out, "\"");
		before = ",";
	}
	if (le != NULL) {
		strbuf_printf(&e->out, "%sle=\"%s\"", before, le);
		before = ",";
	}
	strbuf_puts(&e->out, *before == ',' ? "} " : " ");
}

static void
put_number(struct exposition *e, uint64_t value)
{
	strbuf_printf(&e->out, "%" PRIu64 "\n", value);
}

static void
put_seconds(struct exposition *e, uint64_t ns)
{
	strbuf_printf(&e->out, "%" PRIu64 ".%09u\n", ns / NS_PER_S, (unsigned)(ns % NS_PER_S));
}

void
exposition_number(struct exposition *e, const struct label *labels, uint64_t value)
{
	put_series(e, "", labels, NULL);
	put_number(e, value);
}

void
exposition_seconds(struct exposition *e, const struct label *labels, uint64_t ns)
{
	put_series(e, "", labels, NULL);
	put_seconds(e, ns);
}

void
exposition_histogram(struct exposition *e, const struct label *labels, const struct histogram *h)
{
	uint64_t below[BOUNDS], all = histogram_count(h);

	histogram_below(h, bounds, BOUNDS, below);
	for (size_t i = 0; i < BOUNDS; i++) {
		put_series(e, "_bucket", labels, bound_names[i]);
		put_number(e, below[i]);
	}
	put_series(e, "_bucket", labels, "+Inf");
	put_number(e, all);
	put_series(e, "_sum", labels, NULL);
	put_seconds(e, h->sum);
	put_series(e, "_count", labels, NULL);
	put_number(e, all);
}

void
exposition_one(struct exposition *e, const char *name, enum exposition_kind kind, const char *help, uint64_t value)
{
	if (exposition_begin(e, name, kind, help))
		exposition_number(e, NO_LABELS, value);
}

void
exposition_fini(struct exposition *e)
{
	strbuf_fini(&e->out);
	strbuf_fini(&e->begun);
}
