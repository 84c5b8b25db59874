/*
 * Loaded before libc: what the name backend.test means is in the file that NAMES says: an address; nothing, and nobody knows it; or "block",
 * and whoever asks waits until it says something else.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef int lookup_f(const char *, const char *, const struct addrinfo *, struct addrinfo **);

static void
read_file(char *to, size_t size)
{
	int fd = open(getenv("NAMES"), O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, to, size - 1);

	to[n < 0 ? 0 : n] = '\0';
	if (fd >= 0)
		close(fd);
}

int
getaddrinfo(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **found)
{
	lookup_f *real = (lookup_f *)(unsigned long)dlsym(RTLD_NEXT, "getaddrinfo");
	char means[64];

	if (node == NULL || strcmp(node, "backend.test") != 0 || (hints != NULL && (hints->ai_flags & AI_NUMERICHOST)))
		return real(node, service, hints, found);
	for (read_file(means, sizeof means); strcmp(means, "block") == 0; read_file(means, sizeof means))
		usleep(5000);
	return means[0] == '\0' ? EAI_NONAME : real(means, service, hints, found);
}
