/* A client's connection on its way to another process: see passage.h. */
#include "net/passage.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "net/conn.h"
#include "net/server.h"

/* Input that goes in the letter; more goes in a file in memory. */
#define INLINE_MAX (32 * 1024)

/* How much of a file is in memory at once. */
#define PIECE_BYTES (64 * 1024)

/* What a letter says of one beside its input: thirteen numbers. */
#define PASSENGER_BYTES (13 * sizeof(uint64_t))

_Static_assert(PASSENGER_BYTES + INLINE_MAX <= LETTER_BODY_MAX, "one that takes no file fits into a letter");

enum { SAYS_NOTHING, SAYS_TEXT, SAYS_BINARY };

bool
passage_is_open(const struct conn *c)
{
	if (c->gone || c->finishing || c->deaf || c->answers.count > 0 || c->out.len > 0)
		return false;
	/* What was thrown away for want of memory cannot be given. */
	return c->body == NULL || c->body->op != NULL;
}

/* ---- its input ---- */

typedef int piece_f(void *arg, const char *p, size_t len);

static int
each_of_value(const struct rend_value *v, unsigned count, piece_f *fn, void *arg)
{
	const struct rend_seg *segs = rend_value_segs(v);

	for (unsigned i = 0; i < count; i++)
		if (fn(arg, segs[i].p, segs[i].len) != 0)
			return -1;
	return 0;
}

/* What has come of a value. */
static int
each_of_body(const struct body *b, piece_f *fn, void *arg)
{
	if (each_of_value(&b->op->item.value, b->op->item.value.nsegs, fn, arg) != 0)
		return -1;
	if (b->room.nsegs != 0) {
		if (each_of_value(&b->room, b->at, fn, arg) != 0)
			return -1;
		return b->filled == 0 ? 0 : fn(arg, rend_value_segs(&b->room)[b->at].p, b->filled);
	}
	return b->piece == NULL || b->filled == 0 ? 0 : fn(arg, b->piece->data, b->filled);
}

/* What it said and nobody carried out, in order. */
static int
each_piece(const struct conn *c, piece_f *fn, void *arg)
{
	if (c->body != NULL &&
	    (fn(arg, c->body->said.text, c->body->said.len) != 0 || each_of_body(c->body, fn, arg) != 0))
		return -1;
	return c->in_len == 0 ? 0 : fn(arg, c->in, c->in_len);
}

static int
add_len(void *arg, const char *p, size_t len)
{
	(void)p;
	*(size_t *)arg += len;
	return 0;
}

static int
put_piece(void *arg, const char *p, size_t len)
{
	letter_put(arg, p, len);
	return 0;
}

static int
write_piece(void *arg, const char *p, size_t len)
{
	int fd = *(int *)arg;

	while (len > 0) {
		ssize_t n = write(fd, p, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return -1;
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

/* ---- leaving ---- */

static void
put_dialog(struct letter *l, const struct conn *c)
{
	const struct dialog *d = &c->dialog;
	bool half = c->body != NULL;

	letter_put_u64(l, d->protocol == NULL ? SAYS_NOTHING : d->protocol == &text_protocol ? SAYS_TEXT : SAYS_BINARY);
	/* The line of a value that is half there is said again, with what was to be dropped before it. */
	letter_put_u64(l, half ? c->body->said.swallow : d->swallow);
	letter_put_u64(l, half ? c->body->said.swallow_line : d->swallow_line);
	letter_put_u64(l, d->in_keys);
	letter_put_u64(l, d->failed);
	letter_put_u64(l, (uint64_t)d->get.exptime);
	letter_put_u64(l, d->get.want);
	letter_put_u64(l, d->get.mode);
	letter_put_u64(l, d->get.with_cas);
}

void
departure_begin(struct departure *d, int to, uint64_t until, unsigned at_once, size_t bytes)
{
	d->to = to;
	d->until = until;
	d->at_once = at_once < LETTER_FDS_MAX ? at_once : LETTER_FDS_MAX;
	d->bytes = bytes;
	d->count = 0;
	letter_begin(&d->letter, LETTER_CONN);
}

int
departure_end(struct departure *d)
{
	if (d->count == 0)
		return 0;
	if (letter_send(d->to, &d->letter, d->until) != 0)
		return -1;
	/* It is nobody's fault if it says nothing now. */
	for (unsigned i = 0; i < d->count; i++) {
		d->conns[i]->passed = true;
		link_remove(&d->conns[i]->patience);
	}
	d->count = 0;
	letter_begin(&d->letter, LETTER_CONN);
	return 0;
}

static void
put_passenger(struct departure *d, struct conn *c, size_t len)
{
	struct letter *l = &d->letter;

	letter_put_fd(l, c->fd);
	letter_put_u64(l, server_listener_nth(c->loop->server, c->listener));
	put_dialog(l, c);
	letter_put_u64(l, c->answer_size);
	letter_put_u64(l, len);
	letter_put_u64(l, len > INLINE_MAX);
	if (len <= INLINE_MAX)
		each_piece(c, put_piece, l);
	d->conns[d->count++] = c;
}

/* Its input is too long to go in a letter: it goes in a file, and the file behind it. */
static int
add_with_file(struct departure *d, struct conn *c, size_t len)
{
	int file = memfd_create("input", MFD_CLOEXEC), rc = file < 0 ? -1 : each_piece(c, write_piece, &file), e;

	if (rc == 0) {
		put_passenger(d, c, len);
		letter_put_fd(&d->letter, file);
		rc = departure_end(d);
	}
	e = errno;
	if (file >= 0)
		close(file);
	errno = e;
	return rc;
}

int
departure_add(struct departure *d, struct conn *c)
{
	size_t len = 0;

	each_piece(c, add_len, &len);
	if (len > 0 && d->bytes == 0)
		return 0;
	if ((len > INLINE_MAX || d->count == d->at_once || PASSENGER_BYTES + len > LETTER_BODY_MAX - d->letter.len) &&
	    departure_end(d) != 0)
		return -1;
	if (len <= INLINE_MAX)
		put_passenger(d, c, len);
	else if (add_with_file(d, c, len) != 0)
		return -1;
	d->bytes -= len < d->bytes ? len : d->bytes;
	return 0;
}

/* ---- arriving ---- */

static void
get_dialog(struct letter *l, struct dialog *d)
{
	static const struct protocol *const says[] = { NULL, &text_protocol, &binary_protocol };

	d->protocol = says[letter_get_at_most(l, SAYS_BINARY)];
	d->swallow = (uint32_t)letter_get_at_most(l, UINT32_MAX);
	d->swallow_line = letter_get_at_most(l, 1);
	d->in_keys = letter_get_at_most(l, 1);
	d->failed = (uint8_t)letter_get_at_most(l, REND_STATUS_COUNT - 1);
	d->get.exptime = (int64_t)letter_get_u64(l);
	d->get.want = (uint16_t)letter_get_at_most(l, UINT16_MAX);
	d->get.mode = (uint16_t)letter_get_at_most(l, UINT16_MAX) & REND_MODES_ALL;
	d->get.with_cas = letter_get_at_most(l, 1);
	if (d->in_keys && d->protocol != &text_protocol)
		l->broken = true;
}

/*
 * Is it a socket, and none that listens?  While this is asked everybody waits, so no more of the kernel is: of any other kind nothing is read, or what it has is
 * heard as any client is.  It need not be non-blocking either, as every call on it says that it does not wait.
 */
static bool
is_connected(int fd)
{
	int listens = 1;
	socklen_t len = sizeof listens;

	return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &len) == 0 && !listens;
}

/* A file whose bytes are all there. */
static bool
is_input(int fd, size_t len)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && (uint64_t)st.st_size == len;
}

int
passage_read(struct letter *l, struct passenger *p)
{
	const void *in = NULL;
	bool in_file;

	*p = (struct passenger){ .file = -1 };
	p->fd = letter_get_fd(l);
	p->listener = (unsigned)letter_get_at_most(l, UINT16_MAX);
	get_dialog(l, &p->dialog);
	p->answer_size = (uint16_t)letter_get_at_most(l, UINT16_MAX);
	p->in_len = letter_get_at_most(l, UINT32_MAX);
	in_file = letter_get_at_most(l, 1);
	if (in_file)
		p->file = letter_get_fd(l);
	else
		in = letter_get(l, p->in_len);
	if (l->broken || !is_connected(p->fd) || (in_file && !is_input(p->file, p->in_len)) ||
	    (!in_file && p->in_len > 0 && (p->in = malloc(p->in_len)) == NULL)) {
		l->broken = true;
		passage_drop(p);
		return -1;
	}
	if (p->in != NULL)
		memcpy(p->in, in, p->in_len);
	return 0;
}

void
passage_drop(struct passenger *p)
{
	if (p->fd >= 0)
		close(p->fd);
	if (p->file >= 0)
		close(p->file);
	free(p->in);
	*p = (struct passenger){ .fd = -1, .file = -1 };
}

/* Its input out of the file, piece by piece: what it comes to is bounded as what any client says. */
static void
hear_file(const struct passenger *p, struct conn *c)
{
	char *piece = malloc(PIECE_BYTES);
	size_t done = 0;

	while (piece != NULL && done < p->in_len && !c->gone) {
		ssize_t n = pread(p->file, piece, PIECE_BYTES, (off_t)done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		conn_hear(c, piece, (size_t)n);
		done += (size_t)n;
	}
	free(piece);
	if (done < p->in_len)
		conn_close(c);
}

struct conn *
passage_end(struct passenger *p, struct loop *l, const struct listener_settings *listener)
{
	bool in_file = p->file >= 0;
	struct conn *c = conn_resume(l, p->fd, listener, &p->dialog, p->answer_size, p->in, in_file ? 0 : p->in_len);

	p->fd = -1;
	p->in = NULL;
	if (c != NULL && in_file)
		hear_file(p, c);
	passage_drop(p);
	return c;
}
