#!/usr/bin/python3
"""What rend is to the system: signals that come early, the pid file, files that are given to the user, the background."""
import os
import pwd
import re
import resource
import signal
import stat

import harness
from conf_test import Folder, exits, me, running, same
from harness import wait_for

# Whoever locks the pid file finds that something happens meanwhile, the first time.
EARLY = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>
__attribute__((visibility("default"))) int
flock(int fd, int how)
{
	static int calls;
	int (*real)(int, int) = (int (*)(int, int))dlsym(RTLD_NEXT, "flock");
	const char *number = getenv("EARLY_SIGNAL"), *path = getenv("EARLY_UNLINK");

	if (calls++ == 0 && number != NULL)
		kill(getpid(), atoi(number));
	if (calls == 1 && path != NULL)
		unlink(path);
	if (calls == 1 && write(2, "it happened\\n", 12) != 12)
		abort();
	return real(fd, how);
}
"""


def early(f, **more):
    """The environment of a rend to which it happens."""
    env = dict(os.environ, LD_PRELOAD=f.compile("early", EARLY), **more)
    # A sanitizer wants to be loaded first.
    env["ASAN_OPTIONS"] = env.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"
    return env


def open_files(pid):
    with open(f"/proc/{pid}/limits") as f:
        return int(re.search(r"^Max open files\s+(\d+)", f.read(), re.M).group(1))


# ---- signals ----

def test_a_signal_before_it_serves_ends_it_as_one_later():
    for number in (signal.SIGTERM, signal.SIGINT):
        with Folder() as f:
            rend = harness.Rend(args=("-P", os.path.join(f.path, "rend.pid"), "-s", os.path.join(f.path, "rend.sock")))
            rend.kw["env"] = early(f, EARLY_SIGNAL=str(int(number)))
            rend.start()
            # Nobody tells it again.
            same(rend.child.wait(harness.PATIENCE), 0)
            rend.reader.join(harness.PATIENCE)
            assert rend.said("it happened"), rend.tail()
            assert rend.said(f"signal {int(number)}: no connection"), rend.tail()
            assert not os.path.exists(os.path.join(f.path, "rend.pid"))
            assert not os.path.exists(os.path.join(f.path, "rend.sock"))
            rend.remove()


def test_the_word_to_reopen_the_log_before_it_serves_does_no_harm():
    with Folder() as f:
        rend = harness.Rend(args=("-P", os.path.join(f.path, "rend.pid")))
        rend.kw["env"] = early(f, EARLY_SIGNAL=str(int(signal.SIGUSR1)))
        with rend, rend.client() as c:
            assert rend.said("it happened"), rend.tail()
            c.ask(b"get k\r\n", b"END\r\n")


# ---- the pid file ----

def test_a_pid_file_that_its_owner_removes_meanwhile_is_made_again():
    with Folder() as f:
        path = os.path.join(f.path, "rend.pid")
        rend = harness.Rend(args=("-P", path))
        rend.kw["env"] = early(f, EARLY_UNLINK=path)
        with rend:
            assert rend.said("it happened"), rend.tail()
            with open(path) as file:
                same(file.read(), f"{rend.child.pid}\n")
        assert not os.path.exists(path)


def test_a_pid_file_of_somebody_else_is_not_removed():
    with Folder() as f:
        path = os.path.join(f.path, "rend.pid")
        with harness.Rend(args=("-P", path)):
            os.unlink(path)
            f.write("rend.pid", "1\n")
        with open(path) as file:
            same(file.read(), "1\n")


# ---- what others may do with its files ----

def test_the_mode_of_a_socket_is_what_was_said_whatever_the_umask():
    for mode in ("0777", "0660", "0600", "0000"):
        conf = harness.INMEM.replace("port = 0", f'path = "rend.sock"; mode = "{mode}"')
        with harness.Rend(conf, preexec=lambda: os.umask(0o077)) as rend:
            got = os.stat(os.path.join(rend.folder, "rend.sock"))
            assert stat.S_ISSOCK(got.st_mode)
            same(stat.S_IMODE(got.st_mode), int(mode, 8))


def logs_are_given_if_they_were_made():
    uid = pwd.getpwnam("nobody").pw_uid
    with Folder() as f:
        old, new, pipe = (os.path.join(f.path, name) for name in ("old.log", "new.log", "pipe"))
        f.write("old.log", "")
        os.mkfifo(pipe)
        reader = os.open(pipe, os.O_RDWR | os.O_NONBLOCK)
        for path, owner in ((old, 0), (new, uid), (pipe, 0)):
            # It is said to the terminal, too, why it ends: by then all is given.
            got = f.run("-u", "nobody", "-p", "0", "-P", "no/such/folder", "-o", "log.to=" + path)
            exits(got, 73)
            same((path, os.stat(path).st_uid), (path, owner))
        os.close(reader)
        # Nor is it given what a link leads to.
        os.symlink(old, os.path.join(f.path, "link"))
        exits(f.run("-u", "nobody", "-p", "0", "-P", "no/such/folder", "-o", "log.to=link"), 73)
        same(os.stat(old).st_uid, 0)
        same(os.lstat(os.path.join(f.path, "link")).st_uid, 0)


def somebody_else_may_leave_a_core():
    uid = pwd.getpwnam("nobody").pw_uid
    with harness.Rend(args=("-u", "nobody")) as rend:
        # The kernel gives the files of a process that must not be dumped to root.
        same(os.stat(f"/proc/{rend.child.pid}/io").st_uid, uid)


# Others cannot try what only root can do.
if os.geteuid() == 0:
    test_logs_are_given_if_they_were_made = logs_are_given_if_they_were_made
    test_somebody_else_may_leave_a_core = somebody_else_may_leave_a_core


# ---- open files ----

def test_files_for_links_are_asked_for():
    def some_files():
        resource.setrlimit(resource.RLIMIT_NOFILE, (100, 4096))

    with harness.Rend(preexec=some_files, workers=2) as rend:
        # Clients, what there is beside them, and for each worker of the one handler as many as a backend may have.
        assert open_files(rend.child.pid) >= 1024 + 128 + 2 * 16 + 2 * 64, open_files(rend.child.pid)
        assert not rend.said("max_connections is"), rend.tail()


# ---- the background ----

def test_the_background_leaves_its_folder_and_finds_its_files():
    with Folder() as f:
        exits(f.run("-d", "-u", me(), "-s", "rend.sock", "-P", "rend.pid", "-o", "log.to=rend.log"), 0)
        with open(os.path.join(f.path, "rend.pid")) as file:
            pid = int(file.read())
        log = os.path.join(f.path, "rend.log")
        try:
            same(os.readlink(f"/proc/{pid}/cwd"), "/")
            os.rename(log, log + ".1")
            os.kill(pid, signal.SIGUSR1)
            wait_for("the log to be opened again", lambda: os.path.exists(log))
        finally:
            os.kill(pid, signal.SIGTERM)
            wait_for("the server to end", lambda: not running(pid))
        same(sorted(os.listdir(f.path)), ["rend.log", "rend.log.1"])


if __name__ == "__main__":
    harness.main()
