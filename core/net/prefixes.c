/* Counts by prefix: see prefixes.h. */
#include "net/prefixes.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "rend/op.h"

#define TABLE_SIZE 32768 /* a power of two, three times PREFIXES_MAX */
_Static_assert(TABLE_SIZE > 2 * PREFIXES_MAX, "the table gets too full");

/* A line of text: the prefix with each byte as %XX, and four numbers. */
#define LINE_MAX_BYTES (3 * REND_KEY_MAX + 128)
#define END_LINE       "END\r\n"

struct prefix {
	uint64_t hash;
	uint64_t counts[PREFIX_COUNTS];
	uint32_t len;
	char name[];
};

void
prefixes_init(struct prefixes *p)
{
	*p = (struct prefixes){ 0 };
	pthread_mutex_init(&p->lock, NULL);
}

static void
forget(struct prefixes *p)
{
	for (uint32_t i = 0; i < p->count; i++)
		free(p->all[i]);
	p->count = 0;
	__atomic_store_n(&p->missed, 0, __ATOMIC_RELAXED);
	if (p->table != NULL)
		memset(p->table, 0, TABLE_SIZE * sizeof *p->table);
}

void
prefixes_fini(struct prefixes *p)
{
	forget(p);
	free(p->all);
	free(p->table);
	pthread_mutex_destroy(&p->lock);
}

uint64_t
prefixes_missed(const struct prefixes *p)
{
	return __atomic_load_n(&p->missed, __ATOMIC_RELAXED);
}

/* What it needs beside the prefixes; stays until the end. */
static bool
has_room(struct prefixes *p)
{
	if (p->all == NULL)
		p->all = calloc(PREFIXES_MAX, sizeof *p->all);
	if (p->table == NULL)
		p->table = calloc(TABLE_SIZE, sizeof *p->table);
	return p->all != NULL && p->table != NULL;
}

bool
prefixes_switch(struct prefixes *p, bool on)
{
	bool can = true;

	pthread_mutex_lock(&p->lock);
	if (on)
		can = has_room(p);
	__atomic_store_n(&p->on, on && can, __ATOMIC_RELAXED);
	pthread_mutex_unlock(&p->lock);
	return can;
}

static struct prefix *
prefix_new(const char *name, size_t len, uint64_t hash)
{
	struct prefix *x = calloc(1, sizeof *x + len);

	if (x == NULL)
		return NULL;
	x->hash = hash;
	x->len = (uint32_t)len;
	memcpy(x->name, name, len);
	return x;
}

/* The one of that name, made if there is room.  NULL: one too many. */
static struct prefix *
find(struct prefixes *p, const char *name, size_t len)
{
	uint64_t hash = hash_key(name, len);
	uint32_t at = (uint32_t)hash & (TABLE_SIZE - 1);
	struct prefix *x;

	for (; p->table[at] != 0; at = (at + 1) & (TABLE_SIZE - 1)) {
		x = p->all[p->table[at] - 1];
		if (x->hash == hash && x->len == len && memcmp(x->name, name, len) == 0)
			return x;
	}
	if (p->count == PREFIXES_MAX)
		return NULL;
	x = prefix_new(name, len, hash);
	if (x == NULL)
		return NULL;
	p->all[p->count++] = x;
	p->table[at] = p->count;
	return x;
}

void
prefixes_count(struct prefixes *p, const char *key, size_t keylen, enum prefix_count what)
{
	const char *end = memchr(key, PREFIX_DELIMITER, keylen);
	struct prefix *x;

	if (end == NULL)
		return;
	pthread_mutex_lock(&p->lock);
	/* It may have been switched on for nobody: the room is there from the first time on. */
	x = p->table == NULL ? NULL : find(p, key, (size_t)(end - key));
	if (x == NULL) {
		__atomic_store_n(&p->missed, p->missed + 1, __ATOMIC_RELAXED);
	} else {
		x->counts[what]++;
		if (what == PREFIX_HIT)
			x->counts[PREFIX_GET]++;
	}
	pthread_mutex_unlock(&p->lock);
}

void
prefixes_reset(struct prefixes *p)
{
	pthread_mutex_lock(&p->lock);
	forget(p);
	pthread_mutex_unlock(&p->lock);
}

/* As it is, but for what would not leave the line a line: keys of binary clients may hold any byte. */
static void
print_name(const struct prefix *x, char *to)
{
	for (uint32_t i = 0; i < x->len; i++) {
		unsigned char b = (unsigned char)x->name[i];

		if (b > ' ' && b != 0x7f)
			*to++ = (char)b;
		else
			to += sprintf(to, "%%%02X", b);
	}
	*to = '\0';
}

static void
write_one(const struct prefix *x, struct page *page)
{
	const uint64_t *n = x->counts;
	char name[3 * REND_KEY_MAX + 1];

	print_name(x, name);
	page_text(page, "PREFIX %s get %" PRIu64 " hit %" PRIu64 " set %" PRIu64 " del %" PRIu64 "\r\n", name,
	    n[PREFIX_GET], n[PREFIX_HIT], n[PREFIX_SET], n[PREFIX_DELETE]);
}

bool
prefixes_write(struct prefixes *p, struct page *page, uint64_t *cursor)
{
	bool more;

	pthread_mutex_lock(&p->lock);
	while (*cursor < p->count && page_has_room(page, LINE_MAX_BYTES + sizeof END_LINE))
		write_one(p->all[(*cursor)++], page);
	more = *cursor < p->count;
	pthread_mutex_unlock(&p->lock);
	if (!more)
		page_text(page, END_LINE);
	return more;
}
