/* What is thought of what came, or did not: compared with what was expected, told if it is wrong, and counted. */
#ifndef LOAD_JUDGE_H
#define LOAD_JUDGE_H

#include "drive.h"

/* The value of one of r's keys came; i says what is wrong with it. */
void judge_value(struct drive *d, struct request *r, const struct inspect *i);

/* r is answered; in: the interval that it counts in, or NULL. */
void judge_answer(struct drive *d, struct request *r, const struct answer *a, struct interval *in, uint64_t now);

/* r will not be answered.  why: NULL, if that is told otherwise, or no fault. */
void judge_lost(struct drive *d, struct request *r, const char *why);

/* What came is no answer to r, or to anything (NULL). */
void judge_broken(struct drive *d, const struct request *r, const char *why);

#endif
