/* The line on a terminal: see progress.h. */
#include "progress.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "quantity.h"

static bool shown;

bool
progress_wanted(void)
{
	return isatty(STDERR_FILENO);
}

void
progress_show(const struct progress *p)
{
	uint64_t looked = p->hits + p->misses;
	char p99[QUANTITY_SHORT], share[16] = "";

	if (!progress_wanted())
		return;
	if (p->share >= 0)
		snprintf(share, sizeof share, "%3.0f%%  ", p->share * 100);
	fprintf(stderr, "\r\033[K%s%.1f s  %.0f requests/s  hits %.1f%%  p99 %s  faults %" PRIu64, share, p->seconds,
	    p->rate, looked == 0 ? 0.0 : 100.0 * (double)p->hits / (double)looked, quantity_time(p99, p->p99),
	    p->faults);
	fflush(stderr);
	shown = true;
}

void
progress_clear(void)
{
	if (!shown)
		return;
	fputs("\r\033[K", stderr);
	shown = false;
}
