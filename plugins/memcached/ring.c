/* Points and their order: see ring.h. */
#include "ring.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "md5.h"

#define POINTS	     160
#define PLAIN_POINTS 100
#define PER_DIGEST   4
#define LABEL_MAX    (SERVER_TEXT_MAX + 16)

struct point {
	uint32_t value;
	uint32_t server;
	uint32_t nth; /* in which it was made */
};

struct ring {
	size_t count, servers;
	bool last_wins; /* of two points in one place the later one counts */
	struct point points[];
};

/* Digests of a server, each four points.  Single precision, as theirs: it decides how many there are. */
static unsigned
digests(enum ring_kind kind, const struct server *s, size_t count, uint64_t total)
{
	float part = (float)s->weight / (float)total;

	if (kind != RING_KETAMA_WEIGHTED)
		return kind == RING_KETAMA ? PLAIN_POINTS : POINTS / PER_DIGEST;
	return (unsigned)floorf((float)(part * POINTS / PER_DIGEST * (float)count + 0.0000000001));
}

static void
put(struct ring *r, uint32_t value, size_t server)
{
	r->points[r->count] = (struct point){ value, (uint32_t)server, (uint32_t)r->count };
	r->count++;
}

static void
place(struct ring *r, enum ring_kind kind, enum key_hash hash, const struct server *s, size_t server, unsigned count)
{
	char name[SERVER_TEXT_MAX], label[LABEL_MAX];
	uint8_t digest[MD5_SIZE];

	server_called(s, name);
	for (unsigned i = 0; i < count; i++) {
		size_t len = (size_t)snprintf(label, sizeof label, "%s-%u", name, i);

		if (kind == RING_KETAMA) {
			put(r, key_hash(hash, label, len), server);
			continue;
		}
		md5(label, len, digest);
		for (unsigned part = 0; part < PER_DIGEST; part++)
			put(r, key_hash_md5_part(digest, part), server);
	}
}

static int
compare(const void *a, const void *b)
{
	const struct point *p = a, *q = b;

	if (p->value != q->value)
		return p->value < q->value ? -1 : 1;
	return p->nth < q->nth ? -1 : p->nth > q->nth;
}

struct ring *
ring_new(enum ring_kind kind, enum key_hash hash, const struct server *servers, size_t count)
{
	uint64_t total = 0;
	size_t most = 0;
	struct ring *r;

	for (size_t i = 0; i < count; i++)
		total += servers[i].weight;
	for (size_t i = 0; i < count; i++)
		most += (size_t)PER_DIGEST * digests(kind, &servers[i], count, total);
	r = malloc(sizeof *r + most * sizeof r->points[0]);
	if (r == NULL)
		return NULL;
	r->count = 0;
	r->servers = count;
	r->last_wins = kind == RING_EVCACHE;
	for (size_t i = 0; i < count; i++)
		place(r, kind, hash, &servers[i], i, digests(kind, &servers[i], count, total));
	qsort(r->points, r->count, sizeof r->points[0], compare);
	return r;
}

void
ring_free(struct ring **rp)
{
	free(*rp);
	*rp = NULL;
}

static size_t
first_behind(const struct ring *r, uint32_t hash)
{
	size_t left = 0, right = r->count;

	while (left < right) {
		size_t middle = left + (right - left) / 2;

		if (r->points[middle].value < hash)
			left = middle + 1;
		else
			right = middle;
	}
	if (left == r->count)
		left = 0;
	while (r->last_wins && left + 1 < r->count && r->points[left + 1].value == r->points[left].value)
		left++;
	return left;
}

size_t
ring_find(const struct ring *r, uint32_t hash)
{
	return r->count == 0 ? 0 : r->points[first_behind(r, hash)].server;
}

size_t
ring_find_good(const struct ring *r, uint32_t hash, bool (*good)(const void *arg, size_t server), const void *arg)
{
	size_t first = r->count == 0 ? 0 : first_behind(r, hash), asked = 0;
	uint64_t known[RING_SERVERS_MAX / 64];

	if (r->count == 0 || good(arg, r->points[first].server))
		return ring_find(r, hash);
	memset(known, 0, sizeof known);
	for (size_t i = 0; i < r->count && asked < r->servers; i++) {
		size_t server = r->points[(first + i) % r->count].server;
		uint64_t bit = 1ULL << server % 64;

		if (known[server / 64] & bit)
			continue;
		known[server / 64] |= bit;
		asked++;
		if (i > 0 && good(arg, server))
			return server;
	}
	return r->points[first].server;
}

size_t
ring_points(const struct ring *r)
{
	return r->count;
}
