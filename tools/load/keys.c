/* The keys: see keys.h. */
#include "keys.h"

#include <math.h>
#include <string.h>

#include "quantity.h"

#define LETTERS 26

const char *
keys_order_parse(struct keys *k, const char *text)
{
	const char *colon;

	if (strcmp(text, "uniform") == 0) {
		k->order = KEYS_UNIFORM;
		return NULL;
	}
	if (strcmp(text, "sequential") == 0) {
		k->order = KEYS_SEQUENTIAL;
		return NULL;
	}
	if (strcmp(text, "zipf") == 0 || strncmp(text, "zipf:", 5) == 0) {
		k->order = KEYS_ZIPF;
		k->skew = 0.99;
		if (text[4] == ':' && !quantity_parse(text + 5, strlen(text + 5), QUANTITY_COUNT, &k->skew))
			return "the skew is no number";
		return k->skew > 0 && k->skew <= 10 ? NULL : "the skew is above 0, up to 10";
	}
	if (strcmp(text, "hotspot") == 0 || strncmp(text, "hotspot:", 8) == 0) {
		k->order = KEYS_HOTSPOT;
		k->hot_keys = 0.1;
		k->hot_share = 0.9;
		if (text[7] == '\0')
			return NULL;
		colon = strchr(text + 8, ':');
		if (colon == NULL ||
		    !quantity_parse(text + 8, (size_t)(colon - text - 8), QUANTITY_SHARE, &k->hot_keys) ||
		    !quantity_parse(colon + 1, strlen(colon + 1), QUANTITY_SHARE, &k->hot_share))
			return "hotspot wants KEYS%:REQUESTS%";
		return k->hot_keys > 0 && k->hot_keys < 1 && k->hot_share <= 1 ? NULL
									       : "the shares are between 0 and 100%";
	}
	return "there are uniform, zipf[:SKEW], hotspot[:KEYS%:REQUESTS%] and sequential";
}

uint32_t
keys_letters(uint64_t count)
{
	uint32_t letters = 1;

	for (uint64_t space = LETTERS; space < count; space *= LETTERS)
		letters++;
	return letters;
}

uint32_t
keys_space(uint32_t letters)
{
	uint64_t space = 1;

	for (; letters > 0 && space < KEYS_MAX; letters--)
		space *= LETTERS;
	return space < KEYS_MAX ? (uint32_t)space : KEYS_MAX;
}

/*
 * Zipf by rejection from the integral of x^-skew (Hoermann and Derflinger, 1996): no table, whatever the number of keys.
 * area() is that integral, and width() its inverse; both hold at skew 1, too, where it is a logarithm.
 */
static double
area(double skew, double x)
{
	double log_x = log(x), t = (1 - skew) * log_x;

	return fabs(t) > 1e-8 ? expm1(t) / t * log_x : log_x * (1 + t / 2);
}

static double
width(double skew, double a)
{
	double t = a * (1 - skew);

	if (t < -1)
		t = -1;
	return exp(fabs(t) > 1e-8 ? log1p(t) / t * a : a * (1 - t / 2));
}

void
keys_init(struct keys *k, const char *prefix, uint32_t letters, uint32_t count)
{
	size_t before = strlen(prefix);

	k->len = (uint32_t)before + letters;
	k->letters = letters;
	k->count = count;
	k->next = 0;
	for (int number = 0; number < 2; number++) {
		memcpy(k->zero[number], prefix, before);
		memset(k->zero[number] + before, number ? 'a' : 'A', letters);
	}
	k->salt = letters;
	for (; *prefix != '\0'; prefix++)
		k->salt = random_mix(k->salt + (unsigned char)*prefix + 1);
	if (k->order == KEYS_ZIPF) {
		k->zipf_low = area(k->skew, 1.5) - 1;
		k->zipf_high = area(k->skew, count + 0.5);
		k->zipf_cut = 2 - width(k->skew, area(k->skew, 2.5) - exp(-k->skew * log(2)));
	}
}

char *
keys_name(const struct keys *k, uint32_t key, char *to)
{
	bool number = key & KEYS_NUMBER;
	char first = number ? 'a' : 'A', *end = to + k->len, *p = end;

	memcpy(to, k->zero[number], k->len);
	for (key &= KEYS_MAX - 1; key > 0; key /= LETTERS)
		*--p = (char)(first + key % LETTERS);
	return end;
}

bool
keys_is(const struct keys *k, uint32_t key, const char *name, size_t len)
{
	char expected[KEYS_NAME_MAX];

	if (len != k->len)
		return false;
	keys_name(k, key, expected);
	return memcmp(name, expected, len) == 0;
}

uint32_t
keys_find(const struct keys *k, const char *name, size_t len)
{
	bool number = len > 0 && name[len - 1] >= 'a';
	uint64_t key = 0;

	if (len != k->len || memcmp(name, k->zero[number], len - k->letters) != 0)
		return UINT32_MAX;
	for (name += len - k->letters, len = k->letters; len > 0; name++, len--) {
		unsigned letter = (unsigned char)*name - (number ? 'a' : 'A');

		if (letter >= LETTERS)
			return UINT32_MAX;
		key = key * LETTERS + letter;
		if (key >= KEYS_MAX)
			return UINT32_MAX;
	}
	return (uint32_t)key | (number ? KEYS_NUMBER : 0);
}

static uint32_t
pick_zipf(const struct keys *k, struct random *r)
{
	for (;;) {
		double a = k->zipf_high + random_real(r) * (k->zipf_low - k->zipf_high), x = width(k->skew, a);
		double rank = floor(x + 0.5);

		if (rank < 1)
			rank = 1;
		if (rank > k->count)
			rank = k->count;
		if (rank - x <= k->zipf_cut || a >= area(k->skew, rank + 0.5) - exp(-k->skew * log(rank)))
			return (uint32_t)rank - 1;
	}
}

static uint32_t
pick_hotspot(const struct keys *k, struct random *r)
{
	uint32_t hot = (uint32_t)ceil(k->count * k->hot_keys);

	if (hot >= k->count)
		return (uint32_t)random_below(r, k->count);
	if (random_real(r) < k->hot_share)
		return (uint32_t)random_below(r, hot);
	return hot + (uint32_t)random_below(r, k->count - hot);
}

uint32_t
keys_pick(struct keys *k, struct random *r)
{
	uint32_t key;

	switch (k->order) {
	case KEYS_ZIPF:
		return pick_zipf(k, r);
	case KEYS_HOTSPOT:
		return pick_hotspot(k, r);
	case KEYS_SEQUENTIAL:
		key = k->next;
		k->next = key + 1 < k->count ? key + 1 : 0;
		return key;
	case KEYS_UNIFORM:
		break;
	}
	return (uint32_t)random_below(r, k->count);
}
