/*
 * Sizes of records, as the index knows them: 6 bits for up to 2^20 chunks.  A record is read whole with what its class says, a quarter more
 * than there is at worst.
 */
#ifndef SSD_SIZE_CLASS_H
#define SSD_SIZE_CLASS_H

#include <stdint.h>

#define SIZE_CLASSES 64

/* The class above n chunks: 1, 2, 3, 4, then a quarter more each. */
static inline uint32_t
size_class_next(uint32_t chunks)
{
	return chunks + (chunks + 3) / 4;
}

/* The smallest class that has room for so many chunks; at most 2^20 of them. */
static inline uint8_t
size_class_of(uint32_t chunks)
{
	uint32_t have = 1;
	uint8_t class = 0;

	while (have < chunks && class < SIZE_CLASSES - 1) {
		have = size_class_next(have);
		class ++;
	}
	return class;
}

/* How many chunks a class has room for. */
static inline uint32_t
size_class_chunks(uint8_t class)
{
	uint32_t have = 1;

	while (class -- > 0)
		have = size_class_next(have);
	return have;
}

#endif
