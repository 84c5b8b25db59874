/*
 * The measured time of a stage, and what stands before and behind it:
 *
 *	DRIVE_WARM ──► DRIVE_MEASURE ──► DRIVE_DRAIN ──► over
 *	   warmup         so long, so many, or until    what is under way
 *	                  the plan or a signal ends it  is waited for
 */
#ifndef LOAD_WINDOW_H
#define LOAD_WINDOW_H

#include "drive.h"

/* It begins now. */
void window_open(struct drive *d);

/* It was over at `at`.  Nothing happens if that is known. */
void window_close(struct drive *d, enum drive_end end, uint64_t at);

/* Has the stage come to its end, or to that of a phase? */
void window_check(struct drive *d, uint64_t now);

#endif
