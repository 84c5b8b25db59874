/* Assertions: see claim.h. */
#include "claim.h"

#include <math.h>

#include "quantity.h"

static const enum quantity quantities[] = {
	[SUMMARY_COUNT] = QUANTITY_COUNT,
	[SUMMARY_TIME] = QUANTITY_TIME,
	[SUMMARY_RATIO] = QUANTITY_SHARE,
	[SUMMARY_BYTES] = QUANTITY_BYTES,
};

/* Two characters or one; those of two first. */
static const char *const ops[] = { "<=", ">=", "!=", "==", "<", ">", "=", NULL };

const char *
claim_parse(struct claim *c, const char *text, const char **rest, const struct summary *s)
{
	size_t len = strcspn(text, ","), name = strcspn(text, "<>=!,"), i;
	enum summary_unit unit;
	double value;

	*c = (struct claim){ .text = text, .len = len, .name_len = name };
	*rest = text[len] == ',' ? text + len + 1 : NULL;
	if (name == len)
		return "it has none of < <= = != >= >";
	for (i = 0; ops[i] != NULL && strncmp(text + name, ops[i], strlen(ops[i])) != 0; i++)
		;
	if (ops[i] == NULL)
		return "it has none of < <= = != >= >";
	memcpy(c->op, ops[i], strlen(ops[i]) + 1);
	if (!summary_find(s, text, name, &value, &unit))
		return "there is no such number; there are p50 p90 p99 p99.9 p99.99 max mean requests keys hits misses "
		       "errors, each "
		       "also of a verb (get.p99), and wrong lost protocol unsent opened refused closed rate key_rate "
		       "hit_ratio "
		       "seconds cpu own_cpu rss";
	name += strlen(c->op);
	if (!quantity_parse(text + name, len - name, quantities[unit], &c->limit))
		return "it compares with what is no such number";
	return NULL;
}

bool
claim_holds(const struct claim *c, const struct summary *s, double *value)
{
	enum summary_unit unit;

	if (!summary_find(s, c->text, c->name_len, value, &unit) || isnan(*value))
		return false;
	switch (c->op[0]) {
	case '<':
		return c->op[1] == '=' ? *value <= c->limit : *value < c->limit;
	case '>':
		return c->op[1] == '=' ? *value >= c->limit : *value > c->limit;
	case '!':
		return *value != c->limit;
	}
	return *value == c->limit;
}

void
claim_value(const struct claim *c, const struct summary *s, char *buf, size_t size)
{
	enum summary_unit unit = SUMMARY_COUNT;
	double value = 0;
	char brief[QUANTITY_SHORT];

	summary_find(s, c->text, c->name_len, &value, &unit);
	if (isnan(value))
		snprintf(buf, size, "of nothing");
	else if (unit == SUMMARY_TIME)
		snprintf(buf, size, "%s", quantity_time(brief, (uint64_t)value));
	else if (unit == SUMMARY_BYTES)
		snprintf(buf, size, "%s", quantity_bytes(brief, (uint64_t)value));
	else if (unit == SUMMARY_RATIO)
		snprintf(buf, size, "%.2f%%", value * 100);
	else
		snprintf(buf, size, "%.*f", value < 100 && value != (double)(uint64_t)value ? 2 : 0, value);
}
