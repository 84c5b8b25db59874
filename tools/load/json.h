/* Writes JSON as it is told, without keeping anything.  A key of NULL: inside an array. */
#ifndef LOAD_JSON_H
#define LOAD_JSON_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct json {
	FILE *to;
	unsigned depth;
	bool more; /* something stands before, in the same object or array */
};

void json_object(struct json *j, const char *key);
void json_array(struct json *j, const char *key);
void json_close(struct json *j, char bracket);

void json_text(struct json *j, const char *key, const char *value);
void json_count(struct json *j, const char *key, uint64_t value);
void json_real(struct json *j, const char *key, double value, int digits);
void json_truth(struct json *j, const char *key, bool value);

#endif
