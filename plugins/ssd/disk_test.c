/* How io_uring and threads carry out requests: what the one promises that the other does not, and where there is no io_uring. */
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "disk_state.h"
#include "io_test.h"

/* ---- preadv() that waits, for threads ---- */

static struct {
	pthread_mutex_t lock;
	pthread_cond_t change;
	bool hangs;
	unsigned hanging;
} gate = { .lock = PTHREAD_MUTEX_INITIALIZER, .change = PTHREAD_COND_INITIALIZER };

ssize_t __real_preadv64(int fd, const struct iovec *iov, int n, off_t offset);
ssize_t __wrap_preadv64(int fd, const struct iovec *iov, int n, off_t offset);
ssize_t __real_preadv(int fd, const struct iovec *iov, int n, off_t offset);
ssize_t __wrap_preadv(int fd, const struct iovec *iov, int n, off_t offset);

static void
pass_gate(void)
{
	pthread_mutex_lock(&gate.lock);
	gate.hanging++;
	pthread_cond_broadcast(&gate.change);
	while (gate.hangs)
		pthread_cond_wait(&gate.change, &gate.lock);
	gate.hanging--;
	pthread_mutex_unlock(&gate.lock);
}

ssize_t
__wrap_preadv64(int fd, const struct iovec *iov, int n, off_t offset)
{
	pass_gate();
	return __real_preadv64(fd, iov, n, offset);
}

ssize_t
__wrap_preadv(int fd, const struct iovec *iov, int n, off_t offset)
{
	pass_gate();
	return __real_preadv(fd, iov, n, offset);
}

static void
set_gate(bool hangs)
{
	pthread_mutex_lock(&gate.lock);
	gate.hangs = hangs;
	pthread_cond_broadcast(&gate.change);
	pthread_mutex_unlock(&gate.lock);
}

/* Until so many hang in there. */
static void
await_hanging(unsigned n)
{
	pthread_mutex_lock(&gate.lock);
	while (gate.hanging < n)
		pthread_cond_wait(&gate.change, &gate.lock);
	pthread_mutex_unlock(&gate.lock);
}

static void
times_out_on_threads(void **state)
{
	struct kind kind = { .engine = DISK_THREADS };
	struct io_request hangs[4], waits, writes;
	struct io_file *f;

	start(&kind);
	f = opened("f", IO_CREATE | IO_DIRECT);
	assert_int_equal(io_write(f, data, BLOCK, 0, NULL), IO_OK);
	set_gate(true);
	for (int i = 0; i < 4; i++) {
		set(&hangs[i], IO_READ, f, 0, back[i]);
		hangs[i].deadline = 1; /* long past, but it goes out first */
		assert_int_equal(io_submit(queue, &hangs[i]), IO_OK);
	}
	io_flush(queue);
	await_hanging(4);
	set(&waits, IO_READ, f, 0, back[4]);
	assert_int_equal(io_submit(queue, &waits), IO_OK);
	set(&writes, IO_WRITE, f, 1, data[1]);
	assert_int_equal(io_submit(queue, &writes), IO_OK);
	io_wait(queue, 0);
	assert_int_equal(dones, 4);
	assert_int_equal(releases, 0);
	for (int i = 0; i < 4; i++)
		assert_int_equal(hangs[i].status, IO_TIMEOUT);
	/* Nobody has taken it: it comes back at once. */
	io_cancel(&waits);
	io_wait(queue, 0);
	assert_int_equal(dones, 5);
	assert_int_equal(releases, 1);
	set_gate(false);
	await(6);
	assert_int_equal(writes.status, IO_OK);
	assert_int_equal(io_queue_counts(queue)->late, 5);
	io_close(&f);
	end();
}

/* Writes that the disk does not take keep no read from a thread. */
static void
reads_pass_writes_on_threads(void **state)
{
	struct kind kind = { .engine = DISK_THREADS };
	static struct io_request r[MANY];
	struct io_file *f;

	start(&kind);
	f = opened("f", IO_CREATE | IO_DIRECT);
	assert_int_equal(io_write(f, data, BLOCK, 0, NULL), IO_OK);
	set_gate(true);
	/* Reads hang here, and stand for what hangs: two threads are left. */
	for (int i = 0; i < 2; i++) {
		set(&r[i], IO_READ, f, 0, back[i]);
		assert_int_equal(io_submit(queue, &r[i]), IO_OK);
	}
	io_flush(queue);
	await_hanging(2);
	for (int i = 2; i < 10; i++) {
		set(&r[i], IO_WRITE, f, i, data[i]);
		assert_int_equal(io_submit(queue, &r[i]), IO_OK);
	}
	io_flush(queue);
	while (releases < 8)
		io_wait(queue, LONG);
	set_gate(false);
	await(10);
	io_close(&f);
	end();
}

/* A read that waits for a pipe: the only one that io_uring can be made to wait for. */
static void
times_out_on_uring(void **state)
{
	struct kind kind = { .engine = DISK_URING };
	struct io_request r;
	struct io_file *f;
	int pipe;

	if (!has_uring)
		skip();
	start(&kind);
	/* In the place of a file, as a disk that does not answer. */
	f = opened("f", IO_CREATE);
	assert_int_equal(mkfifo(in_folder("pipe"), 0600), 0);
	pipe = open(in_folder("pipe"), O_RDWR | O_CLOEXEC);
	assert_true(pipe >= 0);
	assert_true(dup2(pipe, disk_fd(f)) >= 0);
	close(pipe);
	set(&r, IO_READ, f, 0, back[0]);
	r.deadline = io_now(io) + 1000000;
	assert_int_equal(io_submit(queue, &r), IO_OK);
	while (dones == 0)
		io_wait(queue, LONG);
	assert_int_equal(r.status, IO_TIMEOUT);
	/* The kernel was asked to let go, and does. */
	await(1);
	assert_int_equal(back[0][0], 0xee);
	assert_int_equal(io_queue_counts(queue)->late, 1);
	io_close(&f);
	end();
}

/* ---- where there is no io_uring ---- */

/* io_uring_setup() fails with EPERM from now on, as in many a container. */
static bool
forbid_uring(void)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_io_uring_setup, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { sizeof(filter) / sizeof(filter[0]), filter };

	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

/* In a process of its own.  Returns 0, or the line where it went wrong. */
static int
without_uring(bool from_the_start, const char *path)
{
	struct io *disks;
	struct io_file *f;
	struct io_queue *q;
	struct io_request r;

	if (from_the_start && !forbid_uring())
		return __LINE__;
	if (from_the_start && disk_new(DISK_URING, 0, &disks) != (has_uring ? IO_DENIED : IO_UNSUPPORTED))
		return __LINE__;
	if (disk_new(DISK_AUTO, 0, &disks) != IO_OK ||
	    strcmp(io_name(disks), from_the_start ? "threads" : "uring") != 0)
		return __LINE__;
	if (!from_the_start && !forbid_uring())
		return __LINE__;
	if (io_open(disks, path, IO_CREATE | IO_DIRECT, NULL, &f) != IO_OK ||
	    io_queue_open(disks, NULL, NULL, &q) != IO_OK)
		return __LINE__;
	set(&r, IO_WRITE, f, 0, data[1]);
	dones = releases = 0;
	if (io_submit(q, &r) != IO_OK)
		return __LINE__;
	while (releases == 0)
		io_wait(q, LONG);
	if (r.status != IO_OK || !io_queue_close(&q, LONG))
		return __LINE__;
	io_close(&f);
	io_free(&disks);
	return 0;
}

static void
takes_threads_where_uring_is_forbidden(void **state)
{
	struct kind kind = { .engine = DISK_THREADS };

	start(&kind);
	for (int i = has_uring ? 0 : 1; i < 2; i++) {
		pid_t pid = fork();
		int status;

		if (pid == 0)
			_exit(without_uring(i == 1, in_folder("f")) % 256);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFEXITED(status));
		assert_int_equal(WEXITSTATUS(status), 0);
	}
	end();
}

static void
says_whether_it_is_direct(void **state)
{
	struct kind kind = { .engine = DISK_THREADS };
	struct io_file *f;

	start(&kind);
	f = opened("f", IO_CREATE);
	assert_false(io_file_direct(f));
	assert_int_equal(io_file_grain(f), IO_GRAIN_LEAST);
	io_close(&f);
	end();
}

/*
 * Completions come while others are there, and many at once: what the kernel leaves to be done by the next call has been signalled once, and is not
 * again.  Nothing that comes later helps: all have to be found.
 */
static void
none_left_behind_on_uring(void **state)
{
	struct kind kind = { .engine = DISK_URING };
	struct io_limits limits = { .depth = 2 * MANY, .time = LONG };
	static struct io_request r[MANY];
	struct io_file *f;

	if (!has_uring)
		skip();
	start(&kind);
	assert_true(io_queue_close(&queue, LONG));
	assert_int_equal(io_queue_open(io, NULL, &limits, &queue), IO_OK);
	f = opened("f", IO_CREATE | IO_DIRECT);
	assert_int_equal(io_write(f, data, sizeof data, 0, NULL), IO_OK);
	for (unsigned round = 0; round < 500; round++) {
		dones = releases = 0;
		for (unsigned i = 0; i < MANY; i++) {
			set(&r[i], IO_READ, f, (int)i, back[i]);
			assert_int_equal(io_submit(queue, &r[i]), IO_OK);
			if (i % (1 + round % 16) == 0)
				io_flush(queue);
		}
		await(MANY);
		for (unsigned i = 0; i < MANY; i++)
			assert_int_equal(r[i].status, IO_OK);
	}
	io_close(&f);
	end();
}

/* In a loop others have their turn between some completions and the next, and the loop goes on by itself. */
static void
some_at_a_time_on_uring(void **state)
{
	struct kind kind = { .engine = DISK_URING };
	struct event_base *base = event_base_new();
	struct io_limits limits = { .depth = MANY, .time = LONG };
	static struct io_request r[MANY];
	unsigned turns = 0, most = 0;
	struct io_file *f;

	if (!has_uring) {
		event_base_free(base);
		skip();
	}
	start(&kind);
	assert_true(io_queue_close(&queue, LONG));
	assert_int_equal(io_queue_open(io, base, &limits, &queue), IO_OK);
	f = opened("f", IO_CREATE | IO_DIRECT);
	assert_int_equal(io_write(f, data, sizeof data, 0, NULL), IO_OK);
	for (unsigned i = 0; i < MANY; i++) {
		set(&r[i], IO_READ, f, (int)i, back[i]);
		assert_int_equal(io_submit(queue, &r[i]), IO_OK);
	}
	io_flush(queue);
	for (; releases < MANY; turns++) {
		unsigned before = dones;

		assert_int_equal(event_base_loop(base, EVLOOP_ONCE), 0);
		most = dones - before > most ? dones - before : most;
	}
	assert_in_range(most, 1, 4);
	assert_true(turns >= MANY / 4);
	assert_memory_equal(back, data, sizeof data);
	/* Its end does not take as many turns. */
	dones = releases = 0;
	for (unsigned i = 0; i < MANY; i++) {
		set(&r[i], IO_READ, f, (int)i, back[i]);
		assert_int_equal(io_submit(queue, &r[i]), IO_OK);
	}
	assert_true(io_queue_close(&queue, LONG));
	assert_int_equal(releases, MANY);
	io_close(&f);
	event_base_free(base);
	end();
}

/* Of a thread that stood still: what has ended meanwhile has ended, and is not late.  Out of the page cache a read ends when it is handed over. */
static void
what_has_ended_is_not_late_on_uring(void **state)
{
	struct kind kind = { .engine = DISK_URING };
	struct event_base *base = event_base_new();
	struct io_limits limits = { .depth = MANY, .time = LONG };
	static struct io_request r[MANY];
	struct io_file *f;

	if (!has_uring) {
		event_base_free(base);
		skip();
	}
	start(&kind);
	assert_true(io_queue_close(&queue, LONG));
	assert_int_equal(io_queue_open(io, base, &limits, &queue), IO_OK);
	f = opened("f", IO_CREATE);
	assert_int_equal(io_write(f, data, sizeof data, 0, NULL), IO_OK);
	for (unsigned i = 0; i < MANY; i++) {
		set(&r[i], IO_READ, f, (int)i, back[i]);
		r[i].deadline = 1;
		assert_int_equal(io_submit(queue, &r[i]), IO_OK);
	}
	io_flush(queue);
	assert_int_equal(io_poll(queue), MANY);
	for (unsigned i = 0; i < MANY; i++)
		assert_int_equal(r[i].status, IO_OK);
	assert_int_equal(releases, MANY);
	assert_memory_equal(back, data, sizeof data);
	io_close(&f);
	assert_true(io_queue_close(&queue, LONG));
	event_base_free(base);
	end();
}

/* Nobody leads us to another file, or changes names below us. */
static void
trusts_no_links_and_no_open_folders(void **state)
{
	struct kind kind = { .engine = DISK_THREADS };
	struct io_file *f;
	char to[256];

	start(&kind);
	f = opened("f", IO_CREATE);
	io_close(&f);
	snprintf(to, sizeof(to), "%s", in_folder("link"));
	assert_int_equal(symlink("f", to), 0);
	assert_int_equal(io_open(io, to, 0, NULL, &f), IO_DENIED);
	assert_int_equal(io_open(io, to, IO_DIRECT, NULL, &f), IO_DENIED);
	assert_int_equal(unlink(to), 0);
	assert_int_equal(symlink("not-there", to), 0);
	assert_int_equal(io_open(io, to, IO_CREATE, NULL, &f), IO_DENIED);
	assert_int_equal(io_open(io, in_folder("not-there"), 0, NULL, &f), IO_MISSING);

	assert_int_equal(io_own_dir(io, folder), IO_OK);
	assert_int_equal(chmod(folder, 0755), 0);
	assert_int_equal(io_own_dir(io, folder), IO_OK);
	assert_int_equal(chmod(folder, 0777), 0);
	assert_int_equal(io_own_dir(io, folder), IO_DENIED);
	assert_int_equal(chmod(folder, 01777), 0);
	assert_int_equal(io_own_dir(io, folder), IO_DENIED);
	assert_int_equal(chmod(folder, 0700), 0);
	assert_int_equal(io_own_dir(io, in_folder("f")), IO_MISSING);
	assert_int_equal(io_own_dir(io, in_folder("none")), IO_MISSING);
	/* Another's. */
	if (geteuid() == 0) {
		assert_int_equal(chown(folder, 12345, 0), 0);
		assert_int_equal(io_own_dir(io, folder), IO_DENIED);
		assert_int_equal(chown(folder, 0, 0), 0);
	}
	end();
}

/* What would wait for somebody else is not opened. */
static void
opens_files_only(void **state)
{
	static const int flags[] = { 0, IO_READ_ONLY, IO_CREATE, IO_DIRECT, IO_READ_ONLY | IO_DIRECT };
	struct kind kind = { .engine = DISK_THREADS };
	struct io_file *f;

	start(&kind);
	assert_int_equal(mkfifo(in_folder("pipe"), 0600), 0);
	alarm(60);
	for (unsigned i = 0; i < sizeof flags / sizeof *flags; i++) {
		assert_int_equal(io_open(io, in_folder("pipe"), flags[i], NULL, &f), IO_DENIED);
		assert_int_equal(io_open(io, "/dev/null", flags[i], NULL, &f), IO_DENIED);
	}
	assert_int_equal(io_open(io, folder, IO_READ_ONLY, NULL, &f), IO_DENIED);
	alarm(0);
	assert_int_equal(unlink(in_folder("pipe")), 0);
	end();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(times_out_on_threads),
		cmocka_unit_test(reads_pass_writes_on_threads),
		cmocka_unit_test(times_out_on_uring),
		cmocka_unit_test(some_at_a_time_on_uring),
		cmocka_unit_test(what_has_ended_is_not_late_on_uring),
		cmocka_unit_test(none_left_behind_on_uring),
		cmocka_unit_test(takes_threads_where_uring_is_forbidden),
		cmocka_unit_test(says_whether_it_is_direct),
		cmocka_unit_test(trusts_no_links_and_no_open_folders),
		cmocka_unit_test(opens_files_only),
	};

	look_for_uring();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
