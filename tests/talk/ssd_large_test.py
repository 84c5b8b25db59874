#!/usr/bin/python3
"""Values on a disk that are larger than what is written as one: by each protocol, by each verb, and after an end of whatever kind."""
import os
import re
import signal
import struct
import subprocess
import tempfile

import harness
from harness import Rend, wait_for

MIB = 1 << 20
TOOL = os.path.join(os.path.dirname(harness.REND), "rend-fsck")
LARGE = (20 if harness.sanitized() else 100) * MIB


def conf(path, size="512MiB", more="", others="", policy='plugin = "l1only"; l1 = "disk";'):
    return f"""
item_size_max = "128MiB";
handlers = {{ disk = {{ plugin = "ssd"; path = "{path}"; size = "{size}"; flush = "5ms"; timeout = "20s"; objects = 20000; {more} }}; {others} }};
policies = {{ main = {{ {policy} }}; }};
listeners = ( {{ port = 0; policy = "main"; }} );
"""


def folder():
    return os.path.join(tempfile.mkdtemp(dir=os.environ.get("TMPDIR")), "disk")


def value(n, size):
    """Each MiB of it is another one."""
    tile = b"".join(b"%d.%d.%d;" % (n, i, i * i) for i in range(size // MIB + 100))
    return (tile * (size // len(tile) + 1))[:size]


def take(c, size):
    """The next so many bytes, without a look at each of them again and again."""
    got = bytearray(c.heard[:size])
    c.heard = c.heard[size:]
    while len(got) < size:
        data = c.sock.recv(min(size - len(got), MIB))
        assert data, f"closed after {len(got)} of {size} bytes"
        got += data
    return bytes(got)


def put(c, key, v, verb=b"set", answer=b"STORED\r\n", flags=0):
    c.say(b"%s %s %d 0 %d\r\n" % (verb, key, flags, len(v))).say(v).ask(b"\r\n", answer)


def got(c, key, verb=b"get"):
    """The value, or None; with gets, and its version."""
    c.say(b"%s %s\r\n" % (verb, key))
    line = c.line()
    if line == b"END":
        return None
    words = line.split()
    v = take(c, int(words[3]))
    c.hear(b"\r\nEND\r\n")
    return (v, int(words[4])) if verb == b"gets" else v


def binary(opcode, key, extras=b"", body=b""):
    return struct.pack(">BBHBBHIIQ", 0x80, opcode, len(key), len(extras), 0, 0, len(key) + len(extras) + len(body), 7, 0) + extras + key + body


def answer(c):
    """status, extras, value"""
    _, _, keylen, extlen, _, status, bodylen, _, _ = struct.unpack(">BBHBBHIIQ", take(c, 24))
    body = take(c, bodylen)
    return status, body[:extlen], body[extlen + keylen:]


def test_by_each_protocol():
    with Rend(conf(folder(), "1GiB")) as rend:
        v = value(1, LARGE)
        with rend.client() as c:
            put(c, b"text", v, flags=7)
            assert got(c, b"text") == v
            c.ask(b"mg text s f t\r\n", b"HD s%d f7 t-1\r\n" % LARGE)
            c.say(b"ms meta %d T0\r\n" % LARGE).say(v).ask(b"\r\n", b"HD\r\n")
            c.say(b"mg meta v\r\n")
            assert c.line() == b"VA %d" % LARGE
            assert take(c, LARGE) == v
            c.hear(b"\r\n")
        with rend.client() as c:
            c.say(binary(1, b"binary", struct.pack(">II", 9, 0), v))
            assert answer(c)[0] == 0
            c.say(binary(0, b"binary"))
            status, extras, back = answer(c)
            assert (status, extras) == (0, struct.pack(">I", 9)) and back == v


def test_each_verb():
    size = 9 * MIB + 1
    with Rend(conf(folder(), "256MiB", 'segment = "4MiB";')) as rend:
        one, two = value(1, size), value(2, size)
        with rend.client() as c:
            put(c, b"k", one, b"replace", b"NOT_STORED\r\n")
            put(c, b"k", one, b"add")
            put(c, b"k", two, b"add", b"NOT_STORED\r\n")
            put(c, b"k", two, b"replace")
            v, version = got(c, b"k", b"gets")
            assert v == two
            put(c, b"k", b"end", b"append")
            put(c, b"k", one, b"prepend")
            assert got(c, b"k") == one + two + b"end"
            c.say(b"cas k 0 0 %d %d\r\n" % (size, version)).say(one).ask(b"\r\n", b"EXISTS\r\n")
            _, version = got(c, b"k", b"gets")
            c.say(b"cas k 0 0 %d %d\r\n" % (size, version)).say(one).ask(b"\r\n", b"STORED\r\n")
            c.say(b"cas n 0 0 %d 1\r\n" % size).say(one).ask(b"\r\n", b"NOT_FOUND\r\n")
            c.ask(b"incr k 1\r\n", b"CLIENT_ERROR cannot increment or decrement non-numeric value\r\n")
            c.ask(b"touch k 1000\r\n", b"TOUCHED\r\n").ask(b"mg k s\r\n", b"HD s%d\r\n" % size)
            assert got(c, b"k") == one
            # A small one grows out of a record, and is small again.
            put(c, b"s", b"x" * MIB)
            put(c, b"s", b"y", b"append")
            assert got(c, b"s") == b"x" * MIB + b"y"
            put(c, b"s", b"small")
            assert got(c, b"s") == b"small"
            c.ask(b"delete k\r\n", b"DELETED\r\n").ask(b"delete k\r\n", b"NOT_FOUND\r\n").ask(b"get k\r\n", b"END\r\n")
            put(c, b"k", two)
            c.ask(b"touch k -1\r\n", b"TOUCHED\r\n").ask(b"get k\r\n", b"END\r\n")
            put(c, b"k", two)
            c.ask(b"flush_all\r\n", b"OK\r\n").ask(b"get k\r\n", b"END\r\n")
            put(c, b"k", one)
            assert got(c, b"k") == one
            # More than a quarter of the store: refused, and nothing older is there.
            put(c, b"k", value(3, 64 * MIB + 1), b"set", b"SERVER_ERROR object too large for cache\r\n")
            c.ask(b"get k\r\n", b"END\r\n")


def test_after_an_end_and_a_kill():
    path, size = folder(), 11 * MIB
    with Rend(conf(path)) as rend:
        with rend.client() as c:
            for n in range(4):
                put(c, b"k%d" % n, value(n, size + n))
            c.ask(b"delete k3\r\n", b"DELETED\r\n")
    rend = Rend(conf(path))
    with rend:
        assert rend.said("as they were left"), rend.tail()
        with rend.client() as c:
            for n in range(3):
                assert got(c, b"k%d" % n) == value(n, size + n)
            put(c, b"k1", value(5, size))
            c.ask(b"delete k2\r\n", b"DELETED\r\n")
            before = int(rend.stats("nodes")["disk.bytes_written"])
            put(c, b"last", b"x" * 10)
        wait_for("a flush", lambda: int(rend.stats("nodes")["disk.bytes_written"]) > before)
        rend.end(signal.SIGKILL)
        rend.child = None
        rend.end = lambda: 0
    run = subprocess.run([TOOL, path], capture_output=True, text=True, timeout=300)
    assert run.returncode == 0, (run.stdout, run.stderr)
    assert int(re.search(r"(\d+) pieces of them", run.stdout).group(1)) >= 5 * 11, run.stdout
    with Rend(conf(path)) as rend:
        assert rend.said("rebuilt"), rend.tail()
        with rend.client() as c:
            assert got(c, b"k0") == value(0, size)
            assert got(c, b"k1") == value(5, size)
            assert got(c, b"k2") is None and got(c, b"k3") is None


def test_several_at_once_and_small_ones_beside():
    """Far more than the images in RAM have room for, from several clients; who stores a small one meanwhile is not refused."""
    size = 24 * MIB
    with Rend(conf(folder(), "512MiB", 'segment = "4MiB";')) as rend:
        clients = [rend.client() for _ in range(3)]
        values = [value(n, size) for n in range(3)]
        for n, c in enumerate(clients):
            c.say(b"set k%d 0 0 %d\r\n" % (n, size)).say(values[n]).say(b"\r\n")
        with rend.client() as small:
            for n in range(300):
                put(small, b"s%d" % n, b"%d" % n)
        for n, c in enumerate(clients):
            c.hear(b"STORED\r\n")
            assert got(c, b"k%d" % n) == values[n]
            c.close()


def test_behind_a_cache_in_memory():
    """Too large for the first tier or not: the second has it, and what both say is the same."""
    tiers = {"others": 'mem = { plugin = "inmem"; memory = "64MiB"; };', "policy": 'plugin = "l1l2"; l1 = "mem"; l2 = "disk";'}
    with Rend(conf(folder(), "512MiB", **tiers)) as rend, rend.client() as c:
        for n, size in enumerate((3 * MIB, 90 * MIB)):
            put(c, b"k", value(n, size))
            assert got(c, b"k") == value(n, size)
            assert got(c, b"k") == value(n, size)
            put(c, b"k", b"more", b"append")
            assert got(c, b"k") == value(n, size) + b"more"
            c.ask(b"delete k\r\n", b"DELETED\r\n").ask(b"get k\r\n", b"END\r\n")


def test_who_leaves_or_ends_in_between():
    """A client that does not wait for the answer, and a server that ends while a value is being stored."""
    size = 40 * MIB
    path = folder()
    with Rend(conf(path, "512MiB", 'segment = "4MiB";')) as rend:
        c = rend.client()
        c.say(b"set k 0 0 %d\r\n" % size).say(value(1, size)).say(b"\r\n").close()
        with rend.client() as c:
            c.ask(b"set s 0 0 1\r\nx\r\n", b"STORED\r\n")
            c.say(b"set k 0 0 %d\r\n" % size).say(value(2, size)).say(b"\r\n")
    with Rend(conf(path, "512MiB", 'segment = "4MiB";')) as rend, rend.client() as c:
        assert got(c, b"s") == b"x"
        assert got(c, b"k") in (None, value(1, size), value(2, size))


if __name__ == "__main__":
    harness.main()
