/*
 * A process that is killed at a step of a takeover: loaded into rend by LD_PRELOAD, with REND_DIE=before:TYPE or after:TYPE, where TYPE is the number of
 * a letter (core/net/letter.h) that it sends.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define MAGIC 0x52546b31U

struct head {
	uint32_t magic;
	uint16_t version, type;
};

static void
die(void)
{
	kill(getpid(), SIGKILL);
	pause();
}

ssize_t
sendmsg(int fd, const struct msghdr *msg, int flags)
{
	ssize_t (*next)(int, const struct msghdr *, int);
	void *found = dlsym(RTLD_NEXT, "sendmsg");
	const char *when = getenv("REND_DIE"), *colon = when == NULL ? NULL : strchr(when, ':');
	struct head head = { 0 };
	bool is_it;
	ssize_t n;

	memcpy(&next, &found, sizeof next);
	if (msg->msg_iovlen > 0 && msg->msg_iov[0].iov_len >= sizeof head)
		memcpy(&head, msg->msg_iov[0].iov_base, sizeof head);
	is_it = colon != NULL && head.magic == MAGIC && head.type == atoi(colon + 1);
	if (is_it && *when == 'b')
		die();
	n = next(fd, msg, flags);
	if (is_it && n >= 0)
		die();
	return n;
}
