/* Numbers inside values: see rend/counter.h. */
#include "rend/counter.h"

/* isspace() of the C locale. */
static bool
is_space(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

bool
rend_counter_read(const char *p, size_t len, uint64_t *number)
{
	const char *end = p + len, *digits;
	uint64_t n = 0;
	bool minus = false;

	if (len > REND_COUNTER_VALUE_MAX)
		return false;
	while (p < end && is_space(*p))
		p++;
	if (p < end && (*p == '-' || *p == '+'))
		minus = *p++ == '-';
	for (digits = p; p < end && *p >= '0' && *p <= '9'; p++)
		if (__builtin_mul_overflow(n, 10, &n) || __builtin_add_overflow(n, (uint64_t)(*p - '0'), &n))
			return false;
	if (p == digits || (p < end && !is_space(*p) && *p != '\0'))
		return false;
	if (minus) {
		/* strtoull() negates, and only what is then large enough to look negative is refused. */
		n = -n;
		if ((int64_t)n < 0)
			return false;
	}
	*number = n;
	return true;
}

uint64_t
rend_counter_step(uint64_t number, uint64_t delta, bool up)
{
	if (up)
		return number + delta;
	return delta > number ? 0 : number - delta;
}

size_t
rend_counter_print(char digits[REND_COUNTER_DIGITS_MAX], uint64_t number)
{
	char back[REND_COUNTER_DIGITS_MAX];
	size_t n = 0;

	do
		back[n++] = (char)('0' + number % 10);
	while ((number /= 10) != 0);
	for (size_t i = 0; i < n; i++)
		digits[i] = back[n - 1 - i];
	return n;
}
