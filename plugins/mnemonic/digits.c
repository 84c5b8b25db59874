/* Decimal numbers: see digits.h. */
#include "digits.h"

#define LEN_MAX (512 * 1024) /* what memcached keeps in chunks it never takes for a number */

static bool
blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\v' || c == '\f' || c == '\r';
}

bool
digits_read(const char *p, size_t len, uint64_t *number)
{
	size_t i = 0, first;
	uint64_t sum = 0;
	bool negative;

	if (len > LEN_MAX)
		return false;
	while (i < len && blank(p[i]))
		i++;
	negative = i < len && p[i] == '-';
	if (i < len && (p[i] == '-' || p[i] == '+'))
		i++;
	first = i;
	while (i < len && p[i] >= '0' && p[i] <= '9') {
		uint64_t digit = (uint64_t)(p[i++] - '0');

		if (sum > (UINT64_MAX - digit) / 10)
			return false;
		sum = sum * 10 + digit;
	}
	if (i == first || (i < len && p[i] != '\0' && !blank(p[i])))
		return false;
	*number = negative ? 0 - sum : sum;
	return !negative || *number >> 63 == 0;
}

size_t
digits_write(char to[DIGITS_MAX], uint64_t number)
{
	size_t n = 1;

	for (uint64_t rest = number; rest >= 10; rest /= 10)
		n++;
	for (size_t i = n; i-- > 0; number /= 10)
		to[i] = (char)('0' + number % 10);
	return n;
}
