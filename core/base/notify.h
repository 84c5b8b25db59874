/*
 * What a supervisor is told of this process: datagrams to the socket that it names in NOTIFY_SOCKET, as sd_notify(3) of systemd says them.
 * Without such a socket nothing is told; one that does not listen, or does not read within 200 ms, misses it.  Any thread; the variable stays for the process that comes
 * after this one.
 */
#ifndef BASE_NOTIFY_H
#define BASE_NOTIFY_H

#include <sys/types.h>

/* This process serves, and is the main one: after a start, a takeover, and whatever notify_reloading() announced. */
void notify_ready(void);

/* It is at a reload, or an upgrade. */
void notify_reloading(void);

/* Another one serves instead; 0: nobody knows its number, and it says so itself. */
void notify_main(pid_t pid);

/* It ends. */
void notify_stopping(void);

#endif
