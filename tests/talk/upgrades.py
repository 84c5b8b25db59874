"""A rend that hands over to another process, and its parts played by us.  Not run on its own."""
import array
import fcntl
import os
import re
import socket
import struct

import harness
from harness import wait_for
from reloads import Reloaded

MAGIC, VERSION = 0x52546b31, 3
(HELLO, READY, TAKEN, PREPARED, SERVING, FAILED, WELCOME, SOCKET, SOCKETS, PARCEL, YOURS, COUNTS, CONN, ALL, GO, BYE, ABORT) = range(1, 18)


def locked(path, name):
    """A file of a store, as a process has it that has opened the store; or None: another one has."""
    fd = os.open(os.path.join(path, name), os.O_RDWR)
    try:
        fcntl.fcntl(fd, 37, struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0))  # F_OFD_SETLK
        return fd
    except BlockingIOError:
        os.close(fd)
        return None


def refusals(rend):
    return sum("not upgraded" in line for line in list(rend.lines))


class Upgraded(Reloaded):
    """It follows its rend from process to process."""

    def __init__(self, *args, **kw):
        super().__init__(*args, **kw)
        self.first = None
        self.pid = None

    def __enter__(self):
        super().__enter__()
        self.first = self.child
        self.pid = self.child.pid
        return self

    def now(self):
        return int(self.status()["pid"])

    def hand_over(self):
        """Another process answers.  Returns the old one, which may owe something yet."""
        old = self.pid
        code, out, err = self.tried("upgrade")
        assert code == 0, (code, out, err, self.tail())
        self.pid = self.now()
        assert self.pid != old
        return old

    def upgrade(self):
        """The old process ends, and another one answers."""
        self.gone(self.hand_over())

    def gone(self, pid):
        if pid == self.first.pid:
            assert self.first.wait(harness.PATIENCE) == 0, self.tail()
        else:
            wait_for("the old process to end", lambda: not alive(pid))

    def not_upgraded(self, code, *words):
        old = self.pid
        got, out, err = self.tried("upgrade", *words)
        assert got == code, (got, out, err, self.tail())
        for word in words:
            assert word in err, (word, err)
        assert self.now() == old, self.tail()

    def alive(self):
        return alive(self.pid) if self.pid is not None else super().alive()

    def port_of(self):
        return self.address()[1]

    def fds_of(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def threads_of(self):
        return len(os.listdir(f"/proc/{self.pid}/task"))

    def end(self, number=15):
        if self.first is None or self.pid == self.first.pid:
            return super().end(number)
        if alive(self.pid):
            os.kill(self.pid, number)
            wait_for("the last process to end", lambda: not alive(self.pid))
        self.first.wait(harness.PATIENCE)
        self.reader.join(harness.PATIENCE)
        return 0


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as f:
            return f.read().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


class Letters:
    """One end of the talk between two rends."""

    def __init__(self, sock, pid=None, up=None):
        """pid: a child that is this end for the other one, and ends when up is closed."""
        self.sock, self.pid, self.up = sock, pid, up
        sock.settimeout(harness.PATIENCE)

    def send(self, kind, body=b"", fds=(), version=VERSION, magic=MAGIC, length=None):
        head = struct.pack("=IHHI", magic, version, kind, len(body) if length is None else length)
        self.sock.sendmsg([head + body], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else [])

    def hear(self):
        data, control, flags, _ = self.sock.recvmsg(65536, 4096)
        fds = array.array("i")
        for level, kind, text in control:
            if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                fds.frombytes(text[:len(text) - len(text) % fds.itemsize])
        if not data:
            return None, b"", list(fds)
        magic, version, kind, length = struct.unpack("=IHHI", data[:12])
        assert (magic, version, length) == (MAGIC, VERSION, len(data) - 12), data[:12]
        return kind, data[12:], list(fds)

    def until(self, wanted):
        """Hears letters up to one of that kind, and keeps no descriptor; returns the kinds."""
        kinds = []
        while True:
            kind, _, fds = self.hear()
            for fd in fds:
                os.close(fd)
            kinds.append(kind)
            if kind == wanted or kind is None:
                return kinds

    def close(self):
        """How its process ended, if it has one."""
        self.sock.close()
        if self.up is None:
            return None
        self.up.close()
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


def text(s):
    return struct.pack("=Q", len(s)) + s


def call(path):
    """As rend --takeover does: our end of a pair, or what was said instead.  It is a process of its own that calls, and that ends when our end is
    closed: rend looks whether it does, and ends it if it has to."""
    up, down = socket.socketpair()
    pid = os.fork()
    if pid == 0:
        try:
            keep_only(down.fileno())
            data, fds = answer_of(path)
            socket.send_fds(down, [data], fds)
            for fd in fds:
                os.close(fd)
            down.recv(1)
            os._exit(0)
        except BaseException as e:  # pylint: disable=broad-except
            print(f"call: {e!r}", flush=True)
        finally:
            os._exit(1)
    down.close()
    data, fds, _, _ = socket.recv_fds(up, 4096, 1)
    if fds:
        return Letters(socket.socket(fileno=fds[0]), pid, up)
    up.close()
    os.waitpid(pid, 0)
    return data


def keep_only(fd):
    """What this process has of others' connections would keep them open."""
    for name in os.listdir("/proc/self/fd"):
        if int(name) > 2 and int(name) != fd:
            try:
                os.close(int(name))
            except OSError:
                pass


def answer_of(path):
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(harness.PATIENCE)
        s.connect(path)
        s.sendall(b"takeover\n")
        data, fds, _, _ = socket.recv_fds(s, 4096, 1)
        return data, list(fds)
