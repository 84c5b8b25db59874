/* One line of the log: escaping, cutting, and its time. */
#include <stdio.h>
#include <string.h>

#include "base/logline.h"

#define CUT_MARK "..."

static const char *const levels[] = {
	[REND_LOG_ERROR] = "error",
	[REND_LOG_WARN] = "warn",
	[REND_LOG_INFO] = "info",
	[REND_LOG_DEBUG] = "debug",
};

const char *
logline_level_name(enum rend_log_level level)
{
	return (size_t)level < sizeof(levels) / sizeof(levels[0]) ? levels[level] : "error";
}

/*
 * The bytes of the character at p if it is more than one and may be shown as it is, else 0.  Keys come into lines, and
 * they may hold anything: stray bytes, encodings that are longer than they need be, and the control characters of C1,
 * which terminals obey.
 */
static size_t
utf8_len(const unsigned char *p, size_t left)
{
	static const struct {
		unsigned char first, last, second_from, second_to, len;
	} rows[] = {
		{ 0xc2, 0xc2, 0xa0, 0xbf, 2 }, /* 0x80..0x9f would be C1 */
		{ 0xc3, 0xdf, 0x80, 0xbf, 2 },
		{ 0xe0, 0xe0, 0xa0, 0xbf, 3 },
		{ 0xe1, 0xec, 0x80, 0xbf, 3 },
		{ 0xed, 0xed, 0x80, 0x9f, 3 }, /* beyond are surrogates */
		{ 0xee, 0xef, 0x80, 0xbf, 3 },
		{ 0xf0, 0xf0, 0x90, 0xbf, 4 },
		{ 0xf1, 0xf3, 0x80, 0xbf, 4 },
		{ 0xf4, 0xf4, 0x80, 0x8f, 4 },
	};

	for (size_t r = 0; r < sizeof(rows) / sizeof(rows[0]); r++) {
		if (p[0] < rows[r].first || p[0] > rows[r].last)
			continue;
		if (left < rows[r].len || p[1] < rows[r].second_from || p[1] > rows[r].second_to)
			return 0;
		for (size_t i = 2; i < rows[r].len; i++) {
			if ((p[i] & 0xc0) != 0x80)
				return 0;
		}
		return rows[r].len;
	}
	return 0;
}

/*
 * Puts one character, as it is to be read, into unit (at least 4 bytes, unit_len of them).  Returns how many bytes it
 * took from `from`.
 */
static size_t
escape(const unsigned char *from, size_t left, char *unit, size_t *unit_len)
{
	static const char plain[] = "\n\r\t", letters[] = "nrt", hex[] = "0123456789abcdef";
	const char *at;
	size_t n = 1;

	if (*from >= 0x20 && *from < 0x7f) {
		unit[0] = (char)*from;
		*unit_len = 1;
		return 1;
	}
	if (*from >= 0x80 && (n = utf8_len(from, left)) != 0) {
		memcpy(unit, from, n);
		*unit_len = n;
		return n;
	}
	unit[0] = '\\';
	if (*from != '\0' && (at = strchr(plain, *from)) != NULL) {
		unit[1] = letters[at - plain];
		*unit_len = 2;
		return 1;
	}
	unit[1] = 'x';
	unit[2] = hex[*from >> 4];
	unit[3] = hex[*from & 15];
	*unit_len = 4;
	return 1;
}

void
logline_make(struct logline *l, enum rend_log_level level, const char *fmt, va_list ap)
{
	char raw[LOGLINE_TEXT + 1];
	size_t len = 0, fits = 0, i, end;
	bool cut;
	int n;

	clock_gettime(CLOCK_REALTIME, &l->when);
	l->level = level;
	n = vsnprintf(raw, sizeof(raw), fmt, ap);
	if (n < 0)
		n = snprintf(raw, sizeof(raw), "%s", fmt);
	cut = n > LOGLINE_TEXT;
	end = cut ? LOGLINE_TEXT : (size_t)n;

	for (i = 0; i < end;) {
		char unit[5];
		size_t unit_len;

		i += escape((unsigned char *)raw + i, end - i, unit, &unit_len);
		if (len + unit_len > LOGLINE_TEXT) {
			cut = true;
			break;
		}
		memcpy(l->text + len, unit, unit_len);
		len += unit_len;
		if (len <= LOGLINE_TEXT - (sizeof(CUT_MARK) - 1))
			fits = len;
	}
	if (cut) {
		memcpy(l->text + fits, CUT_MARK, sizeof(CUT_MARK) - 1);
		len = fits + sizeof(CUT_MARK) - 1;
	}
	l->len = (unsigned)len;
}

bool
logline_same(const struct logline *a, const struct logline *b)
{
	return a->level == b->level && a->len == b->len && memcmp(a->text, b->text, a->len) == 0;
}

static char *
digits(char *to, unsigned long n, int width)
{
	for (int i = width; i-- > 0; n /= 10)
		to[i] = (char)('0' + n % 10);
	return to + width;
}

/*
 * By hand, because gmtime() takes a lock.  Years are counted from March, so that the leap day is the last: 1461 days
 * are four years, 146097 are four centuries, and the months from March on have 31 30 31 30 31 days, twice, and what is
 * left: (153 m + 2) / 5 of them before month m.
 */
void
logline_stamp(const struct timespec *when, char *to)
{
	unsigned long secs = when->tv_sec > 0 ? (unsigned long)when->tv_sec : 0;
	unsigned long days = secs / 86400 + 719468, day = secs % 86400; /* since March 1 of the year 0 */
	unsigned long era = days / 146097, d = days % 146097;
	unsigned long y = (d - d / 1460 + d / 36524 - d / 146096) / 365;
	unsigned long yday = d - (365 * y + y / 4 - y / 100);
	unsigned long m = (5 * yday + 2) / 153;
	unsigned long year = era * 400 + y + (m >= 10), month = m < 10 ? m + 3 : m - 9;

	to = digits(to, year, 4);
	*to++ = '-';
	to = digits(to, month, 2);
	*to++ = '-';
	to = digits(to, yday - (153 * m + 2) / 5 + 1, 2);
	*to++ = 'T';
	to = digits(to, day / 3600, 2);
	*to++ = ':';
	to = digits(to, day / 60 % 60, 2);
	*to++ = ':';
	to = digits(to, day % 60, 2);
	*to++ = '.';
	to = digits(to, (unsigned long)when->tv_nsec / 1000000, 3);
	*to = 'Z';
}

size_t
logline_print(const struct logline *l, char *to)
{
	const char *level = logline_level_name(l->level);
	size_t n = LOGLINE_STAMP, level_len = strlen(level);

	logline_stamp(&l->when, to);
	to[n++] = ' ';
	memcpy(to + n, level, level_len);
	n += level_len;
	to[n++] = ' ';
	memcpy(to + n, l->text, l->len);
	n += l->len;
	to[n++] = '\n';
	return n;
}
