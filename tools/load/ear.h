/* Hears the answer to one request after the other, as the bytes come.  What all protocols have in common. */
#ifndef LOAD_EAR_H
#define LOAD_EAR_H

#include "inspect.h"

#define EAR_LINE_MAX 1024

enum hear {
	HEAR_MORE,   /* it is not all there yet; all bytes were taken */
	HEAR_VALUE,  /* the value of one of its keys is complete; ear->inspect says what is wrong with it */
	HEAR_DONE,   /* the request is answered */
	HEAR_BROKEN, /* no answer to this request: ear->why.  What follows cannot be understood */
};

struct answer {
	uint8_t outcome; /* enum outcome; of a get with several keys: OK if at least one was a hit */
	uint32_t flags;
	uint64_t cas, number;
	char text[160]; /* an error's words, or the version; with NUL */
};

/* All-zero but for keys is the beginning. */
struct ear {
	const struct keys *keys;
	enum { EAR_LINE, EAR_EXTRAS, EAR_BODY, EAR_VALUE, EAR_CRLF, EAR_TAIL } stage;
	uint64_t left; /* of the value or body */
	uint32_t slot; /* which of the keys the value is of */
	bool ends;     /* binary: it is the noop behind several keys */
	bool failed;   /* binary: one of several keys was answered with an error */
	struct inspect inspect;
	struct answer answer;
	char why[256]; /* with NUL */
	uint32_t line_len;
	char line[EAR_LINE_MAX]; /* half a line, a header, extras */
};

/* Forgets half an answer: for a new connection. */
void ear_reset(struct ear *e);

/* A whole line without its end, or NULL: more has to come, or *broken.  It is good until the next call. */
const char *ear_line(struct ear *e, const char **p, const char *end, size_t *len, bool *broken);

/* Collects exactly n bytes (n <= EAR_LINE_MAX).  NULL: more has to come. */
const char *ear_bytes(struct ear *e, const char **p, const char *end, size_t n);

/* A value of len bytes comes next, for asked key number `slot`, with these client flags. */
void ear_value(
    struct ear *e, const struct request *r, const uint32_t *slots, uint32_t slot, uint64_t len, uint32_t flags);

/* Takes what there is of the value.  true: it is complete. */
bool ear_take(struct ear *e, const char **p, const char *end);

/* That value is complete: marks its key as answered. */
void ear_heard(struct ear *e, const struct request *r, uint32_t *slots);

/* Which key of *r is this, not answered yet?  r->width if none. */
uint32_t ear_slot(const struct ear *e, const struct request *r, const uint32_t *slots, const char *name, size_t len);

/* The answer is an error in words, or something that a request of this kind is not answered with. */
enum hear ear_error(struct ear *e, const struct request *r, const char *line, size_t len);

/* What is wrong, and with which line. */
enum hear ear_refuse(struct ear *e, const char *what, const char *line, size_t len);

__attribute__((format(printf, 2, 3))) enum hear ear_broken(struct ear *e, const char *fmt, ...);

/* Bit of a key in slots: it is answered. */
#define SLOT_ANSWERED (UINT32_C(1) << 31)

/* Writes a line for people: what is not printable as \xNN.  Returns to. */
char *ear_quote(char *to, size_t size, const char *p, size_t len);

/* Digits and nothing else. */
bool ear_number(const char *p, size_t len, uint64_t max, uint64_t *n);

#endif
