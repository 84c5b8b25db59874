/* Reads what rend.conf says of a server: see server.h. */
#include "server.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "address.h"

#define DEFAULT_PORT ":11211"

static bool
begins(const char *word, size_t len, const char *with)
{
	return len > strlen(with) && memcmp(word, with, strlen(with)) == 0;
}

static const char *
read_weight(struct server *s, const char *digits, size_t len)
{
	uint64_t n = 0;

	for (size_t i = 0; i < len; i++) {
		if (digits[i] < '0' || digits[i] > '9' ||
		    (n = n * 10 + (uint64_t)(digits[i] - '0')) > SERVER_WEIGHT_MAX)
			return "weight= is a number from 1 to 1000000";
	}
	s->weight = (uint32_t)n;
	return n == 0 ? "weight= is a number from 1 to 1000000" : NULL;
}

static const char *
read_word(struct server *s, const char *word, size_t len)
{
	if (begins(word, len, "weight="))
		return read_weight(s, word + 7, len - 7);
	if (!begins(word, len, "name="))
		return "behind the address come weight=NUMBER and name=NAME";
	memcpy(s->name, word + 5, len - 5);
	s->name[len - 5] = '\0';
	return NULL;
}

/* A path may have spaces in it. */
static size_t
address_len(const char *text)
{
	size_t len = strlen(text);
	const char *space;

	if (strncmp(text, "unix:", 5) != 0)
		return strcspn(text, " ");
	for (space = strchr(text, ' '); space != NULL; space = strchr(space + 1, ' '))
		if (strncmp(space, " weight=", 8) == 0 || strncmp(space, " name=", 6) == 0) {
			len = (size_t)(space - text);
			break;
		}
	while (len > 0 && text[len - 1] == ' ')
		len--;
	return len;
}

const char *
server_parse(struct server *s, const char *text)
{
	size_t len = address_len(text);
	const char *fault = NULL;

	*s = (struct server){ .weight = 1 };
	if (strlen(text) >= SERVER_TEXT_MAX)
		return "is too long";
	memcpy(s->address, text, len);
	for (text += len; fault == NULL && *(text += strspn(text, " ")) != '\0'; text += len) {
		len = strcspn(text, " ");
		fault = read_word(s, text, len);
	}
	return fault != NULL ? fault : address_fault(s->address);
}

void
server_called(const struct server *s, char name[SERVER_TEXT_MAX])
{
	size_t len = strlen(s->address), tail = strlen(DEFAULT_PORT);

	strcpy(name, s->name[0] != '\0' ? s->name : s->address);
	if (s->name[0] == '\0' && len > tail && strcmp(name + len - tail, DEFAULT_PORT) == 0)
		name[len - tail] = '\0';
}
