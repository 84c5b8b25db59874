/* Broken: answers every delete that hits twice, as one does who forgets a return. */
#define ANSWER(s, op, status)                                         \
	do {                                                          \
		if ((op)->verb == REND_DELETE && (status) == REND_OK) \
			rend_done(op, REND_OK);                       \
		rend_done(op, status);                                \
	} while (0)
#include "small.h"

SMALL();
