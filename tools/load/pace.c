/* When requests are due: see pace.h. */
#include "pace.h"

#include <math.h>

void
pace_init(struct pace *p, uint64_t start, double rate, bool poisson, uint64_t seed)
{
	*p = (struct pace){ .start = start, .gap = 1e9 / rate, .poisson = poisson, .random = { seed } };
}

uint64_t
pace_due(const struct pace *p)
{
	return p->start + (uint64_t)p->at;
}

uint64_t
pace_take(struct pace *p)
{
	uint64_t due = pace_due(p);

	p->taken++;
	/* Multiplied, not added up: rounding must not make a rate of a hundred million requests another one. */
	if (p->poisson)
		p->at += -log(1 - random_real(&p->random)) * p->gap;
	else
		p->at = (double)p->taken * p->gap;
	return due;
}

uint64_t
pace_behind(const struct pace *p, uint64_t now)
{
	uint64_t due = pace_due(p);

	return now < due ? 0 : 1 + (uint64_t)((double)(now - due) / p->gap);
}

uint64_t
pace_drop(struct pace *p, uint64_t end)
{
	uint64_t n = 0;

	for (; pace_due(p) < end; n++)
		pace_take(p);
	return n;
}
