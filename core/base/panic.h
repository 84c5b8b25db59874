/* What rend_panic() prints: the place, the sentence, what the engine knows of the op at hand, and a backtrace. */
#ifndef BASE_PANIC_H
#define BASE_PANIC_H

/* Called by a panic to print more to the file descriptor; must neither allocate nor lock.  The engine sets it. */
extern void (*panic_context)(int fd);

#endif
