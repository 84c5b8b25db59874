/* What was asked for, as a whole: see settings.h. */
#include "settings.h"

#include <stdio.h>
#include <time.h>

#define REQUESTS      1000000 /* as the first Rend's tools had it */
#define LETTERS_LEAST 4

const struct settings settings_defaults = {
	.host = "localhost",
	.port = "11212",
	.proto = &proto_text,
	.timeout = 5000000000,
	.interval = 1000000000,
	.connections = 10,
	.depth = 1,
	.prefix = "",
	.order = "uniform",
	.width = { .count = 1, .weight = 1, .parts = { { .low = 1, .high = 1, .weight = 1 } } },
	.step = 100,
	.slack = 3000000000,
};

static const char *
complete_keys(struct settings *s)
{
	static char why[120];

	if (s->letters == 0) {
		s->letters = s->keys == 0 ? LETTERS_LEAST : keys_letters(s->keys);
		if (s->letters < LETTERS_LEAST)
			s->letters = LETTERS_LEAST;
	}
	if (s->keys == 0)
		s->keys = keys_space(s->letters);
	if (s->keys > keys_space(s->letters)) {
		snprintf(why, sizeof why, "%u letters (-kl) can name %u keys only", (unsigned)s->letters,
		    (unsigned)keys_space(s->letters));
		return why;
	}
	if (strlen(s->prefix) + s->letters > KEYS_NAME_MAX)
		return "prefix and -kl together are more than 250 bytes";
	for (const char *p = s->prefix; *p != '\0'; p++)
		if (*p <= ' ' || *p == 0x7f)
			return "the prefix has a character that no key can have";
	return NULL;
}

static void
complete_seed(struct settings *s)
{
	struct timespec t;

	if (s->seeded)
		return;
	clock_gettime(CLOCK_REALTIME, &t);
	s->seed = (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

const char *
settings_complete(struct settings *s)
{
	static char text[160];
	struct keys probe = { 0 };
	const char *why = keys_order_parse(&probe, s->order);

	if (why != NULL) {
		snprintf(text, sizeof text, "--dist %s: %s", s->order, why);
		return text;
	}
	if (s->requests == 0 && s->duration == 0)
		s->requests = REQUESTS;
	if (s->rate > 1e8 || s->churn > 1e6)
		return "--rate or --churn is too large";
	for (int v = 0; v < VERB_COUNT; v++)
		if (s->mix[v] > 0 && !(s->proto->verbs >> v & 1)) {
			snprintf(
			    text, sizeof text, "the %s protocol has no %s", s->proto->name, verb_name((enum verb)v));
			return text;
		}
	if ((uint64_t)s->connections * (s->depth + 16) * spread_max(&s->width) > UINT64_C(1) << 28)
		return "connections times depth times width is more than 268435456";
	complete_seed(s);
	return complete_keys(s);
}
