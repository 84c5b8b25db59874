/* Bytes with holes: what a simulated file holds. */
#ifndef SSD_SIM_DATA_H
#define SSD_SIM_DATA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SIM_PAGE 4096

/* All-zero: empty. */
struct sim_data {
	uint64_t size;
	uint8_t **pages; /* NULL: zeros */
	size_t count;	 /* of pages */
};

void sim_data_fini(struct sim_data *d);

/* *to is empty.  false: no memory; *to is to be ended all the same. */
bool sim_data_copy(struct sim_data *to, const struct sim_data *from);

/* Pages that are there. */
size_t sim_data_used(const struct sim_data *d);

/* Pages that would have to be made to write there. */
size_t sim_data_holes(const struct sim_data *d, uint64_t offset, uint64_t length);

/* Makes them, of zeros.  0 or -ENOMEM.  The size stays. */
int sim_data_fill(struct sim_data *d, uint64_t offset, uint64_t length);

/* 0 or -ENOMEM.  The size stays: what is beyond is there when it grows. */
int sim_data_write(struct sim_data *d, const void *data, size_t length, uint64_t offset);

/* How many bytes there were. */
size_t sim_data_read(const struct sim_data *d, void *data, size_t length, uint64_t offset);

void sim_data_discard(struct sim_data *d, uint64_t offset, uint64_t length);
void sim_data_resize(struct sim_data *d, uint64_t bytes);

#endif
