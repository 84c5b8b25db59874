#!/usr/bin/python3
"""What must not get out: descriptors to children, datagrams to anybody, addresses of memory to those who ask for numbers."""
import os
import re

import harness
from harness import Memcached, Rend, wait_for

CLOEXEC = 0o2000000

# Everything that is open in a server: listeners, a log, connections in and out, workers' inboxes and event bases.
CONF = """
handlers = {{
    back = {{ plugin = "memcached"; servers = [ "{server}" ]; request_timeout = "60s"; connect_timeout = "60s"; }};
    mem = {{ plugin = "inmem"; memory = "64MiB"; }};
}};
policies = {{ main = {{ plugin = "l1only"; l1 = "mem"; }}; far = {{ plugin = "l1only"; l1 = "back"; }}; }};
listeners = ( {{ port = 0; policy = "main"; }}, {{ port = 0; policy = "far"; }}, {{ path = "r.sock"; policy = "main"; }} );
"""

GROUPS = ("", "settings", "items", "slabs", "sizes", "conns", "nodes", "node mem", "policy", "latency", "ops")


class Busy:
    """A server with everything open, and clients of it."""

    def __init__(self):
        self.memcached = Memcached()
        self.rend = None

    def __enter__(self):
        self.memcached.__enter__()
        self.rend = Rend(CONF.format(server=self.memcached.server))
        self.rend.__enter__()
        wait_for("the backend to be up", lambda: self.rend.stats("nodes").get("back.links_up", "0") != "0")
        self.clients = [self.rend.client(which) for which in (0, 0, 1)] + [harness.Client(os.path.join(self.rend.folder, "r.sock"))]
        for c in self.clients:
            c.ask(b"set k 0 0 1\r\nx\r\nget k\r\n", b"STORED\r\nVALUE k 0 1\r\nx\r\nEND\r\n")
        self.clients[0].say(b"set half 0 0 100\r\nabc")
        return self.rend

    def __exit__(self, *args):
        for c in self.clients:
            c.close()
        self.rend.__exit__(*args)
        self.memcached.__exit__(*args)


def descriptors(rend):
    """Number to (flags, what it is)."""
    found = {}
    folder = f"/proc/{rend.child.pid}"
    for fd in os.listdir(folder + "/fd"):
        try:
            with open(f"{folder}/fdinfo/{fd}") as f:
                flags = int(re.search(r"^flags:\s+(\d+)", f.read(), re.M).group(1), 8)
            found[int(fd)] = flags, os.readlink(f"{folder}/fd/{fd}")
        except OSError:
            pass  # closed meanwhile
    return found


def test_no_child_would_inherit_a_descriptor():
    with Busy() as rend:
        found = descriptors(rend)
        kinds = {what.split(":")[0] for _, what in found.values()}
        assert len(found) > 15 and "socket" in kinds and "anon_inode" in kinds, found
        kept = {fd: what for fd, (flags, what) in found.items() if fd > 2 and not flags & CLOEXEC}
        assert not kept, kept


def test_there_are_no_datagrams():
    with Busy() as rend:
        sockets = set(re.findall(r"socket:\[(\d+)\]", " ".join(what for _, what in descriptors(rend).values())))
        assert len(sockets) > 5
        for table, least in (("tcp", 4), ("udp", 0), ("udp6", 0)):
            with open(f"/proc/{rend.child.pid}/net/{table}") as f:
                ours = [line for line in f.read().splitlines()[1:] if line.split()[9] in sockets]
            # That the sockets of TCP are found shows that those of UDP would be.
            assert len(ours) >= least and (least > 0 or not ours), (table, ours)


def mapped(rend):
    """Where its memory lies: (from, to).  Not where numbers lie, too, as sanitizers' shadows do."""
    with open(f"/proc/{rend.child.pid}/maps") as f:
        regions = [tuple(int(x, 16) for x in line.split(None, 1)[0].split("-")) for line in f]
    return [(begin, end) for begin, end in regions if begin > 1 << 32 and end - begin < 1 << 32]


def test_stats_tell_no_addresses():
    with Busy() as rend, rend.client() as c:
        regions = mapped(rend)
        assert len(regions) > 20
        seen = 0
        for group in GROUPS:
            for name, value in c.stats(group).items():
                numbers = [int(n, 16) for n in re.findall(r"0x([0-9a-fA-F]+)", value)] + [int(n) for n in re.findall(r"\d+", value)]
                seen += len(numbers)
                inside = [hex(n) for n in numbers if any(begin <= n < end for begin, end in regions)]
                assert not inside, (group, name, value, inside)
        assert seen > 200


if __name__ == "__main__":
    harness.main()
