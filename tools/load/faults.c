/* What went wrong: see faults.h. */
#include "faults.h"

#include <stdarg.h>
#include <stdio.h>

#include "progress.h"

const char *
faults_name(enum faults_kind kind)
{
	static const char *const names[FAULTS_KINDS] = { [FAULTS_WRONG] = "wrong",
		[FAULTS_LOST] = "lost",
		[FAULTS_BROKEN] = "protocol",
		[FAULTS_ERROR] = "errors" };

	return names[kind];
}

void
faults_tell(struct faults *f, enum faults_kind kind, const char *fmt, ...)
{
	va_list ap;

	f->count[kind]++;
	if (f->told[kind] == FAULTS_TOLD)
		return;
	va_start(ap, fmt);
	vsnprintf(f->text[f->texts], FAULTS_TEXT, fmt, ap);
	va_end(ap);
	progress_clear();
	fprintf(stderr, "rend-load: %s\n", f->text[f->texts]);
	f->texts++;
	if (++f->told[kind] == FAULTS_TOLD)
		fprintf(stderr, "rend-load: more of this kind (%s) are only counted\n", faults_name(kind));
}
