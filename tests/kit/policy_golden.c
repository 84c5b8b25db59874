/* Compares a policy's paths with a file: see policy_kit.h. */
#include <stdlib.h>
#include <string.h>

#include "engine/flow_check.h"
#include "policy_kit.h"

static char *
read_all(const char *file, size_t *len)
{
	FILE *in = fopen(file, "r");
	char *text = NULL, block[4096];
	FILE *to = open_memstream(&text, len);
	size_t n;

	while (in != NULL && (n = fread(block, 1, sizeof block, in)) > 0)
		fwrite(block, 1, n, to);
	fclose(to);
	if (in != NULL)
		fclose(in);
	return text;
}

unsigned
policy_kit_golden(const struct policy_kit *kit, const char *file, FILE *out)
{
	char *is = NULL, *golden;
	size_t is_len, golden_len;
	FILE *to = open_memstream(&is, &is_len);
	unsigned wrong;

	flow_print_paths(kit->policy, kit->policy->pick(kit->conf, kit->l1_can), to);
	fclose(to);
	golden = read_all(file, &golden_len);
	wrong = is_len != golden_len || memcmp(is, golden, is_len) != 0;
	if (wrong)
		fprintf(
		    out, "%s: the paths of %s are not those of the file; they are:\n%s", file, kit->policy->name, is);
	free(is);
	free(golden);
	return wrong;
}
