/* The measured time of a stage: see window.h. */
#include "window.h"

#include <stdio.h>

#include "judge.h"

static void
look_at_processes(struct drive *d, bool end)
{
	char why[80];

	for (uint32_t i = 0; i < d->settings->pid_count; i++) {
		struct process_sample now = process_look(d->settings->pids[i]);

		/* What it used until then nobody can say any more: as if it had used nothing since. */
		if (now.cpu == 0) {
			snprintf(why, sizeof why, "process %u, of --pid, has ended", (unsigned)d->settings->pids[i]);
			judge_broken(d, NULL, why);
			now = end ? d->process[i].start : d->process[i].before;
		}
		*(end ? &d->process[i].end : &d->process[i].start) = now;
	}
}

void
window_open(struct drive *d)
{
	uint64_t now;

	d->phase = DRIVE_MEASURE;
	if (d->stage.counts) {
		look_at_processes(d, false);
		d->own_cpu = process_own();
	}
	now = drive_now();
	d->window = now;
	d->issued = 0;
	d->deadline = d->stage.duration == 0 ? UINT64_MAX : now + d->stage.duration;
	d->next_tick = now + d->settings->interval;
	timeline_init(&d->timeline, now, d->settings->interval);
}

void
window_close(struct drive *d, enum drive_end end, uint64_t at)
{
	if (d->phase == DRIVE_DRAIN)
		return;
	if (d->phase == DRIVE_WARM)
		d->window = at;
	d->closed = at;
	if (d->stage.counts && d->phase == DRIVE_MEASURE) {
		look_at_processes(d, true);
		d->own_cpu = process_own() - d->own_cpu;
	}
	if (d->stage.rate > 0 && end != DRIVE_BY_REQUESTS && d->stage.counts) {
		uint64_t until = at < d->deadline ? at : d->deadline;

		d->unsent_for = pace_due(&d->pace) < until ? until - pace_due(&d->pace) : 0;
		d->unsent = pace_drop(&d->pace, until);
	}
	if (d->stage.plan->over != NULL)
		d->stage.plan->over(d->stage.plan, at - d->window);
	d->phase = DRIVE_DRAIN;
	d->end = end;
	d->deadline = drive_now() + d->settings->timeout;
}

void
window_check(struct drive *d, uint64_t now)
{
	bool asked = d->phase == DRIVE_MEASURE && d->stage.requests != 0 && d->issued >= d->stage.requests;

	if (drive_interrupted() != 0)
		window_close(d, DRIVE_BY_SIGNAL, now);
	if (d->phase == DRIVE_WARM && now >= d->deadline)
		window_open(d);
	else if (d->phase == DRIVE_MEASURE && now >= d->deadline)
		window_close(d, DRIVE_BY_TIME, now);
	else if (asked && d->open == 0)
		window_close(d, DRIVE_BY_REQUESTS, d->answered_at);
	if (d->phase == DRIVE_DRAIN && (d->open == 0 || now >= d->deadline || drive_hurried()))
		d->over = true;
}
