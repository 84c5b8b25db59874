/* Draws tokens: see tokens.h. */
#include "tokens.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

static bool
draw(struct tokens *t)
{
	size_t got = 0;

	while (got < sizeof t->bytes) {
		ssize_t n = getrandom(t->bytes + got, sizeof t->bytes - got, 0);

		if (n < 0 && errno != EINTR)
			return false;
		got += n > 0 ? (size_t)n : 0;
	}
	t->left = sizeof t->bytes;
	return true;
}

bool
token_next(struct tokens *t, uint8_t to[LAYOUT_TOKEN])
{
	if (t->left == 0 && !draw(t))
		return false;
	t->left -= LAYOUT_TOKEN;
	memcpy(to, t->bytes + t->left, LAYOUT_TOKEN);
	return true;
}
