/*
 * What the other process of a takeover writes into the channel.  The first byte says which side hears it and what else happens; then letters
 * follow, each a type, what descriptors go along, a length, and a body.  All are sent before anybody listens, and then the channel ends.
 *
 * Nothing may crash, wait or spin, and every descriptor that came must be closed in the end.
 */
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/process.h"
#include "engine/generation.h"
#include "engine/parcels.h"
#include "net/arrivals.h"
#include "net/conn.h"
#include "net/crossing.h"
#include "net/heir.h"
#include "net/keeper.h"
#include "net/legacy_counts.h"
#include "net/legacy_sockets.h"
#include "net/letter.h"
#include "net/listener.h"
#include "net/server.h"
#include "net/swap.h"
#include "net/takeover.h"
#include "walk.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t len);

#define MAGIC	    0x52546b31U
#define LETTERS_MAX 48
#define FILES_MAX   400
#define LISTENERS   2
#define LONG_BYTES  150000
#define HEARD_MOST  300 /* of a piece goes to the parser: it gets each byte by byte */
#define NOW	    1000000000000ULL
#define WALL	    1700000000

/* The first byte. */
enum {
	TO_HEIR = 1,   /* the old process hears it, not the new one */
	CLOSED = 2,    /* whoever wrote has closed its end; else it only says no more */
	DEAD = 4,      /* it is dead, as far as anybody can tell */
	UNKNOWN = 8,   /* nobody can tell which process it is */
	NO_PASS = 16,  /* what is sent next fails */
	NOT_HELD = 32, /* the workers do not hold */
	LONG = 64,     /* the file that goes along is longer than a piece that is heard at once */
};

/* Of each letter. */
enum { FDS = 7, KIND = 0x18, KIND_SHIFT = 3, BAD_MAGIC = 0x20, BAD_VERSION = 0x40, BAD_LENGTH = 0x80 };

struct head {
	uint32_t magic;
	uint16_t version, type;
	uint32_t len;
};

/* A stream, a file, one that listens, anything: a connection whose input is in a file is the first two.  And the files that are. */
static int given[4], files[2];
/* Whoever came, until the next one does. */
static struct conn guest;
static size_t heard; /* of its file */
static unsigned how;
static struct server server;
static struct loop worker;
static struct listener listeners[LISTENERS];
static struct server_settings settings;
static struct generation *graph;

/* ---- instead of those whom it would reach ---- */

int __wrap_unlink(const char *path);
int __wrap_process_of_peer(int socket, pid_t *pid, int *process);
bool __wrap_process_is_dead(int process, uint64_t until);
void __wrap_process_kill(int process);
bool __wrap_keeper_on_main(struct keeper *k, void (*fn)(void *arg), void *arg);
enum swap_held __wrap_swap_hold(struct server *s, struct generation *const *quiet, size_t count, uint64_t wait);
bool __wrap_swap_next_turn(struct server *s);
int __wrap_crossing_pass(struct server *s, int to, uint64_t until, unsigned at_once, struct rend_error *err);
void __wrap_crossing_leave(struct server *s);
void __wrap_crossing_stay(struct server *s);
void __wrap_crossing_finish(struct server *s);
void __wrap_server_leave(struct server *s, pid_t pid);
int __wrap_legacy_send_sockets(struct server *s, int fd, uint64_t until, struct rend_error *err);
int __wrap_legacy_send_counts(struct server *s, int fd, uint64_t until, struct rend_error *err);
struct conn *__wrap_conn_resume(struct loop *l, int fd, const struct listener_settings *listener,
    const struct dialog *before, uint16_t answer_size, char *in, size_t in_len);
void __wrap_conn_hear(struct conn *c, const char *p, size_t len);
void __wrap_conn_close(struct conn *c);

/* Whose socket it was removes it: any name may stand in a letter. */
int
__wrap_unlink(const char *path)
{
	WALK_MUST(*path != '\0');
	return 0;
}

int
__wrap_process_of_peer(int socket, pid_t *pid, int *process)
{
	(void)socket;
	*pid = 1;
	*process = how & UNKNOWN ? -1 : fcntl(given[3], F_DUPFD_CLOEXEC, 0);
	return 0;
}

bool
__wrap_process_is_dead(int process, uint64_t until)
{
	if (process >= 0 && (how & DEAD))
		return true;
	/* That it is waited for takes its time. */
	if (until > clock_mono())
		clock_fake(until, WALL);
	return false;
}

void
__wrap_process_kill(int process)
{
	if (process >= 0)
		how |= DEAD;
}

bool
__wrap_keeper_on_main(struct keeper *k, void (*fn)(void *arg), void *arg)
{
	(void)k;
	fn(arg);
	return true;
}

enum swap_held
__wrap_swap_hold(struct server *s, struct generation *const *quiet, size_t count, uint64_t wait)
{
	(void)s;
	(void)quiet;
	(void)count;
	(void)wait;
	return how & NOT_HELD ? SWAP_BUSY : SWAP_HELD;
}

bool
__wrap_swap_next_turn(struct server *s)
{
	(void)s;
	return true;
}

int
__wrap_crossing_pass(struct server *s, int to, uint64_t until, unsigned at_once, struct rend_error *err)
{
	(void)at_once;
	(void)s;
	(void)to;
	(void)until;
	return how & NO_PASS ? error_set(err, 75, "a connection cannot be passed") : 0;
}

void
__wrap_crossing_leave(struct server *s)
{
	(void)s;
}

void
__wrap_crossing_stay(struct server *s)
{
	(void)s;
}

void
__wrap_crossing_finish(struct server *s)
{
	(void)s;
}

void
__wrap_server_leave(struct server *s, pid_t pid)
{
	(void)s;
	(void)pid;
}

int
__wrap_legacy_send_sockets(struct server *s, int fd, uint64_t until, struct rend_error *err)
{
	(void)s;
	return letter_send_bare(fd, LETTER_SOCKETS, until) == 0 ? 0 : error_set(err, 75, "it is gone");
}

int
__wrap_legacy_send_counts(struct server *s, int fd, uint64_t until, struct rend_error *err)
{
	(void)s;
	(void)fd;
	(void)until;
	(void)err;
	return 0;
}

static void
hear_anything(const char *p, size_t len, const struct asked *asked)
{
	(void)p;
	(void)len;
	(void)asked;
}

/* Where it stands was only said: the parser goes on from there all the same. */
struct conn *
__wrap_conn_resume(struct loop *l, int fd, const struct listener_settings *listener, const struct dialog *before,
    uint16_t answer_size, char *in, size_t in_len)
{
	(void)l;
	(void)answer_size;
	WALK_MUST(listener != NULL && fcntl(fd, F_GETFL) >= 0);
	WALK_MUST(
	    before->protocol == NULL || before->protocol == &text_protocol || before->protocol == &binary_protocol);
	walk_on(before, hear_anything, (const uint8_t *)in, in_len);
	clock_fake(NOW, WALL);
	close(fd);
	free(in);
	guest = (struct conn){ .dialog = *before };
	heard = 0;
	return &guest;
}

/* Piece by piece, in order; and somewhere in the middle it may be gone. */
void
__wrap_conn_hear(struct conn *c, const char *p, size_t len)
{
	char *there = malloc(len);

	WALK_MUST(c == &guest && !c->gone && len > 0 && there != NULL);
	WALK_MUST(pread(given[1], there, len, (off_t)heard) == (ssize_t)len && memcmp(there, p, len) == 0);
	free(there);
	heard += len;
	walk_on(&c->dialog, hear_anything, (const uint8_t *)p, len < HEARD_MOST ? len : HEARD_MOST);
	clock_fake(NOW, WALL);
	if (c->dialog.failed && heard > LONG_BYTES / 2)
		c->gone = true;
}

/* It could not be heard to its end. */
void
__wrap_conn_close(struct conn *c)
{
	WALK_MUST(c == &guest);
	c->gone = true;
}

/* ---- writing ---- */

static void
send_letter(int to, uint16_t type, unsigned flags, const uint8_t *body, size_t len)
{
	struct head head = { MAGIC, LETTER_VERSION, type, (uint32_t)len };
	struct iovec iov[] = { { &head, sizeof head }, { (void *)(uintptr_t)body, len } };
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int) * (LETTER_FDS_MAX + 1))];
	} control;
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 2 };
	/* The most that can be meant is one too many. */
	unsigned count = (flags & FDS) == FDS ? LETTER_FDS_MAX + 1 : flags & FDS;
	int fds[LETTER_FDS_MAX + 1];

	head.magic ^= flags & BAD_MAGIC;
	head.version ^= flags & BAD_VERSION;
	head.len += flags & BAD_LENGTH;
	for (unsigned i = 0; i < count; i++)
		fds[i] = given[(((flags & KIND) >> KIND_SHIFT) + i) & 3];
	if (count > 0) {
		memset(&control, 0, sizeof control);
		msg.msg_control = &control;
		msg.msg_controllen = CMSG_SPACE(sizeof(int) * count);
		control.align.cmsg_level = SOL_SOCKET;
		control.align.cmsg_type = SCM_RIGHTS;
		control.align.cmsg_len = CMSG_LEN(sizeof(int) * count);
		memcpy(CMSG_DATA(&control.align), fds, sizeof(int) * count);
	}
	/* What does not fit is not said. */
	if (sendmsg(to, &msg, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		WALK_MUST(errno == EAGAIN || errno == EMSGSIZE || errno == ETOOMANYREFS);
}

static void
send_all(int to, const uint8_t *p, size_t len)
{
	for (unsigned count = 0; len >= 4 && count < LETTERS_MAX; count++) {
		size_t size = p[2] | (size_t)p[3] << 8;

		if (size > len - 4)
			size = len - 4;
		send_letter(to, p[0], p[1], p + 4, size);
		p += 4 + size;
		len -= 4 + size;
	}
}

/* ---- hearing ---- */

static void
be_new(int fd)
{
	struct takeover *t = takeover_new(fd);
	struct rend_error err = { 0 };

	WALK_MUST(t != NULL);
	if (takeover_hear(t, &err) != 0 || takeover_ready(t, &err) != 0 || takeover_collect(t, &server, &err) != 0) {
		WALK_MUST(err.text[0] != '\0' && err.exit_code != 0);
		takeover_fail(t, err.exit_code, err.text);
	} else {
		parcels_fini(takeover_parcels(t));
		takeover_begin(t, &server);
		while (takeover_goes_on(t))
			;
	}
	takeover_free(&t);
	worker_turn(&worker.worker);
	arrivals_seat_all(&worker);
	server.connections = 0;
}

static void
be_old(int fd)
{
	struct heir_at at = { .fd = fd };
	struct rend_error err = { 0 };

	server.resting = false;
	__wrap_process_of_peer(fd, &at.pid, &at.process);
	if (heir_hand_over(&server, NULL, &at, &server.draining, &err) == 0) {
		heir_see_off(&server, fd, &server.draining);
		return;
	}
	WALK_MUST(err.text[0] != '\0' && err.exit_code != 0);
	close(fd);
}

static void
prepare_server(void)
{
	worker.server = &server;
	WALK_MUST(worker_init(&worker.worker, 0) == 0);
	worker_enter(&worker.worker);
	worker.tallies = calloc(LISTENERS * FORM_COUNT, sizeof *worker.tallies);
	for (size_t i = 0; i < LISTENERS; i++)
		listeners[i] = (struct listener){
			.server = &server, .settings = &listeners[i].own, .fd = -1, .from = (unsigned)i + 1
		};
	graph = calloc(1, sizeof *graph);
	WALK_MUST(worker.tallies != NULL && graph != NULL);
	graph->magic = GENERATION_MAGIC;
	server.settings = &settings;
	server.generation = graph;
	server.loops = &worker;
	server.loop_count = 1;
	server.listeners = listeners;
	server.listener_count = server.listener_room = LISTENERS;
	server.base = event_base_new();
	pthread_mutex_init(&server.view, NULL);
	pthread_mutex_init(&server.reset_lock, NULL);
	WALK_MUST(server.base != NULL);
}

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	static const char said[] = "get a bb ccc\r\nset k 0 0 3\r\nabc\r\nms kk 2\r\n";
	int pair[2];

	(void)argc;
	(void)argv;
	log_set_level(REND_LOG_ERROR - 1);
	WALK_MUST(setrlimit(RLIMIT_NOFILE, &(struct rlimit){ FILES_MAX, FILES_MAX }) == 0);
	WALK_MUST(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) == 0);
	given[0] = pair[0];
	given[2] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	files[0] = memfd_create("input", MFD_CLOEXEC);
	files[1] = memfd_create("long input", MFD_CLOEXEC);
	given[3] = open("/dev/null", O_RDWR | O_CLOEXEC);
	WALK_MUST(write(files[0], said, sizeof said - 1) == sizeof said - 1);
	for (size_t len = 0; len < LONG_BYTES; len += sizeof said - 1)
		WALK_MUST(write(files[1], said, sizeof said - 1) == sizeof said - 1);
	WALK_MUST(ftruncate(files[1], LONG_BYTES) == 0);
	/* A name that the kernel chooses. */
	WALK_MUST(bind(given[2], &(struct sockaddr){ .sa_family = AF_UNIX }, sizeof(sa_family_t)) == 0 &&
		  listen(given[2], 1) == 0);
	prepare_server();
	return 0;
}

/* Beyond there can be none: see the limit. */
static unsigned
open_files(void)
{
	unsigned count = 0;

	for (int fd = 0; fd < FILES_MAX; fd++)
		count += fcntl(fd, F_GETFD) >= 0;
	return count;
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t len)
{
	int pair[2];
	unsigned before = open_files();

	if (len < 1)
		return 0;
	clock_fake(NOW, WALL);
	how = p[0];
	given[1] = files[(how & LONG) != 0];
	WALK_MUST(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0);
	send_all(pair[1], p + 1, len - 1);
	if (how & CLOSED)
		close(pair[1]);
	else
		shutdown(pair[1], SHUT_WR);
	if (how & TO_HEIR)
		be_old(pair[0]);
	else
		be_new(pair[0]);
	if (!(how & CLOSED))
		close(pair[1]);
	WALK_MUST(open_files() == before);
	return 0;
}
