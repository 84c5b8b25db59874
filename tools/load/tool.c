/* The tools there are. */
#include "tool.h"

#include <stddef.h>

const struct tool *const tools[] = { &tool_run, &tool_blast, &tool_setget, &tool_sizes, &tool_fill, &tool_setops,
	&tool_check, NULL };
