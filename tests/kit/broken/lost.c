/* Broken: a replace that is refused is never answered. */
#define ANSWER(s, op, status)                                                  \
	do {                                                                   \
		if ((op)->verb == REND_REPLACE && (status) == REND_NOT_STORED) \
			return;                                                \
		rend_done(op, status);                                         \
	} while (0)
#include "small.h"

SMALL();
