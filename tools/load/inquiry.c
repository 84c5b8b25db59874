/* Questions to the server: see inquiry.h. */
#include "inquiry.h"

#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "proto/bin_wire.h"

#define LINE  1024
#define LINES 100000 /* of one group: more are no stats */

struct reader {
	int fd;
	uint64_t until; /* ns, monotonic: when it has taken too long */
	size_t from, to;
	char bytes[16384];
};

/* n bytes, at most LINE, or NULL. */
static const char *
read_bytes(struct reader *r, size_t n)
{
	while (r->to - r->from < n) {
		ssize_t got;

		memmove(r->bytes, r->bytes + r->from, r->to - r->from);
		r->to -= r->from;
		r->from = 0;
		got = read(r->fd, r->bytes + r->to, sizeof r->bytes - r->to);
		/* Each read ends by itself; many short ones may not take longer than one. */
		if (got <= 0 || clock_mono() > r->until)
			return NULL;
		r->to += (size_t)got;
	}
	r->from += n;
	return r->bytes + r->from - n;
}

/* A line, with NUL instead of its end, or NULL. */
static char *
read_line(struct reader *r, char line[LINE])
{
	size_t n = 0;

	while (n + 1 < LINE) {
		const char *p = read_bytes(r, 1);

		if (p == NULL)
			return NULL;
		if (*p == '\n') {
			line[n > 0 && line[n - 1] == '\r' ? n - 1 : n] = '\0';
			return line;
		}
		line[n++] = *p;
	}
	return NULL;
}

static int
ask_text(struct reader *r, const char *question)
{
	char line[LINE];
	int n = snprintf(line, sizeof line, "%s\r\n", question);

	return write(r->fd, line, (size_t)n) == n ? 0 : -1;
}

static int
ask_binary(struct reader *r, uint8_t opcode, const char *key)
{
	char packet[BIN_HEADER + 64] = { 0 };
	size_t n = strlen(key);

	if (n > 64)
		return -1;
	packet[0] = (char)BIN_REQUEST;
	packet[BIN_AT_OPCODE] = (char)opcode;
	bin_put_u16(packet + BIN_AT_KEYLEN, (uint16_t)n);
	bin_put_u32(packet + BIN_AT_BODYLEN, (uint32_t)n);
	memcpy(packet + BIN_HEADER, key, n);
	return write(r->fd, packet, BIN_HEADER + n) == (ssize_t)(BIN_HEADER + n) ? 0 : -1;
}

/* One answer: its key and value into the line, each with NUL.  -1: none, or an error. */
static int
hear_binary(struct reader *r, char line[LINE], const char **key, const char **value)
{
	const char *h = read_bytes(r, BIN_HEADER);
	size_t keylen, body;

	if (h == NULL || (uint8_t)h[0] != BIN_RESPONSE || bin_u16(h + BIN_AT_STATUS) != BIN_OK || h[BIN_AT_EXTLEN] != 0)
		return -1;
	keylen = bin_u16(h + BIN_AT_KEYLEN);
	body = bin_u32(h + BIN_AT_BODYLEN);
	if (body + 2 > LINE || keylen > body)
		return -1;
	h = read_bytes(r, body);
	if (h == NULL)
		return -1;
	memcpy(line, h, keylen);
	line[keylen] = '\0';
	memcpy(line + keylen + 1, h + keylen, body - keylen);
	line[body + 1] = '\0';
	*key = line;
	*value = line + keylen + 1;
	return 0;
}

int
inquiry_version(const struct target *t, const struct proto *proto, uint64_t timeout, char *buf, size_t size)
{
	struct reader r = { .fd = target_connect(t, timeout), .until = clock_mono() + timeout };
	char line[LINE];
	const char *key, *value = NULL;

	if (r.fd < 0)
		return -1;
	if (proto == &proto_binary) {
		if (ask_binary(&r, BIN_VERSION, "") == 0 && hear_binary(&r, line, &key, &value) != 0)
			value = NULL;
	} else if (ask_text(&r, "version") == 0 && read_line(&r, line) != NULL && strncmp(line, "VERSION ", 8) == 0) {
		value = line + 8;
	}
	close(r.fd);
	if (value == NULL)
		return -1;
	ear_quote(buf, size, value, strlen(value));
	return 0;
}

static int
stats_text(struct reader *r, const char *group, inquiry_f *tell, void *arg)
{
	char line[LINE];

	snprintf(line, sizeof line, "stats%s%s", *group == '\0' ? "" : " ", group);
	if (ask_text(r, line) != 0)
		return -1;
	for (int i = 0; i < LINES; i++) {
		char *name, *value;

		if (read_line(r, line) == NULL)
			return -1;
		if (strcmp(line, "END") == 0)
			return 0;
		if (strncmp(line, "STAT ", 5) != 0)
			return -1;
		name = line + 5;
		value = strchr(name, ' ');
		if (value == NULL)
			return -1;
		*value++ = '\0';
		tell(arg, name, value);
	}
	return -1;
}

static int
stats_binary(struct reader *r, const char *group, inquiry_f *tell, void *arg)
{
	char line[LINE];
	const char *name, *value;

	if (ask_binary(r, BIN_STAT, group) != 0)
		return -1;
	for (int i = 0; i < LINES; i++) {
		if (hear_binary(r, line, &name, &value) != 0)
			return -1;
		if (*name == '\0')
			return 0;
		tell(arg, name, value);
	}
	return -1;
}

int
inquiry_stats(
    const struct target *t, const struct proto *proto, uint64_t timeout, const char *group, inquiry_f *tell, void *arg)
{
	struct reader r = { .fd = target_connect(t, timeout), .until = clock_mono() + timeout };
	int rc;

	if (r.fd < 0)
		return -1;
	rc = proto == &proto_binary ? stats_binary(&r, group, tell, arg) : stats_text(&r, group, tell, arg);
	close(r.fd);
	return rc;
}

struct wanted {
	const char *name;
	uint64_t *n;
	bool found;
};

static void
take_number(void *arg, const char *name, const char *value)
{
	struct wanted *w = arg;

	if (strcmp(name, w->name) == 0)
		w->found = ear_number(value, strlen(value), UINT64_MAX, w->n);
}

bool
inquiry_number(const struct target *t, const struct proto *proto, uint64_t timeout, const char *group, const char *name,
    uint64_t *n)
{
	struct wanted w = { name, n, false };

	return inquiry_stats(t, proto, timeout, group, take_number, &w) == 0 && w.found;
}
