/* The text protocol, classic and meta: anything that a client may say, and anything that a handler may answer. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "walk.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t len);

/* A line, or nothing; and nothing of what must be silent. */
static void
check(const char *p, size_t len, const struct asked *asked)
{
	if (len > 0)
		WALK_MUST(len >= 2 && memcmp(p + len - 2, "\r\n", 2) == 0);
	if (asked->form == FORM_CLASSIC && asked->quiet && asked->kind != COMMAND_STATS)
		WALK_MUST(len == 0);
	if (asked->kind == COMMAND_REFUSED && !asked->quiet)
		WALK_MUST(len == strlen(asked->sentence) && memcmp(p, asked->sentence, len) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t len)
{
	walk_all_ways(DIALOG_TEXT, check, p, len);
	return 0;
}
