/* Numbers inside values: see number.h. */
#include "number.h"

bool
number_parse(const char *p, size_t len, uint64_t *number)
{
	uint64_t n = 0;
	size_t i;

	if (len > NUMBER_TEXT_MAX)
		return false;
	for (i = 0; i < len && p[i] >= '0' && p[i] <= '9'; i++)
		if (__builtin_mul_overflow(n, 10, &n) || __builtin_add_overflow(n, (uint64_t)(p[i] - '0'), &n))
			return false;
	*number = n;
	if (i == 0)
		return false;
	while (i < len && p[i] == ' ')
		i++;
	return i == len;
}

size_t
number_print(char digits[NUMBER_DIGITS_MAX], uint64_t number)
{
	char back[NUMBER_DIGITS_MAX];
	size_t n = 0;

	do
		back[n++] = (char)('0' + number % 10);
	while ((number /= 10) != 0);
	for (size_t i = 0; i < n; i++)
		digits[i] = back[n - 1 - i];
	return n;
}

uint64_t
number_step(uint64_t number, uint64_t delta, bool up)
{
	if (up)
		return number + delta;
	return delta > number ? 0 : number - delta;
}

size_t
number_change(char *text, size_t len, uint64_t number)
{
	size_t n = number_print(text, number);

	while (n < len)
		text[n++] = ' ';
	return n;
}
