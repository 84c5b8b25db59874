/* Values that describe themselves: see stamp.h. */
#include "stamp.h"

#include <endian.h>
#include <string.h>

/* A prime: whatever moves whole pages, chunks or segments moves the pattern to where it does not belong. */
#define PATTERN 65521

static char pattern[PATTERN];

void
stamp_init(void)
{
	static const char *const words[] = { "\r\nEND\r\n", "\r\n", "\nSTORED\r\n", "\r\nVALUE A 0 1\r\nx\r\nEND\r\n",
		"\r\nHD\r\n", "\r\nEN\r\nMN\r\n", "\r\nget A\r\n", "\r\nquit\r\n", "\x80\x07\r\n", "\x81" };
	struct random r = { 11211 };
	size_t at = 0;

	for (size_t i = 0; i < PATTERN; i++)
		pattern[i] = (char)random_next(&r);
	for (size_t i = 0; at + 64 < PATTERN; i++, at += 100 + random_below(&r, 400)) {
		const char *word = words[i % (sizeof words / sizeof *words)];

		memcpy(pattern + at, word, strlen(word));
	}
}

static uint64_t
checksum(const struct keys *k, const struct stamp *s)
{
	uint64_t sum = random_mix(k->salt + s->key * UINT64_C(0x9e3779b97f4a7c15));

	/* A short value does not say its version. */
	if (s->len < STAMP_HEAD)
		return random_mix(sum ^ s->len);
	return random_mix(random_mix(sum + s->version) ^ s->len);
}

/* Where in the pattern byte `at` of what follows the head is. */
static size_t
offset(uint64_t sum, size_t at)
{
	return (size_t)(((sum >> 8) + at) % PATTERN);
}

void
stamp_head(const struct keys *k, const struct stamp *s, char to[STAMP_HEAD])
{
	uint64_t sum = htole64(checksum(k, s)), version = htole64(s->version);
	uint32_t key = htole32(s->key), len = htole32(s->len);

	memcpy(to, &sum, 8);
	memcpy(to + 8, &key, 4);
	memcpy(to + 12, &version, 8);
	memcpy(to + 20, &len, 4);
}

bool
stamp_read(const struct keys *k, const char head[STAMP_HEAD], struct stamp *s)
{
	uint64_t sum, version;
	uint32_t key, len;

	memcpy(&sum, head, 8);
	memcpy(&key, head + 8, 4);
	memcpy(&version, head + 12, 8);
	memcpy(&len, head + 20, 4);
	*s = (struct stamp){ .key = le32toh(key), .len = le32toh(len), .version = le64toh(version) };
	return s->len >= STAMP_HEAD && le64toh(sum) == checksum(k, s);
}

char *
stamp_write(const struct keys *k, const struct stamp *s, char *to)
{
	uint64_t sum = checksum(k, s);
	size_t left = s->len, from;

	if (s->len >= STAMP_HEAD) {
		stamp_head(k, s, to);
		to += STAMP_HEAD;
		left -= STAMP_HEAD;
	}
	for (from = offset(sum, 0); left > 0; from = 0) {
		size_t n = left < PATTERN - from ? left : PATTERN - from;

		memcpy(to, pattern + from, n);
		to += n;
		left -= n;
	}
	return to;
}

size_t
stamp_compare(const struct keys *k, const struct stamp *s, size_t at, const char *p, size_t n)
{
	size_t head = s->len >= STAMP_HEAD ? STAMP_HEAD : 0, from = offset(checksum(k, s), at - head), good = 0;

	while (good < n) {
		size_t part = n - good < PATTERN - from ? n - good : PATTERN - from;

		if (memcmp(p + good, pattern + from, part) != 0) {
			while (p[good] == pattern[from]) {
				good++;
				from++;
			}
			return good;
		}
		good += part;
		from = 0;
	}
	return n;
}
