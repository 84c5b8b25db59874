/* Statuses: their names and their outcomes. */
#include "rend/status.h"

static const struct {
	const char *name;
	enum rend_outcome outcome;
} statuses[] = {
#define X(name, outcome) [REND_##name] = { #name, REND_##outcome },
	REND_STATUSES(X)
#undef X
};

enum rend_outcome
rend_outcome(enum rend_status status)
{
	return (unsigned)status < REND_STATUS_COUNT ? statuses[status].outcome : REND_FAIL;
}

bool
rend_ambiguous(enum rend_status status)
{
	switch (status) {
	case REND_TIMEOUT:
	case REND_LOST:
	case REND_IO:
	case REND_CORRUPT:
		return true;
	default:
		return (unsigned)status >= REND_STATUS_COUNT;
	}
}

const char *
rend_status_name(enum rend_status status)
{
	return (unsigned)status < REND_STATUS_COUNT ? statuses[status].name : "?";
}
