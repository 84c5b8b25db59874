/* What a supervisor is told: see notify.h. */
#include "base/notify.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

/* How long a supervisor that has much to read is waited for. */
static const struct timeval patience = { .tv_usec = 200 * 1000 };

/* A path, or, behind an @, an abstract name. */
static socklen_t
address_of(const char *name, struct sockaddr_un *un)
{
	size_t len = strlen(name);

	if ((*name != '/' && *name != '@') || len < 2 || len >= sizeof un->sun_path)
		return 0;
	*un = (struct sockaddr_un){ .sun_family = AF_UNIX };
	memcpy(un->sun_path, name, len);
	if (*name == '@')
		un->sun_path[0] = '\0';
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
}

static void
tell(const char *text)
{
	const char *name = getenv("NOTIFY_SOCKET");
	struct sockaddr_un un;
	socklen_t len = name == NULL ? 0 : address_of(name, &un);
	int saved = errno, fd = len == 0 ? -1 : socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd >= 0) {
		setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
		sendto(fd, text, strlen(text), MSG_NOSIGNAL, (struct sockaddr *)&un, len);
		close(fd);
	}
	errno = saved;
}

void
notify_main(pid_t pid)
{
	char text[64];

	if (pid <= 0)
		return;
	snprintf(text, sizeof text, "MAINPID=%ld\nREADY=1", (long)pid);
	tell(text);
}

void
notify_ready(void)
{
	notify_main(getpid());
}

void
notify_reloading(void)
{
	struct timespec now;
	char text[64];

	clock_gettime(CLOCK_MONOTONIC, &now);
	snprintf(text, sizeof text, "RELOADING=1\nMONOTONIC_USEC=%llu",
	    (unsigned long long)now.tv_sec * 1000000 + (unsigned long long)now.tv_nsec / 1000);
	tell(text);
}

void
notify_stopping(void)
{
	tell("STOPPING=1");
}
