#!/usr/bin/python3
"""mnemonic as a store whose files are merged: one that is full says so and shows nothing that was replaced, and exptimes are what they were."""
import shutil

import harness
from harness import Rend, wait_for
from mnemonic_test import FOLDERS, conf, folder, found, put

LEVEL = 'bins = 1; compaction = "level"; write_buffer = "64KiB"; compression = "none"; cache = "1MiB";'
REFUSED = b"SERVER_ERROR out of memory storing object"


def number(rend, name):
    return int(rend.stats("node disk")["disk." + name])


def fill(rend, c):
    """Until nothing more is stored."""
    for n in range(100000):
        c.say(b"set fill%d 0 0 1000\r\n%s\r\n" % (n, b"f" * 1000))
        line = c.line()
        if line == REFUSED:
            return n
        assert line == b"STORED", line
    raise AssertionError(rend.tail())


def test_a_store_that_is_full():
    path = folder()
    with Rend(conf(path, LEVEL, size="2MiB", bins="")) as rend, rend.client() as c:
        put(c, 1)
        c.ask(b"set n 0 0 1\r\n1\r\n", b"STORED\r\n")
        assert fill(rend, c) > 1000 and number(rend, "refused_full") == 1
    # It is full by far, whatever is merged meanwhile.
    gone = {4: None, 59: None, 5: None}
    with Rend(conf(path, LEVEL, size="1MiB", bins="")) as rend, rend.client() as c:
        # What is refused leaves what is there, but for a set, which takes away what it was to replace.
        for change in (b"add new 0 0 1\r\nx\r\n", b"replace key1 0 0 1\r\nx\r\n", b"append key2 0 0 1\r\nx\r\n", b"prepend key3 0 0 1\r\nx\r\n",
                       b"set key4 0 0 1\r\nx\r\n", b"set key59 0 0 1\r\nx\r\n"):
            assert c.say(change).line() == REFUSED, change
        c.ask(b"delete key5\r\n", b"DELETED\r\n").ask(b"incr n 1\r\n", b"2\r\n").ask(b"touch key6 1000\r\n", b"TOUCHED\r\n").ask(b"get new\r\n", b"END\r\n")
        assert found(c) == {key: gone.get(key, 1) for key in range(60)}
        assert number(rend, "refused_full") == 6
    # With more size it is not full any more.  (How much there is is looked up twice a second: what came in between may be several times the size.)
    with Rend(conf(path, LEVEL, size="1GiB", bins="")) as rend, rend.client() as c:
        assert found(c) == {key: gone.get(key, 1) for key in range(60)}
        put(c, 2)
        assert found(c) == dict.fromkeys(range(60), 2)


def test_a_full_store_has_room_again_after_flush_all():
    """What was flushed makes room, whoever writes; what was stored since is there."""
    for compaction in ("level", "universal"):
        path = folder()
        with Rend(conf(path, LEVEL.replace('"level"', f'"{compaction}"').replace("bins = 1", "bins = 2"), size="1MiB", bins="")) as rend, rend.client() as c:
            put(c, 1)
            fill(rend, c)
            c.ask(b"flush_all\r\n", b"OK\r\n")

            def stored(key, v):
                """Refused while files are merged, and not for ever."""
                wait_for("room", lambda: c.say(b"set %s 0 0 %d\r\n%s\r\n" % (key, len(v), v)).line() == b"STORED")

            stored(b"early", b"x")
            # Half of what there is room for: without the room of what was flushed it would not go in.
            for n in range(500):
                stored(b"more%d" % n, b"m" * 1000)
            for n in range(500):
                c.ask(b"get more%d\r\n" % n, b"VALUE more%d 0 1000\r\n%s\r\nEND\r\n" % (n, b"m" * 1000))
            c.ask(b"get early\r\n", b"VALUE early 0 1\r\nx\r\nEND\r\n").ask(b"get fill0\r\n", b"END\r\n").ask(b"get key1\r\n", b"END\r\n")


def test_exptimes_through_merges():
    """What has expired goes when files are merged; of the others each keeps its own."""
    path = folder()
    v = b"v" * 1000
    with Rend(conf(path, LEVEL, size="64MiB", bins="")) as rend, rend.client() as c:
        for key in range(200):
            c.ask(b"set k%03db %d 5000 1000\r\n%s\r\nset k%03dc 0 0 1000\r\n%s\r\n" % (key, key, v, key, v), b"STORED\r\n" * 2)
            c.ask(b"".join(b"set k%03da%d 0 1 100\r\n%s\r\n" % (key, i, v[:100]) for i in range(20)), b"STORED\r\n" * 20)
        wait_for("some to expire", lambda: c.say(b"mg k199a19\r\n").line() == b"EN")
    # What is written over and over again is merged with what lies beside it.  What there is is counted when it is opened.
    counted = []
    while not counted or counted[-1] >= 2500:
        assert len(counted) < 100, counted
        with Rend(conf(path, LEVEL, size="64MiB", bins="")) as rend, rend.client() as c:
            counted.append(number(rend, "curr_items") if counted else 5000)
            for key in range(200):
                c.ask(b"".join(b"set k%03dd%d 0 0 1000\r\n%s\r\n" % (key, i, v) for i in range(5)), b"STORED\r\n" * 5)
    with Rend(conf(path, LEVEL, size="64MiB", bins="")) as rend, rend.client() as c:
        for key in range(200):
            c.ask(b"mg k%03da7\r\n" % key, b"EN\r\n").say(b"mg k%03db f t\r\n" % key)
            words = c.line().split()
            assert words[:2] == [b"HD", b"f%d" % key] and 4000 < int(words[2][1:]) <= 5000, (key, words)
            c.ask(b"mg k%03dc t\r\n" % key, b"HD t-1\r\n")


if __name__ == "__main__":
    try:
        harness.main()
    finally:
        for at in FOLDERS:
            shutil.rmtree(at, ignore_errors=True)
