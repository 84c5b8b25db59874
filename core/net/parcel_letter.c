/* What a store gives, in a letter: see parcel_letter.h. */
#include "net/parcel_letter.h"

#include <errno.h>
#include <string.h>
#include <sysexits.h>

#include "net/letter.h"

#define NAME_MAX_BYTES 256

_Static_assert(REND_PARCEL_FDS <= LETTER_FDS_MAX, "the descriptors of a parcel are in one letter");
_Static_assert(REND_PARCEL_NOTE + 4 * NAME_MAX_BYTES < LETTER_BODY_MAX, "and so is its note");

int
parcel_letter_send(int fd, const struct rend_node *n, const char *role, const struct rend_parcel *p, uint64_t until,
    struct rend_error *err)
{
	struct letter l;

	if (p->fd_count > REND_PARCEL_FDS || p->note_len > REND_PARCEL_NOTE)
		return error_set(err, EX_SOFTWARE, "%s gives more than a parcel has room for", rend_node_name(n));
	letter_begin(&l, LETTER_PARCEL);
	letter_put_text(&l, rend_node_name(n));
	letter_put_text(&l, p->plugin);
	letter_put_text(&l, p->version);
	letter_put_text(&l, role);
	letter_put_u64(&l, p->note_len);
	letter_put(&l, p->note, p->note_len);
	letter_put_u64(&l, p->fd_count);
	for (unsigned i = 0; i < p->fd_count; i++)
		letter_put_fd(&l, p->fds[i]);
	if (letter_send(fd, &l, until) == 0)
		return 0;
	return error_set(err, EX_TEMPFAIL, "the new process cannot be told: %s", strerror(errno));
}

int
parcel_letter_read(struct letter *l, struct parcels *ps)
{
	char node[NAME_MAX_BYTES], plugin[NAME_MAX_BYTES], version[NAME_MAX_BYTES], role[PARCELS_ROLE];
	struct rend_parcel p = { 0 };
	const void *note;

	letter_get_text(l, node, sizeof node);
	letter_get_text(l, plugin, sizeof plugin);
	letter_get_text(l, version, sizeof version);
	letter_get_text(l, role, sizeof role);
	p.note_len = letter_get_at_most(l, REND_PARCEL_NOTE);
	note = letter_get(l, p.note_len);
	if (note != NULL)
		memcpy(p.note, note, p.note_len);
	for (unsigned count = (unsigned)letter_get_at_most(l, REND_PARCEL_FDS); count > 0 && !l->broken; count--) {
		int fd = letter_get_fd(l);

		if (fd >= 0)
			p.fds[p.fd_count++] = fd;
	}
	if (!letter_finish(l)) {
		parcels_close(&p);
		return -1;
	}
	return parcels_add(ps, node, plugin, version, role, &p) ? 0 : -1;
}
