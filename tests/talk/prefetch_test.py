#!/usr/bin/python3
"""A handler is told which ops are to come: all of those that arrived together, in their order, through every policy.  hints.c counts."""
import os
import struct

import harness
from harness import Rend

HINTS = os.path.join(os.environ.get("TEST_PLUGINS", ""), "hints.so")

POLICIES = {
    "l1only": '{ plugin = "l1only"; l1 = "hints"; }',
    "l1l2": '{ plugin = "l1l2"; l1 = "hints"; l2 = "mem"; }',
    "l1l2batch": '{ plugin = "l1l2batch"; l1 = "hints"; l2 = "mem"; }',
}


def conf(policy):
    inner = POLICIES.get(policy, POLICIES["l1l2"])
    main = '{ plugin = "locked"; over = "inner"; }' if policy == "locked" else '{ plugin = "l1only"; l1 = "mem"; }'
    return f"""
handlers = {{ hints = {{ plugin = "{HINTS}"; }}; mem = {{ plugin = "inmem"; }}; }};
policies = {{ inner = {inner}; main = {main}; }};
listeners = ( {{ port = 0; policy = "{'main' if policy == 'locked' else 'inner'}"; }} );
"""


class Counts:
    """What was counted since the last look."""

    def __init__(self, rend):
        self.rend = rend
        self.seen = self._all()

    def _all(self):
        nodes = self.rend.stats("nodes")
        return {name: int(nodes["hints." + name]) for name in ("hinted", "batches", "expected", "unannounced")}

    def __call__(self):
        before, self.seen = self.seen, self._all()
        return {name: self.seen[name] - before[name] for name in before}


def learned(c):
    """A connection whose answers are known to be small."""
    for _ in range(8):
        c.ask(b"get warm\r\n", b"END\r\n")
    return c


def check(policy):
    with Rend(conf(policy), workers=1) as rend, rend.client() as c:
        learned(c)
        counts = Counts(rend)
        # One alone is not announced.
        c.ask(b"get a\r\n", b"END\r\n")
        got = counts()
        assert got["hinted"] == 0 and got["unannounced"] > 0, got
        # Commands that came together.
        c.ask(b"".join(b"get k%d\r\n" % i for i in range(16)), b"END\r\n" * 16)
        got = counts()
        assert got["hinted"] == 16 and got["expected"] == 16 and got["batches"] == 1, got
        # Keys of one line, at most 16 at a time.
        c.ask(b"get " + b" ".join(b"m%d" % i for i in range(40)) + b"\r\n", b"END\r\n")
        got = counts()
        assert got["hinted"] == 40 and got["expected"] == 40 and got["batches"] == 3, got
        # What is answered in its place comes between two batches, and a value that is there belongs to its batch.
        c.ask(b"get a\r\nget b\r\nversion\r\nset c 0 0 1\r\nx\r\nget d\r\nmg e s\r\nincr f 1\r\n",
              b"END\r\nEND\r\n" + version_of(rend) + b"STORED\r\nEND\r\nEN\r\n" + (b"0\r\n" if policy == "l1only" else b"NOT_FOUND\r\n"))
        got = counts()
        assert got["hinted"] == 6 and got["batches"] == 2, got
        # The others' words.
        c.ask(b"mg a\r\nmg b\r\n", b"EN\r\nEN\r\n")
        with rend.client() as b:
            miss = struct.pack(">BBHBBHIIQ", 0x81, 0, 0, 0, 0, 1, 9, 0, 0) + b"Not found"
            get = lambda key: struct.pack(">BBHBBHIIQ", 0x80, 0, len(key), 0, 0, 0, len(key), 0, 0) + key
            for _ in range(8):
                b.ask(get(b"x"), miss)
            counts()
            b.ask(b"".join(get(b"k%d" % i) for i in range(5)), miss * 5)
            got = counts()
        assert got["hinted"] == 5 and got["expected"] == 5 and got["batches"] == 1, got


def version_of(rend):
    with rend.client() as c:
        return c.say(b"version\r\n").line() + b"\r\n"


def test_through_l1only():
    check("l1only")


def test_through_l1l2():
    check("l1l2")


def test_through_l1l2batch():
    check("l1l2batch")


def test_through_locked():
    check("locked")


def test_large_answers_are_not_put_off():
    """A client is owed no more because its commands are looked at together: who gets large values gets them one by one."""
    large = b"x" * 500_000
    two, misses = b"get a\r\nget b\r\n", b"END\r\n" * 2
    with Rend(conf("l1l2"), workers=1) as rend, rend.client() as c:
        c.ask(b"set large 0 0 %d\r\n%s\r\n" % (len(large), large), b"STORED\r\n")
        counts = Counts(rend)
        with rend.client() as unknown:  # how large its answers are is not known yet
            unknown.ask(two, misses)
        assert counts()["hinted"] == 0
        learned(c)
        counts()
        c.ask(two, misses)
        assert counts()["hinted"] == 2
        for _ in range(8):
            c.ask(b"get large\r\n", b"VALUE large 0 %d\r\n%s\r\nEND\r\n" % (len(large), large))
        counts()
        c.ask(two, misses)
        assert counts()["hinted"] == 0
        learned(c)
        learned(c)
        counts()
        c.ask(two, misses)
        assert counts()["hinted"] == 2  # and small ones again


if __name__ == "__main__":
    harness.main()
