/* Numbers with units: see units.h. */
#include "conf/units.h"

#include <stdio.h>
#include <string.h>
#include <sysexits.h>

struct unit {
	const char *name;
	int64_t times; /* 0: not taken, say hint instead */
	const char *hint;
};

#define KI 1024LL

static const struct unit sizes[] = {
	{ "", 1, NULL },
	{ "B", 1, NULL },
	{ "KiB", KI, NULL },
	{ "MiB", KI *KI, NULL },
	{ "GiB", KI *KI *KI, NULL },
	{ "TiB", KI *KI *KI *KI, NULL },
	{ "K", KI, NULL },
	{ "M", KI *KI, NULL },
	{ "G", KI *KI *KI, NULL },
	{ "T", KI *KI *KI *KI, NULL },
	{ "k", KI, NULL },
	{ "m", KI *KI, NULL },
	{ "g", KI *KI *KI, NULL },
	{ "t", KI *KI *KI *KI, NULL },
	{ "KB", 0, "KiB" },
	{ "kB", 0, "KiB" },
	{ "MB", 0, "MiB" },
	{ "GB", 0, "GiB" },
	{ "TB", 0, "TiB" },
	{ NULL, 0, NULL },
};

static const struct unit durations[] = {
	{ "ns", 1, NULL },
	{ "us", 1000LL, NULL },
	{ "ms", 1000000LL, NULL },
	{ "s", 1000000000LL, NULL },
	{ "min", 60 * 1000000000LL, NULL },
	{ "h", 3600 * 1000000000LL, NULL },
	{ "m", 0, "min or ms" },
	{ "sec", 0, "s" },
	{ "d", 0, "24h for a day" },
	{ NULL, 0, NULL },
};

static const struct unit none[] = {
	{ "", 1, NULL },
	{ NULL, 0, NULL },
};

static const struct {
	const struct unit *units;
	const char *want;
} types[] = {
	[REND_INT] = { none, "a whole number is wanted, like 12" },
	[REND_SIZE] = { sizes, "a size is wanted, like \"64MiB\" (KiB MiB GiB TiB)" },
	[REND_DURATION] = { durations, "a duration is wanted, like \"250ms\" (ns us ms s min h)" },
};

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static int
not_one(enum rend_option_type type, const char *text, struct rend_error *err)
{
	return rend_error(err, "%s, not \"%.60s\"", types[type].want, text);
}

int
units_parse(enum rend_option_type type, const char *text, int64_t *value, struct rend_error *err)
{
	const struct unit *u = types[type].units;
	const char *p = text;
	bool negative = type == REND_INT && *p == '-';
	__int128 whole = 0, part = 0, scale = 1;

	if (negative)
		p++;
	if (!is_digit(*p))
		return not_one(type, text, err);
	for (; is_digit(*p); p++) {
		whole = whole * 10 + (*p - '0');
		if (whole > INT64_MAX)
			return rend_error(err, "%.60s is too big", text);
	}
	if (*p == '.' && type != REND_INT && is_digit(p[1]))
		for (p++; is_digit(*p); p++) {
			if (scale > 1000000000)
				continue;
			part = part * 10 + (*p - '0');
			scale *= 10;
		}
	/* A bare 0 is a duration too: it needs no unit. */
	if (type == REND_DURATION && *p == '\0' && whole == 0 && part == 0) {
		*value = 0;
		return 0;
	}
	while (*p == ' ')
		p++;
	while (u->name != NULL && strcmp(u->name, p) != 0)
		u++;
	if (u->name == NULL && *p == '\0')
		return rend_error(err, "%.60s has no unit: %s", text, types[type].want);
	if (u->name == NULL)
		return not_one(type, text, err);
	if (u->times == 0)
		return rend_error(err, "%.20s is not a unit here; write %s", p, u->hint);
	whole = whole * u->times + part * u->times / scale;
	if (whole > INT64_MAX)
		return rend_error(err, "%.60s is too big", text);
	*value = negative ? -(int64_t)whole : (int64_t)whole;
	return 0;
}

/* One end of a range; an empty one leaves *value as it is. */
static int
end_parse(enum rend_option_type type, const char *from, size_t len, int64_t *value, struct rend_error *err)
{
	char text[40];

	if (len == 0)
		return 0;
	if (len >= sizeof text)
		return rend_error(err, "too long");
	memcpy(text, from, len);
	text[len] = '\0';
	return units_parse(type, text, value, err);
}

int
units_check(enum rend_option_type type, const char *range, int64_t value, struct rend_error *err)
{
	int64_t low = INT64_MIN, high = INT64_MAX;
	const char *dots;

	if (range == NULL)
		return 0;
	dots = strstr(range, "..");
	if (dots == NULL || end_parse(type, range, dots - range, &low, err) != 0 ||
	    end_parse(type, dots + 2, strlen(dots + 2), &high, err) != 0)
		return error_set(err, EX_SOFTWARE, "its range \"%s\" cannot be read: the plugin is wrong", range);
	if (value < low && high == INT64_MAX)
		return rend_error(err, "must be at least %.*s", (int)(dots - range), range);
	if (value > high && low == INT64_MIN)
		return rend_error(err, "must be at most %s", dots + 2);
	if (value < low || value > high)
		return rend_error(err, "must be %.*s to %s", (int)(dots - range), range, dots + 2);
	return 0;
}
