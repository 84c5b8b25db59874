/* Numbers as a protocol writes them: see number.h. */
#include "proto/number.h"

#include <string.h>

static bool
digits(const char *p, size_t len, uint64_t *n)
{
	uint64_t sum = 0;

	if (len == 0)
		return false;
	for (size_t i = 0; i < len; i++) {
		unsigned digit = (unsigned char)p[i] - '0';

		if (digit > 9)
			return false;
		/* Nineteen digits always fit. */
		if (i >= 19 &&
		    (__builtin_mul_overflow(sum, 10, &sum) || __builtin_add_overflow(sum, (uint64_t)digit, &sum)))
			return false;
		if (i < 19)
			sum = sum * 10 + digit;
	}
	*n = sum;
	return true;
}

bool
number_u64(const char *p, size_t len, uint64_t *n)
{
	if (len > 0 && *p == '+')
		return digits(p + 1, len - 1, n);
	return digits(p, len, n);
}

bool
number_i64(const char *p, size_t len, int64_t *n)
{
	bool minus = len > 0 && *p == '-';
	uint64_t size;

	if (minus ? !digits(p + 1, len - 1, &size) : !number_u64(p, len, &size))
		return false;
	if (size > (uint64_t)INT64_MAX + minus)
		return false;
	*n = (int64_t)(minus ? 0 - size : size);
	return true;
}

static size_t
digits_of(uint64_t n)
{
	for (size_t len = 1;; len += 4, n /= 10000) {
		if (n < 10)
			return len;
		if (n < 100)
			return len + 1;
		if (n < 1000)
			return len + 2;
		if (n < 10000)
			return len + 3;
	}
}

size_t
number_print(char *to, uint64_t n)
{
	static const char pairs[] = "0001020304050607080910111213141516171819"
				    "2021222324252627282930313233343536373839"
				    "4041424344454647484950515253545556575859"
				    "6061626364656667686970717273747576777879"
				    "8081828384858687888990919293949596979899";
	size_t len;
	char *p;

	if (n < 10) {
		*to = (char)('0' + n);
		return 1;
	}
	len = digits_of(n);
	p = to + len;

	while (n >= 100) {
		p -= 2;
		memcpy(p, pairs + n % 100 * 2, 2);
		n /= 100;
	}
	if (n >= 10)
		memcpy(to, pairs + n * 2, 2);
	else
		*to = (char)('0' + n);
	return len;
}
