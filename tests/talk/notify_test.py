#!/usr/bin/python3
"""A supervisor, played by us, hears what systemd would; and systemd's own look at the units."""
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import time

import harness
from harness import INMEM, wait_for
from upgrades import Upgraded, alive

SCM_CREDENTIALS = 2
UNITS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../etc")


class Supervisor:
    """A socket, and what came there: (pid of who said it, lines)."""

    def __init__(self, abstract=False):
        self.path = os.path.join(os.environ["TMPDIR"], f"notify{time.monotonic_ns()}")
        name = "@" + self.path if abstract else self.path
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self.sock.settimeout(harness.PATIENCE)
        self.sock.bind(name.replace("@", "\0", 1) if abstract else name)
        if not abstract:
            os.chmod(self.path, 0o777)
        os.environ["NOTIFY_SOCKET"] = name

    def __enter__(self):
        return self

    def __exit__(self, *_):
        del os.environ["NOTIFY_SOCKET"]
        self.sock.close()

    def hear(self):
        data, control, _, _ = self.sock.recvmsg(4096, 1024)
        pid = next(struct.unpack("iII", text[:12])[0] for level, kind, text in control if (level, kind) == (socket.SOL_SOCKET, SCM_CREDENTIALS))
        return pid, data.decode().split("\n")

    def hears(self, pid, *lines):
        got = self.hear()
        assert got == (pid, list(lines)), (got, pid, lines)

    def hears_reloading(self, pid, since):
        who, lines = self.hear()
        assert who == pid and lines[0] == "RELOADING=1" and len(lines) == 2, (who, lines)
        word, usec = lines[1].split("=")
        assert word == "MONOTONIC_USEC" and since * 1e6 <= int(usec) + 1 <= time.monotonic() * 1e6 + 1, (lines, since)

    def silent(self):
        self.sock.setblocking(False)
        try:
            raise AssertionError(self.hear())
        except BlockingIOError:
            pass
        self.sock.settimeout(harness.PATIENCE)


def ready(pid):
    return f"MAINPID={pid}", "READY=1"


def test_start_reload_end():
    for abstract in (False, True):
        with Supervisor(abstract) as systemd:
            with Upgraded(INMEM) as rend:
                systemd.hears(rend.pid, *ready(rend.pid))
                since = time.monotonic()
                rend.reload()
                systemd.hears_reloading(rend.pid, since)
                systemd.hears(rend.pid, *ready(rend.pid))
                # One that is refused is over, too.
                rend.refused("handlers = {", 78, "rend.conf")
                systemd.hears_reloading(rend.pid, since)
                systemd.hears(rend.pid, *ready(rend.pid))
                systemd.silent()
            systemd.hears(rend.pid, "STOPPING=1")
            systemd.silent()


def test_an_upgrade():
    """Whoever serves is the main process before the old one can end; that one does not say that the service ends."""
    with Supervisor() as systemd, Upgraded(INMEM) as rend:
        systemd.hears(rend.pid, *ready(rend.pid))
        for _ in range(2):
            old, since = rend.pid, time.monotonic()
            rend.upgrade()
            systemd.hears_reloading(old, since)
            said = sorted((systemd.hear() for _ in range(2)), key=lambda s: s[0] == rend.pid)
            assert said == [(old, list(ready(rend.pid))), (rend.pid, list(ready(rend.pid)))], (said, old, rend.pid)
            systemd.silent()
        # One that comes to nothing.
        rend.write("handlers = {")
        since = time.monotonic()
        rend.not_upgraded(78)
        systemd.hears_reloading(rend.pid, since)
        systemd.hears(rend.pid, *ready(rend.pid))
        systemd.silent()
        rend.write(INMEM)
        # By hand, where nobody tells the new one of a supervisor: the old one says who it is.
        name, old, since = os.environ.pop("NOTIFY_SOCKET"), rend.pid, time.monotonic()
        by_hand = subprocess.Popen([harness.REND, "-c", rend.conf_file, "--takeover", rend.control], stderr=subprocess.DEVNULL)
        rend.gone(old)
        os.environ["NOTIFY_SOCKET"] = name
        systemd.hears_reloading(old, since)
        systemd.hears(old, *ready(by_hand.pid))
        systemd.silent()
        by_hand.terminate()
        assert by_hand.wait(harness.PATIENCE) == 0
        rend.pid = by_hand.pid


def test_the_old_one_has_something_to_do_yet():
    """It owes a client something, and is told to end meanwhile: the service does not."""
    with Supervisor() as systemd, Upgraded(INMEM, more='drain_timeout = "60s";') as rend:
        systemd.hear()
        slow, quick = rend.client(), rend.client()
        slow.ask(b"set big 0 0 900000\r\n" + b"S" * 900000 + b"\r\n", b"STORED\r\n")
        slow.say(b"get big\r\n" * 60)
        wait_for("it to be asked", lambda: int(quick.stats()["cmd_get"]) >= 4)
        old = rend.pid
        code, out, err = rend.ctl("upgrade")
        assert code == 0, (code, out, err)
        rend.pid = rend.now()
        for _ in range(3):
            systemd.hear()
        assert alive(old)
        os.kill(old, signal.SIGTERM)
        wait_for("it to have heard that", lambda: rend.said("signal 15"))
        slow.close()
        rend.gone(old)
        systemd.silent()
        quick.ask(b"mn\r\n", b"MN\r\n")
        quick.close()


def test_a_supervisor_that_is_no_good():
    full = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    path = os.path.join(os.environ["TMPDIR"], "full")
    full.bind(path)
    os.chmod(path, 0o777)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
        s.setblocking(False)
        try:
            while True:
                s.sendto(b"x", path)
        except BlockingIOError:
            pass
    for name in ("", "@", "/", "no path", "vsock:2:1", "/nobody/there", "/" + "x" * 107, "/" + "x" * 4000, path):
        os.environ["NOTIFY_SOCKET"] = name
        try:
            with Upgraded(INMEM) as rend:
                rend.reload()
                with rend.client() as c:
                    c.ask(b"mn\r\n", b"MN\r\n")
        finally:
            del os.environ["NOTIFY_SOCKET"]
    full.close()


def test_the_units():
    """As they are, but for the place of the programs."""
    if shutil.which("systemd-analyze") is None:
        print("     no systemd-analyze here")
        return
    folder = os.path.join(os.environ["TMPDIR"], "units")
    os.mkdir(folder)
    build = os.path.dirname(harness.REND)
    for unit in ("rend.service", "rend.socket"):
        with open(os.path.join(UNITS, unit)) as f:
            text = f.read()
        text = text.replace("/usr/bin/rendctl ", build + "/rendctl ").replace("/usr/bin/rend ", build + "/rend ")
        # A user of this machine's.
        text = text.replace("User=rend\n", "User=daemon\n")
        with open(os.path.join(folder, unit), "w") as f:
            f.write(text)
    for units in (("rend.service",), ("rend.service", "rend.socket")):
        p = subprocess.run(["systemd-analyze", "verify", "--man=no", *(os.path.join(folder, unit) for unit in units)], capture_output=True, text=True, check=False)
        # It also says what is wrong with other units of the machine.
        about = [line for line in (p.stdout + p.stderr).splitlines() if folder in line or re.search(r"\brend\.(service|socket)", line)]
        assert about == [], about


if __name__ == "__main__":
    harness.main()
