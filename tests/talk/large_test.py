#!/usr/bin/python3
"""Large values in memory: clients that read them slowly have a bounded part of it, and what they get is what was there when they asked."""
import socket
import time

import harness
from harness import Client, Rend, wait_for

KIB = 1024
MIB = 1024 * KIB

# What a system keeps of an answer that nobody reads may be 4 MiB, as Linux comes; longer ones stay with rend.

CONF = """
request_timeout = "%s";
item_size_max = "16MiB";
handlers = { mem = { plugin = "inmem"; memory = "%s"; }; };
policies = { main = { plugin = "l1only"; l1 = "mem"; }; };
listeners = ( { port = 0; policy = "main"; } );
"""


def value(key, length, serial=0):
    piece = b"%s-%d|" % (key, serial)
    return (piece * (length // len(piece) + 1))[:length]


def store(c, key, length, serial=0):
    c.ask(b"set %s 0 0 %d\r\n" % (key, length) + value(key, length, serial) + b"\r\n", b"STORED\r\n")


class Slow(Client):
    """Its system takes little of what it is sent, and it reads nothing until it is told to."""

    def __init__(self, address):
        self.sock = socket.socket(socket.AF_INET6 if ":" in address[0] else socket.AF_INET)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.sock.settimeout(harness.PATIENCE)
        self.sock.connect(address)
        self.heard = b""


def number(rend, name):
    """Of the node, or of all."""
    stats = rend.stats("node mem") if name != "cmd_get" else rend.stats()
    return int(stats["mem." + name] if name != "cmd_get" else stats[name])


def hit(key, data):
    return b"VALUE %s 0 %d\r\n" % (key, len(data)) + data + b"\r\nEND\r\n"


def test_slow_readers_have_a_bounded_part():
    limit, length = 128 * MIB, 6 * MIB
    with Rend(CONF % ("60s", "128MiB")) as rend, rend.client() as c:
        keys = [b"key-%d" % i for i in range(16)]
        for key in keys:
            store(c, key, length)
        before = rend.rss_kb()
        slow = [Slow(rend.address()) for _ in range(48)]
        for i, s in enumerate(slow):
            s.say(b"get %s\r\n" % keys[i % 16])
        wait_for("all to have asked", lambda: number(rend, "cmd_get") >= 48)
        # Each of these values is too long to be copied: half of the memory may be held, a tenth for long, and others are refused.
        pinned = number(rend, "pinned")
        assert length <= pinned <= limit // 2, pinned
        # All that is left is everybody's, however long this goes on.
        for n in range(60):
            store(c, b"other-%d" % n, MIB)
        for key in keys:
            c.say(b"delete %s\r\n" % key).line()
        assert number(rend, "pinned_orphans") == number(rend, "pinned") > 0
        assert number(rend, "bytes") <= limit
        if not harness.sanitized():
            assert rend.rss_kb() - before < 32 * KIB, rend.rss_kb() - before
        # What they get at last is what was there when they asked; or they are told that there is no memory.
        got = refused = 0
        for i, s in enumerate(slow):
            s.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 * MIB)
            line = s.line()
            if line.startswith(b"SERVER_ERROR"):
                refused += 1
                continue
            key = keys[i % 16]
            assert line == b"VALUE %s 0 %d" % (key, length), line
            s.hear(value(key, length) + b"\r\nEND\r\n")
            got += 1
        assert got >= 6 and refused >= 12, (got, refused)
        wait_for("nothing to be held", lambda: number(rend, "pinned") == 0 and number(rend, "pinned_orphans") == 0)
        for s in slow:
            s.close()


def test_one_slow_reader_takes_nothing_from_others():
    length = 6 * MIB
    with Rend(CONF % ("60s", "64MiB")) as rend, rend.client() as c:
        keys = [b"key-%d" % i for i in range(8)]
        for key in keys:
            store(c, key, length)
        # In one line, or one after the other: an answer that it does not read is what it holds.
        slow = [Slow(rend.address()) for _ in range(2)]
        slow[0].say(b"get " + b" ".join(keys[:4]) + b"\r\n")
        slow[1].say(b"".join(b"get %s\r\n" % key for key in keys[4:]))
        wait_for("both to hold one", lambda: number(rend, "pinned") >= 2 * length)
        assert number(rend, "pinned") < 3 * length, number(rend, "pinned")
        # In the seconds after that, too, when it is what is held for long.
        until = time.monotonic() + 3
        while time.monotonic() < until:
            for key in keys:
                with rend.client() as other:
                    other.ask(b"get %s\r\n" % key, hit(key, value(key, length)))
        assert number(rend, "pinned") >= 2 * length
        for s in slow:
            s.close()


def test_who_never_reads_is_closed_and_what_he_held_is_free():
    with Rend(CONF % ("4s", "128MiB")) as rend, rend.client() as c:
        store(c, b"key", 6 * MIB)
        s = Slow(rend.address())
        s.say(b"get key\r\n")
        wait_for("it to be held", lambda: number(rend, "pinned") >= 6 * MIB)
        c.ask(b"delete key\r\n", b"DELETED\r\n")
        wait_for("it to be free", lambda: number(rend, "pinned_orphans") == 0)
        s.close()


def test_overwritten_and_joined_while_it_is_sent():
    with Rend(CONF % ("60s", "128MiB")) as rend, rend.client() as c:
        store(c, b"key", 6 * MIB)
        s = Slow(rend.address())
        s.say(b"get key\r\n")
        wait_for("it to be held", lambda: number(rend, "pinned") >= 6 * MIB)
        store(c, b"key", 6 * MIB, serial=1)
        c.ask(b"append key 0 0 3\r\nabc\r\n", b"STORED\r\n")
        c.ask(b"prepend key 0 0 3\r\nxyz\r\n", b"STORED\r\n")
        c.ask(b"get key\r\n", hit(b"key", b"xyz" + value(b"key", 6 * MIB, 1) + b"abc"))
        s.hear(hit(b"key", value(b"key", 6 * MIB)))
        s.close()


if __name__ == "__main__":
    harness.main()
