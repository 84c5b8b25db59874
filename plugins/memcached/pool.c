/* Makes pools, and finds keys in them: see pool.h. */
#include "pool.h"

#include <stdlib.h>
#include <string.h>

/* So many things a block may have for itself: rend_handler.claims. */
#define EXCLUSIVE_MAX 64

/* ---- what is seen of it ---- */

static uint64_t
links_up(void *arg)
{
	const struct pool *p = arg;
	uint64_t sum = 0;

	for (size_t i = 0; i < p->count; i++)
		sum += __atomic_load_n(&p->backends[i]->links_up, __ATOMIC_RELAXED);
	return sum;
}

static uint64_t
servers(void *arg)
{
	return ((const struct pool *)arg)->count;
}

static uint64_t
servers_up(void *arg)
{
	const struct pool *p = arg;
	uint64_t sum = 0;

	for (size_t i = 0; i < p->count; i++)
		sum += __atomic_load_n(&p->backends[i]->links_up, __ATOMIC_RELAXED) != 0;
	return sum;
}

static uint64_t
waiting(void *arg)
{
	const struct pool *p = arg;
	uint64_t sum = 0;

	for (size_t i = 0; i < p->count; i++)
		sum += __atomic_load_n(&p->backends[i]->waiting, __ATOMIC_RELAXED);
	return sum;
}

static uint64_t
resolve_errors(void *arg)
{
	const struct pool *p = arg;
	uint64_t sum = 0;

	for (size_t i = 0; i < p->count; i++)
		sum += resolver_failures(p->backends[i]->resolver);
	return sum;
}

/* All of them do. */
static uint64_t
all_speak(const struct pool *p, unsigned what)
{
	for (size_t i = 0; i < p->count; i++)
		if ((__atomic_load_n(&p->backends[i]->speaks, __ATOMIC_RELAXED) & what) == 0)
			return 0;
	return 1;
}

static uint64_t
speaks_meta(void *arg)
{
	return all_speak(arg, BACKEND_SPEAKS_META);
}

static uint64_t
sets_versions(void *arg)
{
	return all_speak(arg, BACKEND_SETS_CAS);
}

static const struct {
	const char *name, *doc;
	rend_gauge_f *read;
} gauges[] = {
	{ "servers", "servers that keys are spread over", servers },
	{ "servers_up", "servers to which a connection is up", servers_up },
	{ "links_up", "connections to the backend that are up", links_up },
	{ "waiting", "requests that wait for a connection to be made", waiting },
	{ "resolve_errors", "how often nobody knew what the backend's name means", resolve_errors },
	{ "speaks_meta", "1: the backend understands meta commands", speaks_meta },
	{ "sets_versions", "1: the backend gives items the versions it is told (the flag E)", sets_versions },
};

/* ---- what rend.conf says ---- */

static int
check_server(const struct memcached_conf *conf, size_t which, struct rend_error *err)
{
	const char *text = conf->servers.strings[which], *fault;
	char called[SERVER_TEXT_MAX], others[SERVER_TEXT_MAX];
	struct server s, other;

	fault = server_parse(&s, text);
	if (fault != NULL)
		return rend_error(err, "servers: \"%s\": %s", text, fault);
	if (s.weight != 1 && conf->hash != RING_KETAMA_WEIGHTED)
		return rend_error(err, "servers: \"%s\": this hash has no weights: ketama_weighted has", text);
	if (s.name[0] == '\0' && conf->hash == RING_EVCACHE && conf->servers.count > 1)
		return rend_error(
		    err, "servers: \"%s\": needs name=HOST/ADDRESS:11211, which is what EVCache calls it", text);
	server_called(&s, called);
	for (size_t i = 0; i < which; i++) {
		if (server_parse(&other, conf->servers.strings[i]) != NULL)
			continue;
		if (strcmp(other.address, s.address) == 0)
			return rend_error(err, "servers: %s is there twice", s.address);
		/* On the ring they would be in the same places, and one of them get no key. */
		server_called(&other, others);
		if (strcmp(others, called) == 0)
			return rend_error(err, "servers: \"%s\": another one is called %s, too", text, called);
	}
	return 0;
}

int
pool_check(const struct memcached_conf *conf, struct rend_error *err)
{
	size_t tag = strlen(conf->hash_tag);

	if (conf->servers.count == 0)
		return rend_error(err, "servers: names no server; write servers = [ \"host:port\" ]");
	if (conf->servers.count > RING_SERVERS_MAX)
		return rend_error(err, "servers: are %zu; there may be %d", conf->servers.count, RING_SERVERS_MAX);
	for (size_t i = 0; i < conf->servers.count; i++)
		if (check_server(conf, i, err) != 0)
			return -1;
	if (tag != 0 && tag != 2)
		return rend_error(err, "hash_tag: is two characters, such as \"{}\"");
	if (conf->exclusive && conf->servers.count > EXCLUSIVE_MAX)
		return rend_error(
		    err, "servers: are %zu; with exclusive there may be %d", conf->servers.count, EXCLUSIVE_MAX);
	if (conf->exclusive && conf->failure_mode != FAILURE_ERROR)
		return rend_error(err, "exclusive: needs failure_mode = \"error\": what is kept elsewhere meanwhile, "
				       "or not looked at, may be old");
	return 0;
}

/* Weights and names make no other server of it.  Few are ever asked for. */
const char *
pool_address(const char *text)
{
	static struct known {
		struct known *next;
		char address[];
	} * all;
	struct known *k = all;
	struct server s;

	if (server_parse(&s, text) != NULL)
		return text;
	while (k != NULL && strcmp(k->address, s.address) != 0)
		k = k->next;
	if (k != NULL)
		return k->address;
	k = malloc(sizeof *k + strlen(s.address) + 1);
	if (k == NULL)
		return text;
	k->next = all;
	strcpy(k->address, s.address);
	all = k;
	return k->address;
}

static bool
add_backends(struct pool *p, struct rend_error *err)
{
	for (size_t i = 0; i < p->count; i++) {
		server_parse(&p->servers[i], p->conf->servers.strings[i]);
		p->backends[i] = backend_new(
		    p->conf, p->servers[i].address, p->self, i == 0 ? NULL : p->backends[0], err);
		if (p->backends[i] == NULL)
			return false;
	}
	if (p->count == 1)
		return true;
	p->ring = ring_new((enum ring_kind)p->conf->hash, (enum key_hash)p->conf->key_hash, p->servers, p->count);
	if (p->ring == NULL)
		rend_error(err, "no memory for the ring");
	return p->ring != NULL;
}

struct pool *
pool_new(const struct memcached_conf *conf, struct rend_node *self, struct rend_error *err)
{
	size_t count = conf->servers.count;
	struct pool *p = calloc(1, sizeof *p + count * sizeof p->backends[0]);

	if (p != NULL) {
		p->magic = POOL_MAGIC;
		p->conf = conf;
		p->self = self;
		p->count = count;
		p->servers = calloc(count, sizeof *p->servers);
	}
	if (p == NULL || p->servers == NULL) {
		free(p);
		rend_error(err, "no memory");
		return NULL;
	}
	if (!add_backends(p, err)) {
		pool_free(&p);
		return NULL;
	}
	for (size_t i = 0; i < sizeof gauges / sizeof gauges[0]; i++)
		rend_gauge_new(self, gauges[i].name, gauges[i].doc, gauges[i].read, p);
	return p;
}

void
pool_free(struct pool **pp)
{
	struct pool *p = *pp;

	*pp = NULL;
	if (p == NULL)
		return;
	REND_CHECK(p, POOL_MAGIC);
	for (size_t i = 0; i < p->count; i++)
		backend_free(&p->backends[i]);
	ring_free(&p->ring);
	free(p->servers);
	free(p);
}

void
pool_tick(struct pool *p)
{
	for (size_t i = 0; i < p->count; i++)
		backend_tick(p->backends[i]);
}

/* ---- where a key is ---- */

/* The part of the key between the two characters of hash_tag, as twemproxy has it: what has the same there is on the same server. */
static void
take_tag(const char *tag, const char **key, size_t *len)
{
	const char *begin, *end;

	if (tag[0] == '\0' || (begin = memchr(*key, tag[0], *len)) == NULL)
		return;
	begin++;
	end = memchr(begin, tag[1], *len - (size_t)(begin - *key));
	if (end == NULL || end == begin)
		return;
	*key = begin;
	*len = (size_t)(end - begin);
}

/* A client's prefix is sent, and not hashed; but a key that is nothing else is. */
static void
skip_prefix(const char *prefix, const char **key, size_t *len)
{
	size_t skip = strlen(prefix);

	if (skip == 0 || *len <= skip || memcmp(*key, prefix, skip) != 0)
		return;
	*key += skip;
	*len -= skip;
}

size_t
pool_find(
    const struct pool *p, const char *key, size_t len, bool (*good)(const void *arg, size_t server), const void *arg)
{
	uint32_t hash;

	if (p->ring == NULL)
		return 0;
	skip_prefix(p->conf->hash_skip, &key, &len);
	take_tag(p->conf->hash_tag, &key, &len);
	hash = key_hash((enum key_hash)p->conf->key_hash, key, len);
	return good == NULL ? ring_find(p->ring, hash) : ring_find_good(p->ring, hash, good, arg);
}
