/* Broken: claims something else each time. */
#include <stdio.h>

#include "rend/plugin.h"

static const char *
grasping_claims(const void *conf, unsigned nth)
{
	static char claim[32];
	static unsigned serial;

	snprintf(claim, sizeof claim, "/file-%u", serial++);
	return nth < 3 ? claim : NULL;
}

#define MORE .claims = grasping_claims,
#include "small.h"

SMALL();
