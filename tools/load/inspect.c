/* Looks at values: see inspect.h. */
#include "inspect.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static bool
exact(const struct inspect *i)
{
	return i->asked->check == CHECK_PIECES;
}

static bool
number(const struct inspect *i)
{
	return i->asked->check == CHECK_NUMBER || (i->key & KEYS_NUMBER) || verb_counts(i->asked->verb);
}

static void
fail(struct inspect *i, enum fault fault)
{
	if (i->fault != FAULT_NONE)
		return;
	i->fault = fault;
	i->fault_at = i->at;
}

static uint64_t
expected_length(const struct request *r)
{
	uint64_t len = 0;

	for (uint32_t n = 0; n < r->pieces; n++)
		len += r->piece[n].len;
	return len;
}

void
inspect_begin(struct inspect *i, const struct keys *k, const struct request *asked, uint32_t key, uint64_t len)
{
	i->keys = k;
	i->asked = asked;
	i->key = key;
	i->piece = 0;
	i->at = 0;
	i->len = len;
	i->done = 0;
	i->head_len = 0;
	i->number = 0;
	i->padded = false;
	i->headed = false;
	i->fault = FAULT_NONE;
	if (exact(i) && len != expected_length(asked)) {
		i->heard = len;
		fail(i, FAULT_LENGTH);
	}
}

/* The next piece begins: what it should be is known, or its head will say it.  false: nothing of it is known yet. */
static bool
piece_known(struct inspect *i)
{
	i->stamp.key = i->key;
	if (exact(i)) {
		/* The whole is as long as all pieces, so there is another one; those of length 0 do not show. */
		while (i->asked->piece[i->piece].len == 0)
			i->piece++;
		i->stamp.version = i->asked->piece[i->piece].version;
		i->stamp.len = i->asked->piece[i->piece].len;
		i->piece++;
		return true;
	}
	if (i->len >= STAMP_HEAD)
		return false;
	i->stamp.len = (uint32_t)i->len;
	i->stamp.version = 0;
	return true;
}

static void
head_read(struct inspect *i)
{
	struct stamp found;

	if (!stamp_read(i->keys, i->head, &found)) {
		fail(i, FAULT_HEAD);
		return;
	}
	i->found = found;
	if (found.key != i->key)
		fail(i, FAULT_KEY);
	else if (exact(i) && (found.version != i->stamp.version || found.len != i->stamp.len))
		fail(i, FAULT_VERSION);
	else if (found.len > i->len - i->at)
		fail(i, FAULT_SHORT);
	i->stamp = found;
}

static size_t
take_head(struct inspect *i, const char *p, size_t n)
{
	size_t part = STAMP_HEAD - i->head_len < n ? STAMP_HEAD - i->head_len : n;

	if (i->head_len == 0 && !exact(i) && i->len - i->at < STAMP_HEAD) {
		fail(i, FAULT_HEAD);
		return n;
	}
	memcpy(i->head + i->head_len, p, part);
	i->head_len += (uint32_t)part;
	if (i->head_len == STAMP_HEAD) {
		head_read(i);
		i->at += STAMP_HEAD;
		i->done = STAMP_HEAD;
	}
	return part;
}

static size_t
take_body(struct inspect *i, const char *p, size_t n)
{
	size_t part = i->stamp.len - i->done < n ? (size_t)(i->stamp.len - i->done) : n;
	size_t good = stamp_compare(i->keys, &i->stamp, (size_t)i->done, p, part);

	i->at += good;
	if (good < part)
		fail(i, FAULT_BYTES);
	i->done += part;
	return part;
}

static void
take_digits(struct inspect *i, const char *p, size_t n)
{
	for (; n > 0 && i->fault == FAULT_NONE; p++, n--, i->at++) {
		unsigned digit = (unsigned)(*p - '0');

		/* A number that got shorter keeps its length, with spaces. */
		if (*p == ' ' && i->at > 0)
			i->padded = true;
		else if (digit > 9 || i->padded || (i->at > 0 && i->number == 0))
			fail(i, FAULT_DIGITS);
		else if (__builtin_mul_overflow(i->number, 10, &i->number) ||
			 __builtin_add_overflow(i->number, digit, &i->number))
			fail(i, FAULT_DIGITS);
	}
}

/* A value of another length: its head says what it is instead. */
static void
take_other_head(struct inspect *i, const char *p, size_t n)
{
	size_t part = STAMP_HEAD - i->head_len < n ? STAMP_HEAD - i->head_len : n;

	if (i->head_len == STAMP_HEAD)
		return;
	memcpy(i->head + i->head_len, p, part);
	i->head_len += (uint32_t)part;
	i->headed = i->head_len == STAMP_HEAD && stamp_read(i->keys, i->head, &i->found);
}

void
inspect_take(struct inspect *i, const char *p, size_t n)
{
	if (number(i)) {
		take_digits(i, p, n);
		return;
	}
	if (i->fault == FAULT_LENGTH)
		take_other_head(i, p, n);
	/* Behind a fault nothing is worth comparing. */
	while (n > 0 && i->fault == FAULT_NONE && i->asked->check != CHECK_NOTHING) {
		bool begins = i->done == 0 && i->head_len == 0, known = begins ? piece_known(i) : true;
		size_t part;

		if (i->done == 0 && (!known || i->head_len > 0 || i->stamp.len >= STAMP_HEAD))
			part = take_head(i, p, n);
		else
			part = take_body(i, p, n);
		if (i->done > 0 && i->done == i->stamp.len) {
			i->done = 0;
			i->head_len = 0;
		}
		p += part;
		n -= part;
	}
}

enum fault
inspect_end(struct inspect *i)
{
	if (number(i)) {
		if (i->fault == FAULT_NONE && i->at == 0)
			fail(i, FAULT_DIGITS);
		if (i->fault == FAULT_NONE && i->asked->check == CHECK_NUMBER && i->number != i->asked->expect) {
			i->heard = i->number;
			fail(i, FAULT_NUMBER);
		}
	} else if (i->done != 0 || i->head_len != 0) {
		fail(i, FAULT_SHORT);
	} else if (i->len == 0 && i->asked->filled && i->asked->check == CHECK_STAMPS) {
		/* It would follow from any key. */
		fail(i, FAULT_SHORT);
	}
	return i->fault;
}

void
inspect_flags(struct inspect *i, uint32_t flags)
{
	/* Without --flags it may be an item of who had them. */
	if (!i->asked->flagged || flags == request_flags(i->asked, i->key))
		return;
	i->heard = flags;
	fail(i, FAULT_FLAGS);
}

/* ---- telling ---- */

static void
tell_expected(const struct inspect *i, char *buf, size_t size)
{
	const struct request *r = i->asked;
	size_t used = 0;

	if (r->check != CHECK_PIECES) {
		snprintf(buf, size, "any whole value of the key");
		return;
	}
	used = (size_t)snprintf(buf, size, "%" PRIu64 " bytes", expected_length(r));
	for (uint32_t n = 0; n < r->pieces && used < size; n++)
		used += (size_t)snprintf(
		    buf + used, size - used, "%s version %" PRIu64, n == 0 ? " of" : " and", r->piece[n].version);
}

/* Whose value it is, and which. */
static void
tell_found(const struct inspect *i, char *buf, size_t size)
{
	const struct request *r = i->asked;
	const struct stamp *f = &i->found;
	char name[KEYS_NAME_MAX + 1];
	uint64_t newest = 0;

	for (uint32_t n = 0; n < r->pieces; n++)
		newest = r->piece[n].version > newest ? r->piece[n].version : newest;
	if (f->key == i->key)
		snprintf(buf, size, ", version %" PRIu64 "%s", f->version, f->version < newest ? ": an old value" : "");
	else if (f->key < i->keys->count)
		snprintf(buf, size, ", version %" PRIu64 " of another key: %.*s", f->version,
		    (int)(keys_name(i->keys, f->key, name) - name), name);
	else
		snprintf(buf, size, ", version %" PRIu64 " of another key, number %" PRIu32, f->version, f->key);
}

void
inspect_tell(const struct inspect *i, char *buf, size_t size)
{
	char want[160];
	int used;

	tell_expected(i, want, sizeof want);
	switch (i->fault) {
	case FAULT_NONE:
		snprintf(buf, size, "nothing is wrong");
		return;
	case FAULT_LENGTH:
		used = snprintf(buf, size, "expected %s, heard a value of %" PRIu64 " bytes", want, i->heard);
		if (i->headed && (size_t)used < size)
			tell_found(i, buf + used, size - (size_t)used);
		return;
	case FAULT_HEAD:
		snprintf(
		    buf, size, "expected %s, heard at byte %" PRIu64 " what is no value of ours", want, i->fault_at);
		return;
	case FAULT_KEY:
	case FAULT_VERSION:
		used = snprintf(buf, size, "expected %s, heard a value of %" PRIu32 " bytes", want, i->found.len);
		if ((size_t)used < size)
			tell_found(i, buf + used, size - (size_t)used);
		return;
	case FAULT_SHORT:
		snprintf(buf, size, "expected %s, heard what ends too early", want);
		return;
	case FAULT_BYTES:
		snprintf(buf, size, "expected %s, heard version %" PRIu64 " with another byte at %" PRIu64, want,
		    i->stamp.version, i->fault_at);
		return;
	case FAULT_NUMBER:
		snprintf(buf, size, "expected %" PRIu64 ", heard %" PRIu64, i->asked->expect, i->heard);
		return;
	case FAULT_DIGITS:
		snprintf(buf, size, "expected a number, heard what is none at byte %" PRIu64, i->fault_at);
		return;
	case FAULT_FLAGS:
		snprintf(buf, size, "expected client flags %" PRIu32 ", heard %" PRIu64,
		    request_flags(i->asked, i->key), i->heard);
		return;
	}
}
