#!/usr/bin/python3
"""The time of day is set, forward and back, while items wait for their end; and the machine sleeps.  JUMP_LIB is the library that moves a
server's clocks."""
import mmap
import os
import struct
import time

import harness
from harness import INMEM, Memcached, Rend, behind, wait_for

DAY = 86400
MONTH = 30 * DAY


class Jumping(Rend):
    def __enter__(self):
        path = os.path.join(self.folder, "jump")
        with open(path, "wb") as f:
            f.write(bytes(24))
        with open(path, "r+b") as f:
            self.by = mmap.mmap(f.fileno(), 24)
        self.kw["env"] = dict(os.environ, LD_PRELOAD=os.environ["JUMP_LIB"], JUMP=path)
        return super().__enter__()

    def jump(self, day=0, sleep=0):
        """From now on the time of day differs by so much, and so long has it slept."""
        self.by[:16] = struct.pack("2q", day + sleep, sleep)

    def moved(self):
        """How often it has looked at a clock that can be moved."""
        return struct.unpack("q", self.by[16:])[0]


def left(c, key):
    """Seconds, -1: for ever; None: it is gone."""
    words = c.say(b"mg %s t\r\n" % key).line().split()
    return int(words[1][1:]) if words[0] == b"HD" else None


def about(got, expected):
    assert got is not None and expected - 5 <= got <= expected, (got, expected)


def fill(c):
    c.ask(b"set soon 0 100 1\r\nx\r\nset month 0 %d 1\r\nx\r\nset ever 0 0 1\r\nx\r\n" % MONTH, b"STORED\r\n" * 3)
    # A date, and not a time from now.
    c.ask(b"set date 0 %d 1\r\nx\r\n" % (time.time() + 40 * DAY), b"STORED\r\n")


def check(c):
    about(left(c, b"soon"), 100)
    about(left(c, b"month"), MONTH)
    about(left(c, b"date"), 40 * DAY + 1)
    assert left(c, b"ever") == -1


def test_the_clocks_can_be_moved():
    with Jumping() as rend, rend.client() as c:
        before = rend.moved()
        c.ask(b"get k\r\n", b"END\r\n")
        assert rend.moved() > before
        rend.jump(sleep=1000)
        assert int(c.stats()["time"]) > time.time() + 900


def jumps_change_nothing(rend):
    with rend.client() as c:
        fill(c)
        for day in (DAY, -DAY, 400 * DAY, -400 * DAY, 1, -1):
            rend.jump(day)
            check(c)
            # What is stored now lives as long as it is told, too.
            fill(c)
            check(c)
            c.ask(b"touch soon 100\r\ngat 100 soon\r\n", b"TOUCHED\r\nVALUE soon 0 1\r\nx\r\nEND\r\n")
            # And a client that says nothing is not taken for one that has said nothing for a day.
            assert int(c.stats()["idle_kicks"]) == 0 and int(c.stats()["stall_kicks"]) == 0


def test_items_in_memory_live_as_long_as_they_were_told():
    with Jumping(fields='idle_timeout = "1h";') as rend:
        idle, half = rend.client(), rend.client()
        idle.ask(b"get k\r\n", b"END\r\n")
        half.say(b"set h 0 0 1\r\n")
        jumps_change_nothing(rend)
        idle.ask(b"get k\r\n", b"END\r\n")
        half.ask(b"x\r\n", b"STORED\r\n")
        idle.close()
        half.close()


def test_items_at_a_backend_live_as_long_as_they_were_told():
    with Memcached() as memcached, Jumping(behind(memcached.server)) as rend:
        wait_for("the backend to be up", lambda: rend.stats("nodes").get("back.links_up", "0") != "0")
        jumps_change_nothing(rend)


def test_what_expires_while_the_machine_sleeps_is_gone():
    with Jumping(INMEM) as rend, rend.client() as c:
        fill(c)
        rend.jump(sleep=99 - 10)
        about(left(c, b"soon"), 11)
        rend.jump(sleep=101)
        assert left(c, b"soon") is None
        about(left(c, b"month"), MONTH - 101)
        c.ask(b"get soon\r\nget ever\r\n", b"END\r\nVALUE ever 0 1\r\nx\r\nEND\r\n")


if __name__ == "__main__":
    harness.main()
