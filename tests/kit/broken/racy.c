/* Broken: a value that is being copied can be read, because the lock is let go in the middle of the copy. */
#define SMALL_SET racy_set
#define SMALL_GET racy_get
#include <unistd.h>

#include "small.h"

/* So many ops of others pass in the middle of a copy, if they come soon; so often. */
#define LOOKS	8
#define WINDOWS 3000

/* Bytes that others may be reading: it is the kit that is to notice, not ThreadSanitizer. */
#if defined(__SANITIZE_THREAD__)
#define UNNOTICED __attribute__((no_sanitize("thread"), noinline))
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define UNNOTICED __attribute__((no_sanitize("thread"), noinline))
#endif
#endif
#ifndef UNNOTICED
#define UNNOTICED
#endif

UNNOTICED static void
overwrite(volatile char *to, const char *from, size_t len)
{
	for (size_t i = 0; i < len; i++)
		to[i] = from == NULL ? '?' : from[i];
}

static unsigned ops, windows; /* under the lock of the one store */
static bool open_now;

static enum rend_status
racy_get(struct small *s, struct rend_op *op)
{
	ops++;
	return small_get(s, op);
}

/* Lets others look. */
static void
let_go(struct small *s)
{
	unsigned last = ops + LOOKS;

	open_now = true;
	for (int i = 0; i < 20 && (int)(last - ops) > 0; i++) {
		pthread_mutex_unlock(&s->lock);
		usleep(50);
		pthread_mutex_lock(&s->lock);
	}
	open_now = false;
}

static enum rend_status
racy_set(struct small *s, struct rend_op *op)
{
	enum rend_status status = small_set(s, op);
	struct entry *e = *small_at(s, op);
	struct rend_buf *buf;
	size_t len = op->item.value.len;
	char *whole;

	ops++;
	if (status != REND_OK || len < 2 || open_now || rend_worker_count() < 2 || windows++ >= WINDOWS)
		return status;
	buf = rend_value_segs(&e->value)->buf;
	whole = malloc(len);
	if (whole == NULL)
		return status;
	rend_value_copy_out(&op->item.value, 0, whole, len);
	overwrite(buf->data + len / 2, NULL, len - len / 2);
	rend_buf_ref(buf);
	let_go(s);
	overwrite(buf->data, whole, len);
	rend_buf_drop(&buf);
	free(whole);
	return REND_OK;
}

SMALL();
