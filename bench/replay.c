/*
 * Replays a made-up traffic against a server, as those who use a cache do: what is asked for and not there is stored.  Says how much was there.
 *
 *	batch:	get get get ... ──► what was there?	── set for each miss ──► STORED ...
 *
 * All is drawn from one seed, so that every server is asked the same.  The first part of the requests is not counted: the cache fills.
 *
 * usage: replay PORT TRAFFIC REQUESTS [REQUESTS-PER-SECOND]
 */
#include <arpa/inet.h>
#include <errno.h>
#include <math.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define KEYS	   1500000
#define KEYS_SHIFT 400000
#define OTHERS	   2000000 /* where the numbers of the keys begin that are not of the usual ones */
#define SECOND	   10000   /* requests in what the traffic takes for a second */
#define BATCH	   64
#define WINDOWS	   60
#define LEN_MAX	   10240
#define WARM	   0.4
#define PATIENCE_S 30

enum kind { ZIPF, SCAN, TTL, SHIFT, WRITES, ONCE, LOOP, DELETES };

static const struct traffic {
	const char *name;
	enum kind kind;
	double skew;
} traffics[] = {
	{ "zipf-0.99", ZIPF, 0.99 },
	{ "zipf-0.8", ZIPF, 0.8 },
	{ "zipf-1.2", ZIPF, 1.2 },
	{ "scan", SCAN, 0.99 },
	{ "ttl", TTL, 0.9 },
	{ "shift", SHIFT, 0.9 },
	{ "writes", WRITES, 0.99 },
	{ "once", ONCE, 0.99 },
	{ "loop", LOOP, 0.99 },
	{ "deletes", DELETES, 0.99 },
};

/* ---- chance ---- */

static uint64_t dice = 88172645463325252ULL;

static uint64_t
roll(void)
{
	dice ^= dice >> 12;
	dice ^= dice << 25;
	dice ^= dice >> 27;
	return dice * 2685821657736338717ULL;
}

static double
part_of(uint64_t bits)
{
	return (double)(bits >> 11) * (1.0 / 9007199254740992.0);
}

static uint64_t
mix(uint64_t x)
{
	x = (x ^ x >> 33) * 0xff51afd7ed558ccdULL;
	x = (x ^ x >> 33) * 0xc4ceb9fe1a85ec53ULL;
	return x ^ x >> 33;
}

/* The sums of a Zipf distribution: the rank of a number between 0 and 1 is looked for in them. */
static double *sums;
static uint32_t ranks;

static bool
zipf_make(uint32_t n, double skew)
{
	double all = 0, sum = 0;

	sums = malloc(n * sizeof *sums);
	if (sums == NULL)
		return false;
	for (uint32_t i = 0; i < n; i++)
		all += pow(i + 1, -skew);
	for (uint32_t i = 0; i < n; i++)
		sums[i] = sum += pow(i + 1, -skew) / all;
	ranks = n;
	return true;
}

/* A key: its number says nothing of its rank. */
static uint32_t
zipf(void)
{
	double u = part_of(roll());
	uint32_t low = 0, high = ranks - 1;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (sums[middle] < u)
			low = middle + 1;
		else
			high = middle;
	}
	return (uint32_t)((low * 2654435761ULL + 12345) % ranks);
}

/* A lognormal length, always the same for a key. */
static uint32_t
length_of(uint32_t key)
{
	uint64_t h = mix(key * 7919ULL + 1);
	double u = part_of(h) + 1e-12, w = part_of(mix(h)), z = sqrt(-2 * log(u)) * cos(6.283185307 * w);
	double len = 300 * exp(1.2 * z);

	return (uint32_t)(len < 50 ? 50 : len > LEN_MAX ? LEN_MAX : len);
}

/* ---- what is asked ---- */

struct request {
	uint32_t key, len, ttl;
	enum { GET, SET, DELETE } verb;
};

static struct {
	const struct traffic *traffic;
	uint64_t requests, rate; /* rate: each second; 0: as fast as it goes */
	uint64_t scanned, new, looped;
} play;

/* Seconds of a server's clock, for what the traffic takes for seconds. */
static uint32_t
seconds(uint64_t its)
{
	uint64_t is = play.rate == 0 ? its : its * SECOND / play.rate;

	return is == 0 ? 1 : (uint32_t)is;
}

static uint32_t
ttl_of(uint32_t key)
{
	unsigned h = (unsigned)(mix(key * 31ULL) % 10);

	return h < 6 ? seconds(20 + roll() % 20) : h < 8 ? seconds(200 + roll() % 200) : 0;
}

static uint32_t
key_of(uint64_t i)
{
	switch (play.traffic->kind) {
	case SCAN:
		if (i % 1000000 >= 800000 && roll() % 10 < 8)
			return OTHERS + (uint32_t)(play.scanned++ % 1500000);
		break;
	case ONCE:
		if (roll() % 10 < 6)
			return OTHERS + (uint32_t)(play.new ++ % 6000000);
		break;
	case LOOP:
		if (roll() % 10 < 8)
			return OTHERS + (uint32_t)(play.looped++ % 290000);
		break;
	case SHIFT:
		return zipf() + (i > play.requests / 2 ? OTHERS : 0);
	case ZIPF:
	case TTL:
	case WRITES:
	case DELETES:
		break;
	}
	return zipf();
}

static struct request
request_at(uint64_t i)
{
	struct request r = { .key = key_of(i), .verb = GET };
	enum kind kind = play.traffic->kind;

	if (kind == SHIFT)
		r.len = (uint32_t)(i > play.requests / 2 ? 2700 + mix(r.key) % 600 : 900 + mix(r.key) % 200);
	else
		r.len = length_of(r.key);
	if (kind == WRITES && roll() & 1) {
		r.verb = SET;
		r.len = (uint32_t)(r.len * (0.8 + 0.4 * part_of(roll())));
	}
	if (kind == TTL)
		r.ttl = ttl_of(r.key);
	if (kind == DELETES && i > 100000 && roll() % 5 == 0)
		r.verb = DELETE;
	return r;
}

/* ---- the server ---- */

static struct {
	int fd;
	char in[64 * 1024];
	size_t at, end;
} server;

static void
fail(const char *what)
{
	fprintf(stderr, "replay: %s: %s\n", what, errno == 0 ? "not what was expected" : strerror(errno));
	exit(1);
}

static void
connect_to(const char *port)
{
	struct sockaddr_in sa = { .sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port)) };
	struct timeval patience = { .tv_sec = PATIENCE_S };
	int on = 1;

	sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	server.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (server.fd < 0 || connect(server.fd, (struct sockaddr *)&sa, sizeof sa) != 0)
		fail("connect");
	setsockopt(server.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	setsockopt(server.fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
	setsockopt(server.fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
}

static void
send_all(const char *p, size_t len)
{
	while (len > 0) {
		ssize_t n = send(server.fd, p, len, MSG_NOSIGNAL);

		if (n <= 0)
			fail("send");
		p += n;
		len -= (size_t)n;
	}
}

static void
read_more(void)
{
	ssize_t n;

	memmove(server.in, server.in + server.at, server.end - server.at);
	server.end -= server.at;
	server.at = 0;
	n = recv(server.fd, server.in + server.end, sizeof server.in - server.end, 0);
	if (n <= 0)
		fail("recv");
	server.end += (size_t)n;
}

/* The next line, ended with NUL, good until more is read. */
static char *
line(void)
{
	for (;;) {
		char *p = server.in + server.at, *end = memchr(p, '\n', server.end - server.at);

		if (end != NULL) {
			server.at = (size_t)(end + 1 - server.in);
			*end = '\0';
			return p;
		}
		if (server.end - server.at == sizeof server.in)
			fail("a line");
		read_more();
	}
}

static void
skip(size_t len)
{
	while (server.end - server.at < len)
		read_more();
	server.at += len;
}

/* Was it there? */
static bool
answer_to_get(void)
{
	char *p = line();
	size_t len;

	errno = 0;
	if (strncmp(p, "END", 3) == 0)
		return false;
	if (sscanf(p, "VALUE %*s %*u %zu", &len) != 1 || len > sizeof server.in - 2)
		fail(p);
	skip(len + 2);
	if (strncmp(line(), "END", 3) != 0)
		fail("the end of an answer");
	return true;
}

/* ---- a batch ---- */

struct count {
	uint64_t gets, hits, bytes, hit_bytes;
} counted, windows[WINDOWS];

static char out[BATCH * (LEN_MAX * 2 + 128)];
static char zeros[LEN_MAX * 2];
static uint64_t refused;

static size_t
write_set(char *p, const struct request *r)
{
	size_t n = (size_t)sprintf(p, "set key-%015u 0 %u %u\r\n", r->key, r->ttl, r->len);

	memcpy(p + n, zeros, r->len);
	memcpy(p + n + r->len, "\r\n", 2);
	return n + r->len + 2;
}

static void
note(uint64_t i, const struct request *r, bool hit)
{
	struct count *c[2] = { &windows[i * WINDOWS / play.requests],
		(double)i >= WARM * (double)play.requests ? &counted : NULL };

	for (int n = 0; n < 2 && c[n] != NULL; n++) {
		c[n]->gets++;
		c[n]->hits += hit;
		c[n]->bytes += r->len;
		c[n]->hit_bytes += hit ? r->len : 0;
	}
}

static void
store_missed(const struct request *missed, unsigned count)
{
	size_t len = 0;

	for (unsigned n = 0; n < count; n++)
		len += write_set(out + len, &missed[n]);
	send_all(out, len);
	for (unsigned n = 0; n < count; n++)
		refused += strncmp(line(), "STORED", 6) != 0;
}

static void
play_batch(uint64_t from, unsigned count)
{
	struct request batch[BATCH], missed[BATCH];
	unsigned misses = 0;
	size_t len = 0;

	for (unsigned n = 0; n < count; n++) {
		batch[n] = request_at(from + n);
		if (batch[n].verb == SET)
			len += write_set(out + len, &batch[n]);
		else
			len += (size_t)sprintf(
			    out + len, "%s key-%015u\r\n", batch[n].verb == GET ? "get" : "delete", batch[n].key);
	}
	send_all(out, len);
	for (unsigned n = 0; n < count; n++) {
		bool hit;

		if (batch[n].verb != GET) {
			refused += strncmp(line(), "SERVER_ERROR", 12) == 0;
			continue;
		}
		hit = answer_to_get();
		note(from + n, &batch[n], hit);
		if (!hit)
			missed[misses++] = batch[n];
	}
	store_missed(missed, misses);
}

static void
keep_pace(uint64_t done, const struct timespec *began)
{
	struct timespec until = *began;

	if (play.rate == 0)
		return;
	until.tv_sec += (time_t)(done / play.rate);
	until.tv_nsec += (long)(done % play.rate * 1000000000 / play.rate);
	if (until.tv_nsec >= 1000000000) {
		until.tv_nsec -= 1000000000;
		until.tv_sec++;
	}
	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
}

static double
seconds_since(const struct timespec *began)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)(now.tv_sec - began->tv_sec) + (double)(now.tv_nsec - began->tv_nsec) / 1e9;
}

static double
ratio(uint64_t part, uint64_t all)
{
	return all == 0 ? 0 : (double)part / (double)all;
}

int
main(int argc, char **argv)
{
	struct timespec began;

	for (size_t i = 0; argc >= 4 && i < sizeof traffics / sizeof *traffics; i++)
		if (strcmp(traffics[i].name, argv[2]) == 0)
			play.traffic = &traffics[i];
	if (play.traffic == NULL || (play.requests = strtoull(argv[3], NULL, 10)) < WINDOWS) {
		fprintf(stderr, "usage: replay PORT TRAFFIC REQUESTS [REQUESTS-PER-SECOND]\n");
		return 64;
	}
	play.rate = argc > 4 ? strtoull(argv[4], NULL, 10) : 0;
	if (!zipf_make(play.traffic->kind == SHIFT ? KEYS_SHIFT : KEYS, play.traffic->skew))
		fail("memory");
	connect_to(argv[1]);
	clock_gettime(CLOCK_MONOTONIC, &began);
	for (uint64_t i = 0; i < play.requests; i += BATCH) {
		play_batch(i, play.requests - i < BATCH ? (unsigned)(play.requests - i) : BATCH);
		keep_pace(i + BATCH, &began);
	}
	printf("{\"traffic\": \"%s\", \"requests\": %llu, \"seconds\": %.3f, \"gets\": %llu, \"refused\": %llu, "
	       "\"hit_ratio\": %.5f, \"byte_hit_ratio\": %.5f, \"windows\": [",
	    play.traffic->name, (unsigned long long)play.requests, seconds_since(&began),
	    (unsigned long long)counted.gets, (unsigned long long)refused, ratio(counted.hits, counted.gets),
	    ratio(counted.hit_bytes, counted.bytes));
	for (int w = 0; w < WINDOWS; w++)
		printf("%s%.4f", w == 0 ? "" : ", ", ratio(windows[w].hits, windows[w].gets));
	printf("]}\n");
	free(sums);
	close(server.fd);
	return 0;
}
