/*
 * Reads the raw text of a configuration for what libconfig would not tell.  Its integers are 32 bits wide unless they
 * end with L, and it cuts longer ones down without a word; and it opens the files that @include names by itself.
 */
#ifndef CONF_LITERALS_H
#define CONF_LITERALS_H

#include <stdbool.h>
#include <stddef.h>

enum literal {
	LITERAL_END,	 /* no more */
	LITERAL_TOO_BIG, /* an integer that does not fit */
	LITERAL_OPEN,	 /* a string or comment without its end; libconfig would name the last line */
	LITERAL_INCLUDE, /* @include "..."; the text is what stands between the quotes */
};

/* text and end are set by the caller; all-zero but for those is the beginning. */
struct literals {
	const char *at, *end;
	unsigned breaks; /* line ends passed */
	bool in_line;	 /* something other than spaces stood in this line */
	/* what was found last */
	unsigned line;
	const char *text;
	size_t len;
};

enum literal literals_next(struct literals *l);

#endif
