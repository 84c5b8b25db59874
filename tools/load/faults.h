/* What went wrong: all of it is counted, the first few are told. */
#ifndef LOAD_FAULTS_H
#define LOAD_FAULTS_H

#include <stdint.h>

#define FAULTS_TOLD 10
#define FAULTS_TEXT 512

enum faults_kind {
	FAULTS_WRONG,  /* an answer that cannot be, or another value than was stored */
	FAULTS_LOST,   /* no answer */
	FAULTS_BROKEN, /* what is no answer of the protocol */
	FAULTS_ERROR,  /* the server says that it failed */
	FAULTS_KINDS
};

struct faults {
	uint64_t count[FAULTS_KINDS];
	uint32_t told[FAULTS_KINDS]; /* of each kind */
	uint32_t texts;
	char text[FAULTS_KINDS * FAULTS_TOLD][FAULTS_TEXT];
};

const char *faults_name(enum faults_kind kind);

/* One more; a sentence with key and expectation. */
__attribute__((format(printf, 3, 4))) void faults_tell(struct faults *f, enum faults_kind kind, const char *fmt, ...);

#endif
