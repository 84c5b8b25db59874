/* The times that clients send: see times.h. */
#include "proto/times.h"

#define TIMES_RELATIVE_MAX (60 * 60 * 24 * 30)

/* Stores and other protocols have 32 bits for it; what lies beyond is as good as never. */
#define TIMES_LAST UINT32_MAX

int64_t
times_exptime(int64_t given, int64_t now)
{
	int64_t at;

	if (given == 0)
		return 0;
	if (given < 0)
		return TIMES_GONE;
	at = given > TIMES_RELATIVE_MAX ? given : now + given;
	return at < TIMES_LAST ? at : TIMES_LAST;
}

int64_t
times_delay(int64_t given, int64_t now)
{
	int64_t at;

	if (given <= 0)
		return 0;
	at = times_exptime(given, now);
	return at > now ? at - now : 0;
}
