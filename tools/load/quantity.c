/* Numbers with units: see quantity.h. */
#include "quantity.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct unit {
	const char *name;
	double size;
};

static const struct unit counts[] = { { "", 1 }, { "k", 1e3 }, { "M", 1e6 }, { "G", 1e9 }, { NULL, 0 } };
static const struct unit bytes[] = { { "", 1 }, { "B", 1 }, { "KiB", 1024 }, { "MiB", 1024.0 * 1024 },
	{ "GiB", 1024.0 * 1024 * 1024 }, { NULL, 0 } };
static const struct unit times[] = { { "", 1e9 }, { "ns", 1 }, { "us", 1e3 }, { "ms", 1e6 }, { "s", 1e9 },
	{ "m", 60e9 }, { "h", 3600e9 }, { NULL, 0 } };
static const struct unit shares[] = { { "", 1 }, { "%", 0.01 }, { NULL, 0 } };

static const struct {
	const struct unit *units;
	const char *examples;
} kinds[QUANTITY_KINDS] = {
	[QUANTITY_COUNT] = { counts, "1000, 100k, 1.5M" },
	[QUANTITY_BYTES] = { bytes, "100, 10KiB, 1MiB" },
	[QUANTITY_TIME] = { times, "10, 2ms, 1.5s, 1m" },
	[QUANTITY_SHARE] = { shares, "0.9, 90%" },
};

const char *
quantity_examples(enum quantity kind)
{
	return kinds[kind].examples;
}

bool
quantity_parse(const char *s, size_t len, enum quantity kind, double *to)
{
	char text[32], *end;
	double n;

	if (len == 0 || len >= sizeof text)
		return false;
	memcpy(text, s, len);
	text[len] = '\0';
	/* Not what strtod knows besides: signs, spaces, 0x10, inf. */
	if (strlen(text) != len || strspn(text, "0123456789.") == 0 || strpbrk(text, "xX") != NULL)
		return false;
	n = strtod(text, &end);
	if (end == text || !isfinite(n))
		return false;
	for (const struct unit *u = kinds[kind].units; u->name != NULL; u++)
		if (strcmp(u->name, end) == 0) {
			*to = n * u->size;
			return true;
		}
	return false;
}

bool
quantity_whole(const char *s, size_t len, enum quantity kind, uint64_t max, uint64_t *to)
{
	double n, whole;

	if (!quantity_parse(s, len, kind, &n) || n > 0x1p63)
		return false;
	/* 1.001 s is a little less than 1001 ms in doubles; it means that. */
	whole = nearbyint(n);
	if (fabs(n - whole) > n * 1e-14 || (uint64_t)whole > max)
		return false;
	*to = (uint64_t)whole;
	return true;
}

/* Three digits that count. */
static char *
brief(char buf[QUANTITY_SHORT], double n, const char *unit)
{
	snprintf(buf, QUANTITY_SHORT, "%.*f%s", n < 9.995 ? 2 : n < 99.95 ? 1 : 0, n, unit);
	return buf;
}

char *
quantity_time(char buf[QUANTITY_SHORT], uint64_t ns)
{
	if (ns < 999500)
		return brief(buf, (double)ns / 1e3, "us");
	if (ns < UINT64_C(999500000))
		return brief(buf, (double)ns / 1e6, "ms");
	return brief(buf, (double)ns / 1e9, "s");
}

char *
quantity_bytes(char buf[QUANTITY_SHORT], uint64_t n)
{
	if (n < 1024) {
		snprintf(buf, QUANTITY_SHORT, "%uB", (unsigned)n);
		return buf;
	}
	if (n < 1024 * 1024)
		return brief(buf, (double)n / 1024, "KiB");
	if (n < 1024 * 1024 * 1024)
		return brief(buf, (double)n / (1024 * 1024), "MiB");
	return brief(buf, (double)n / (1024.0 * 1024 * 1024), "GiB");
}
