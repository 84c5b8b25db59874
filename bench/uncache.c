/*
 * Keeps a file out of the page cache, so that who reads it through the cache reads the disk:
 *
 *	uncache FILE MS
 *
 * Every MS milliseconds what is dirty begins to be written, and what is clean is dropped.  FILE need not be there yet.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

static void
pause_for(long ms)
{
	struct timespec ts = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };

	nanosleep(&ts, NULL);
}

int
main(int argc, char **argv)
{
	long ms = argc == 3 ? strtol(argv[2], NULL, 10) : 0;
	int fd;

	if (ms <= 0) {
		fputs("Usage: uncache FILE MS\n", stderr);
		return 64;
	}
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	while ((fd = open(argv[1], O_RDONLY | O_CLOEXEC)) < 0 && errno == ENOENT)
		pause_for(ms);
	while (fd >= 0) {
		if (sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE) != 0 ||
		    posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED) != 0)
			break;
		pause_for(ms);
	}
	fprintf(stderr, "uncache: %s: %s\n", argv[1], strerror(errno));
	return 1;
}
