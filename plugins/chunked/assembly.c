/* Puts values together: see assembly.h. */
#include "assembly.h"

#include <stdlib.h>

#define BLOCK (64 * 1024)

/* Bytes of the value in pieces first to first + per. */
static size_t
block_size(const struct assembly *a, const struct meta *m, uint32_t block)
{
	size_t from = (size_t)block * a->per * m->data, all = (size_t)a->per * m->data;

	return m->length - from < all ? m->length - from : all;
}

bool
assembly_begin(struct assembly *a, const struct meta *m)
{
	a->per = m->data >= BLOCK ? 1 : BLOCK / m->data;
	a->count = piece_count(m->pieces, a->per);
	a->blocks = calloc(a->count, sizeof(struct rend_buf *));
	return a->blocks != NULL;
}

bool
assembly_add(struct assembly *a, const struct meta *m, uint32_t piece, const struct rend_value *value, size_t from)
{
	uint32_t block = piece / a->per;
	size_t at = (size_t)(piece % a->per) * m->data, size = block_size(a, m, block);

	if (a->blocks[block] == NULL && (a->blocks[block] = rend_buf_new(size)) == NULL)
		return false;
	rend_value_copy_out(value, from, a->blocks[block]->data + at, size - at < m->data ? size - at : m->data);
	return true;
}

bool
assembly_take(struct assembly *a, const struct meta *m, struct rend_value *to)
{
	bool whole = true;

	for (uint32_t i = 0; i < a->count && whole; i++) {
		struct rend_buf *block = a->blocks[i];

		a->blocks[i] = NULL;
		whole = rend_value_add(to, block, block->data, block_size(a, m, i)) == 0;
	}
	if (!whole)
		rend_value_drop(to);
	assembly_drop(a);
	return whole;
}

void
assembly_drop(struct assembly *a)
{
	for (uint32_t i = 0; i < a->count; i++)
		rend_buf_drop(&a->blocks[i]);
	free(a->blocks);
	*a = (struct assembly){ 0 };
}
