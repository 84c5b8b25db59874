"""A program that the bench runs: on one core, in a folder, ended by its pid.  And what the kernel says of it."""
import os
import re
import resource
import shlex
import signal
import socket
import subprocess
import time

SERVER_CORE = 0
CLIENT_CORE = 1

PATIENCE = 30.0

# Of the kernel's clock, in a second.
TICKS = os.sysconf("SC_CLK_TCK")


class Failed(Exception):
    """Says what could not be measured, and why."""


def wait_for(what, condition, patience=PATIENCE, pause=0.01):
    end = time.monotonic() + patience
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise Failed(f"waited {patience:.0f} s for {what}")
        time.sleep(pause)


def free_ports(count):
    """For a program that cannot be asked which ports the kernel gave it."""
    socks = [socket.socket() for _ in range(count)]
    for s in socks:
        s.bind(("127.0.0.1", 0))
    ports = [s.getsockname()[1] for s in socks]
    for s in socks:
        s.close()
    return ports


def on_core(core, argv):
    """With one core there is nothing to pin to."""
    cores = sorted(os.sched_getaffinity(0))
    return ["taskset", "-c", str(cores[core % len(cores)]), *argv]


def connects(address):
    """address: (host, port), or the path of a unix socket."""
    family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
    with socket.socket(family) as s:
        s.settimeout(2)
        return s.connect_ex(address) == 0


class Process:
    def __init__(self, name, argv, folder, core, env=None, files=None):
        self.name = name
        self.argv = argv
        self.log = os.path.join(folder, name.replace(" ", "-") + ".log")
        # The limit of descriptors: see instructions.files().
        limit = None if files is None else lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))
        with open(self.log, "ab") as log:
            self.child = subprocess.Popen(on_core(core, argv), stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=folder,
                                          env=dict(os.environ, **(env or {})), preexec_fn=limit)
        self.pid = self.child.pid

    def command(self):
        return shlex.join(self.argv)

    def said(self, pattern):
        """The first match in what it printed, or None."""
        with open(self.log, errors="replace") as f:
            return re.search(pattern, f.read())

    def check(self):
        if self.child.poll() is not None:
            with open(self.log, errors="replace") as f:
                raise Failed(f"{self.name} ended with {self.child.returncode}: {f.read()[-400:]}")
        return self

    def wait_up(self, address):
        wait_for(f"{self.name} to serve", lambda: self.check() and connects(address))

    def end(self):
        if self.child.poll() is None:
            self.child.send_signal(signal.SIGTERM)
        try:
            self.child.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()

    # ---- what the kernel says ----

    def rss_kb(self):
        with open(f"/proc/{self.pid}/status") as f:
            return int(re.search(r"^VmRSS:\s+(\d+)", f.read(), re.M).group(1))

    def ticks(self):
        """Clock ticks of all threads so far: as user, in the kernel."""
        return ticks(self.pid)


def ticks(pid):
    with open(f"/proc/{pid}/stat") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return int(fields[11]), int(fields[12])


def busy_seconds():
    """CPU seconds that the machine has spent on anything."""
    with open("/proc/stat") as f:
        ticks = [int(field) for field in f.readline().split()[1:9]]
    return (sum(ticks) - ticks[3] - ticks[4]) / TICKS
