"""A network of its own for a test, so that what the kernel counts there is the test's alone.  Not run on its own."""
import fcntl
import os
import socket
import struct
import subprocess
import sys

MARK = "REND_TEST_APART"
SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 1

# What must not be counted while connections go from hand to hand.
FAULTS = ("Tcp.AttemptFails", "Tcp.EstabResets", "Tcp.OutRsts", "Tcp.InErrs", "TcpExt.ListenOverflows", "TcpExt.ListenDrops",
          "TcpExt.TCPAbortOnData", "TcpExt.TCPAbortOnClose", "TcpExt.TCPAbortOnMemory", "TcpExt.TCPAbortOnTimeout",
          "TcpExt.TCPAbortOnLinger", "TcpExt.TCPAbortFailed", "TcpExt.TCPReqQFullDrop", "TcpExt.TCPBacklogDrop")


def enter():
    """Begins the program anew in such a network; where that is forbidden the test is skipped, which is no success."""
    if os.environ.get(MARK) == "1":
        loopback_up()
        return
    os.environ[MARK] = "1"
    for how in (["unshare", "-rn"], ["unshare", "-n"]):
        if subprocess.run([*how, "true"], stderr=subprocess.DEVNULL, check=False).returncode == 0:
            os.execvp(how[0], [*how, sys.executable, *sys.argv])
    print("skipped: no network namespace can be made here")
    sys.exit(77)


def loopback_up():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        name = struct.pack("16sh14x", b"lo", 0)
        flags, = struct.unpack("16xh14x", fcntl.ioctl(s, SIOCGIFFLAGS, name))
        fcntl.ioctl(s, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", flags | IFF_UP))


def counters():
    found = {}
    for path in ("/proc/net/snmp", "/proc/net/netstat"):
        with open(path) as f:
            lines = f.read().splitlines()
        for names, values in zip(lines[::2], lines[1::2]):
            group, names = names.split(":")
            found.update((f"{group}.{name}", int(value)) for name, value in zip(names.split(), values.split(":")[1].split()))
    return found


def faults_since(before):
    """Those of FAULTS that have been counted since."""
    now = counters()
    return {name: now[name] - before[name] for name in FAULTS if now.get(name, 0) != before.get(name, 0)}


def clients_of(port):
    """Ports of this machine from which there is a connection to that one: those of clients, since servers here connect to none."""
    found = set()
    with open("/proc/net/tcp") as f:
        next(f)
        for line in f:
            _, local, remote, state = line.split(None, 4)[:4]
            if state == "01" and int(remote.split(":")[1], 16) == port:
                found.add(int(local.split(":")[1], 16))
    return found
