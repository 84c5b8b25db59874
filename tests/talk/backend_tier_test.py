#!/usr/bin/python3
"""Another rend as a backend, and a memcached beside it: what is told of an item, by whoever is asked, is the same."""
import struct
import time

import harness
from backends import said
from harness import Memcached, Rend, behind, wait_for

DAY = 86400
TIMES = (1, 2, 59, 3600, 30 * DAY - 1, 30 * DAY, 30 * DAY + 1, 400 * DAY, 0)  # seconds; 0: never


class Binary:
    """A client that asks GetE."""

    def __init__(self, address):
        self.client = harness.Client(address)

    def gete(self, key):
        """Flags, exptime in unix seconds (0: never), version and value; None: a miss."""
        self.client.say(struct.pack(">BBHBBHIIQ", 0x80, 0x40, len(key), 0, 0, 0, len(key), 7, 0) + key)
        while len(self.client.heard) < 24:
            self.client._more()
        head, self.client.heard = self.client.heard[:24], self.client.heard[24:]
        magic, opcode, _, _, _, status, length, opaque, cas = struct.unpack(">BBHBBHIIQ", head)
        assert (magic, opcode, opaque) == (0x81, 0x40, 7), head
        while len(self.client.heard) < length:
            self.client._more()
        body, self.client.heard = self.client.heard[:length], self.client.heard[length:]
        if status == 1:
            return None
        assert status == 0, status
        flags, exptime = struct.unpack(">II", body[:8])
        return flags, exptime, cas, body[8:]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.client.close()


def in_one_second(check):
    """Calls check(now) so that it begins and ends within one second of the clock: then times are exact."""
    for _ in range(100):
        wait_for("a second to begin", lambda: 0.02 < time.time() % 1 < 0.4)
        now = int(time.time())
        try:
            check(now)
        except AssertionError:
            if int(time.time()) == now:
                raise
        if int(time.time()) == now:
            return
    raise AssertionError("never was it done within a second")


def promptly(check):
    """Calls check() so that it takes less than a second: then nothing has become much older meanwhile."""
    for _ in range(100):
        begun = time.monotonic()
        try:
            check()
        except AssertionError:
            if time.monotonic() - begun < 1:
                raise
        if time.monotonic() - begun < 1:
            return
    raise AssertionError("never was it done within a second")


def test_flags_times_and_versions_are_the_same_behind_another_rend():
    with Rend() as inner, Rend(behind("127.0.0.1:%d" % inner.port), workers=1) as outer:
        with outer.client() as c, Binary(outer.address()) as far, Binary(inner.address()) as near:
            def the_same(seconds, flags, now):
                told = now + seconds if seconds > 30 * DAY else seconds
                c.ask(b"set k %d %d 5\r\nvalue\r\n" % (flags, told), b"STORED\r\n")
                truth, found, words = near.gete(b"k"), far.gete(b"k"), said(c, b"mg k f c t\r\n").split()
                assert truth[0] == flags and truth[3] == b"value", truth
                assert truth[1] == (now + seconds if seconds else 0), (seconds, truth, now)
                assert found == truth, (found, truth)
                left = seconds if seconds else -1
                assert words == [b"HD", b"f%d" % flags, b"c%d" % truth[2], b"t%d" % left], (words, truth)

            for seconds in TIMES:
                for flags in (0, 1, 4294967295):
                    in_one_second(lambda now, s=seconds, f=flags: the_same(s, f, now))
            # Versions that a client gives, or asks for.
            c.ask(b"ms k 1 E12345678901234567890 F9 T50 c\r\nx\r\n", b"HD c12345678901234567890\r\n")
            assert near.gete(b"k")[2] == far.gete(b"k")[2] == 12345678901234567890
            c.ask(b"ms k 1 C12345678901234567890 E7 c\r\ny\r\n", b"HD c7\r\n")
            c.ask(b"md k C6\r\nmd k C7\r\n", b"EX\r\nHD\r\n")
            assert near.gete(b"k") is None and far.gete(b"k") is None
            # An empty item, left and found.
            c.ask(b"mg k N30 E9223372036854775809 c t v\r\n", b"VA 0 c9223372036854775809 t30 W\r\n\r\n")
            c.ask(b"mg k N30 E9223372036854775810 c v\r\n", b"VA 0 c9223372036854775809 Z\r\n\r\n")
            assert near.gete(b"k")[2] == 9223372036854775809


def test_a_chain_of_three():
    with Rend() as inner, Rend(behind("127.0.0.1:%d" % inner.port), workers=1) as middle:
        with Rend(behind("127.0.0.1:%d" % middle.port), workers=1) as outer:
            with outer.client() as c, Binary(outer.address()) as far, Binary(inner.address()) as near:
                def the_same(now):
                    c.ask(b"ms k 3 E77 F5 T100\r\nabc\r\n", b"HD\r\n")
                    truth, found = near.gete(b"k"), far.gete(b"k")
                    assert truth == found == (5, now + 100, 77, b"abc"), (truth, found, now)

                in_one_second(the_same)
                now = int(time.time())
                c.ask(b"touch k 7000\r\nincr k 1\r\nappend k 0 0 1\r\nd\r\n",
                      b"TOUCHED\r\nCLIENT_ERROR cannot increment or decrement non-numeric value\r\nSTORED\r\n")
                flags, exptime, cas, value = near.gete(b"k")
                assert (flags, value) == (5, b"abcd") and now + 7000 <= exptime <= time.time() + 7001 and cas != 77
                assert far.gete(b"k")[2] == cas


def test_a_time_to_live_is_never_taken_for_a_longer_one():
    """memcached's clock and ours tick apart, and a second may pass on the way; who keeps a copy must not keep it for more than a second longer."""
    with Memcached() as m, Rend(behind(m.server), workers=1) as rend:
        with harness.Client(m.path) as direct, rend.client() as c, Binary(rend.address()) as far:
            def look(seconds):
                told = int(time.time()) + seconds if seconds > 30 * DAY else seconds
                before = time.time()
                direct.ask(b"set k 3 %d 1\r\nx\r\n" % told, b"STORED\r\n")
                item = far.gete(b"k")
                if seconds == 0:
                    assert item[1] == 0, item
                    return
                # Where it was over already there is nothing to be wrong about.
                assert item is not None or seconds <= 2
                if item is not None:
                    assert before + seconds - 2 <= item[1] <= before + seconds + 1, (seconds, item[1] - before)
                    left = int(said(c, b"mg k t\r\n").split()[1][1:]) if seconds > 2 else 1
                    assert seconds - 10 <= left <= seconds + 1, (seconds, left)

            for seconds in TIMES:
                promptly(lambda s=seconds: look(s))


if __name__ == "__main__":
    harness.main()
