#!/usr/bin/python3
"""The disk under ssd answers nothing for a while: what clients hear, and when.  HANG_LIB is the library that makes a server's disk hang."""
import os
import tempfile
import time

import harness
from harness import Rend, wait_for

KEYS = 60
# Of a disk that hangs; where none does, nobody is to be late.
TIMEOUT_S, PATIENT_S = 1, 60
TIMED_OUT = b"SERVER_ERROR backend timeout"
DOWN = b"SERVER_ERROR backend down"
REFUSED = b"SERVER_ERROR out of memory storing object"


def conf(path, timeout=TIMEOUT_S, more=""):
    return f"""
drain_timeout = "1s";
handlers = {{ disk = {{ plugin = "ssd"; path = "{path}"; size = "24MiB"; segment = "1MiB"; flush = "5ms"; engine = "threads";
	timeout = "{int(timeout * 1000)}ms"; {more} }}; }};
policies = {{ main = {{ plugin = "l1only"; l1 = "disk"; }}; }};
listeners = ( {{ port = 0; policy = "main"; }} );
"""


class Hanging(Rend):
    """Rend on a disk that hangs from hang() to go_on()."""

    def __init__(self, *args, **kw):
        super().__init__(*args, **kw)
        self.file = os.path.join(self.folder, "hang")
        self.kw["env"] = dict(os.environ, LD_PRELOAD=os.environ["HANG_LIB"], HANG=self.file)

    def hang(self, only=""):
        """All files, or those in that folder."""
        with open(self.file, "w") as f:
            f.write(only)

    def go_on(self):
        os.unlink(self.file)


def folder():
    return os.path.join(tempfile.mkdtemp(dir=os.environ.get("TMPDIR")), "disk")


def value(key, n):
    return b"%d.%d." % (key, n) + b"v" * 3000


def put(c, key, n):
    v = value(key, n)
    return c.say(b"set key%d 0 0 %d\r\n" % (key, len(v)) + v + b"\r\n").line()


def get(c, key, n=1):
    """The error, None for a miss, or True for that value."""
    line = c.say(b"get key%d\r\n" % key).line()
    if line == b"END":
        return None
    if line.startswith(b"SERVER_ERROR"):
        return line
    assert line == b"VALUE key%d 0 %d" % (key, len(value(key, n))), line
    c.hear(value(key, n) + b"\r\nEND\r\n")
    return True


def known(c, key, n=1):
    """True or None, as get() says it, though a disk that is only slow may have to be asked again."""
    return wait_for(f"key{key}", lambda: [said for said in [get(c, key, n)] if said in (True, None)])[0]


def filled():
    """A folder with values, none of which is in RAM when it is opened."""
    path = folder()
    with Rend(conf(path, PATIENT_S)) as rend, rend.client() as c:
        for key in range(KEYS):
            assert put(c, key, 1) == b"STORED"
    return path


def timed(act):
    begin = time.monotonic()
    return act(), time.monotonic() - begin


def said(what, times):
    print(f"{what}: {len(times)}, {min(times) * 1000:.1f} to {max(times) * 1000:.1f} ms", flush=True)


def test_gets_are_answered_at_once_before_long():
    with Hanging(conf(filled())) as rend, rend.client() as c:
        assert known(c, 0) is True
        rend.hang()
        late, at_once = [], []
        while not at_once:
            answer, took = timed(lambda: get(c, 1 + len(late) % 40))
            assert answer in (TIMED_OUT, DOWN), answer
            (late if answer == TIMED_OUT else at_once).append(took)
            assert len(late) < 12, late
        assert late and min(late) >= TIMEOUT_S * 0.9, late
        for key in range(300):
            answer, took = timed(lambda: get(c, key % 50))
            assert answer == DOWN, answer
            at_once.append(took)
        said("backend timeout", late)
        said("backend down", at_once)
        # If each had waited, that were a minute.
        assert sum(at_once) < 300 * TIMEOUT_S / 6, sum(at_once)
        assert int(rend.stats("nodes")["disk.disk_down"]) == 1
        # Misses need no disk; of what is changed nothing is known, so nothing is.
        assert get(c, 9999) is None
        c.ask(b"delete key3\r\n", DOWN + b"\r\n").ask(b"touch key3 100\r\n", DOWN + b"\r\n").ask(b"append key3 0 0 1\r\nx\r\n", DOWN + b"\r\n")
        rend.go_on()
        _, took = timed(lambda: wait_for("the disk to be asked again", lambda: get(c, 1) is True))
        said("until it is well again", [took])
        for key in range(KEYS):
            assert known(c, key) is True, key
        wait_for("it to be up", lambda: int(rend.stats("nodes")["disk.disk_down"]) == 0)
        wait_for("it to be said", lambda: rend.said("fails or is late"))
        wait_for("it to be said", lambda: rend.said("is well again"))


def test_stores_are_refused_before_long_and_taken_again():
    path = filled()
    with Hanging(conf(path)) as rend, rend.client() as c:
        rend.hang()
        stored, refused = [], []
        # 17 segments of 1 MiB are in RAM.
        for key in range(17 * 1024 * 1024 // 3000 + 500):
            answer, took = timed(lambda: put(c, 100 + key, 2))
            assert answer in (b"STORED", REFUSED), answer
            (stored if answer == b"STORED" else refused).append(took)
        said("STORED", stored)
        said("out of memory storing object", refused)
        assert len(stored) > 100 and len(refused) > 100
        # What was refused is a miss, not what was there before.
        assert put(c, 5, 2) == REFUSED
        assert get(c, 5) is None
        assert get(c, 100, 2) is True
        rend.go_on()
        _, took = timed(lambda: wait_for("stores to be taken", lambda: put(c, 5, 3) == b"STORED"))
        said("until stores are taken", [took])
        assert known(c, 5, 3) is True
        assert known(c, 6) is True
    with Rend(conf(path, PATIENT_S)) as rend, rend.client() as c:
        assert rend.said("as they were left"), rend.tail()
        assert get(c, 5, 3) is True


def test_the_end_does_not_wait_for_the_disk():
    path = filled()
    with Hanging(conf(path)) as rend:
        with rend.client() as c:
            rend.hang()
            assert put(c, 1, 2) == b"STORED"
            assert get(c, 2) == TIMED_OUT
        status, took = timed(rend.end)
        said("until the end", [took])
        assert status == 0, (status, rend.tail())
        assert rend.said("could not be left as it should"), rend.tail()
        assert took < 40, took
        rend.go_on()
    with Rend(conf(path, PATIENT_S)) as rend, rend.client() as c:
        assert rend.said("rebuilt"), rend.tail()
        for key in range(2, KEYS):
            assert get(c, key) is True, key


def test_what_has_to_be_on_the_disk_is_answered_in_time():
    """sync = always: a change waits for no longer than `timeout`, and whoever waits behind it, too; what came of it is open, and nothing older is there."""
    path = filled()
    with Hanging(conf(path, more='sync = "always";')) as rend, rend.client() as c, rend.client() as other:
        wait_for("it to be stored", lambda: put(c, 1, 2) == b"STORED")
        rend.hang()
        answer, took = timed(lambda: put(c, 1, 3))
        said("a change that is not on the disk", [took])
        assert answer == TIMED_OUT and took >= TIMEOUT_S * 0.9, (answer, took)
        assert get(c, 1, 3) is True
        # In a row, and many at once.
        answer, took = timed(lambda: c.ask(b"set key1 0 0 1\r\nx\r\n" * 4, (TIMED_OUT + b"\r\n") * 4))
        said("4 changes of one key", [took])
        v = value(0, 4)
        many = b"".join(b"set key%d 0 0 %d\r\n%s\r\n" % (key, len(v), v) for key in range(500, 700))
        answer, took = timed(lambda: c.ask(many, (TIMED_OUT + b"\r\n") * 200))
        said("200 changes of keys of their own", [took])
        c.ask(b"delete key1\r\n", TIMED_OUT + b"\r\n").ask(b"flush_all\r\n", TIMED_OUT + b"\r\n")
        assert get(other, 1) is None and get(other, 2) is None
        rend.go_on()
        wait_for("changes to be answered", lambda: put(c, 1, 5) == b"STORED")
        assert known(c, 1, 5) is True and known(c, 2) is None
        wait_for("it to be stored", lambda: put(c, 2, 6) == b"STORED")
        # One that was late may have been done.
        wait_for("it to be deleted", lambda: c.say(b"delete key1\r\n").line() in (b"DELETED", b"NOT_FOUND"))
        rend.kill()
    with Rend(conf(path, PATIENT_S)) as rend, rend.client() as c:
        assert rend.said("rebuilt"), rend.tail()
        assert get(c, 1) is None and get(c, 2, 6) is True and get(c, 3) is None


def test_the_end_does_not_wait_for_what_is_not_on_the_disk():
    path = filled()
    with Hanging(conf(path, 60, 'sync = "always";')) as rend, rend.client() as c:
        rend.hang()
        c.say(b"set key1 0 0 1\r\nx\r\n")
        with rend.client() as other:
            wait_for("it to be under way", lambda: any(int(n) for name, n in other.stats("ops").items() if name.endswith(":in_flight")))
        status, took = timed(rend.end)
        said("until the end", [took])
        assert status == 0 and took < 40, (status, took, rend.tail())
        rend.go_on()


def test_a_flush_all_while_a_value_is_read():
    """What is made of a value that goes meanwhile is made of nothing, and answered so."""
    large, more = b"x" * (2 << 20), dict(fields='item_size_max = "4MiB";')
    for said, heard, then, is_now in (
            (b"ma a N60 J41 v\r\n", b"VA 2\r\n41\r\n", b"mg a v\r\n", b"VA 2\r\n41\r\n"),
            (b"incr b 1\r\n", b"NOT_FOUND\r\n", b"get b\r\n", b"END\r\n"),
            (b"append c 0 0 1\r\nx\r\n", b"NOT_STORED\r\n", b"get c\r\n", b"END\r\n"),
            (b"ms d 1 MA N60\r\nx\r\n", b"HD\r\n", b"mg d v\r\n", b"VA 1\r\nx\r\n"),
            (b"ms e %d MA N60\r\n%s\r\n" % (len(large), large), b"HD\r\n", b"mg e s\r\n", b"HD s%d\r\n" % len(large))):
        path = folder()
        with Rend(conf(path, PATIENT_S), **more) as rend, rend.client() as c:
            c.ask(b"".join(b"set %s 0 0 3\r\n100\r\n" % key for key in (b"a", b"b", b"c", b"d", b"e")), b"STORED\r\n" * 5)
        with Hanging(conf(path, PATIENT_S), **more) as rend, rend.client() as c, rend.client() as other:
            under_way = lambda: sum(int(n) for name, n in other.stats("ops").items() if name.endswith(":in_flight"))
            rend.hang()
            c.say(said)
            wait_for("the disk to be asked", lambda: under_way() == 1)
            other.ask(b"flush_all\r\n", b"OK\r\n")
            rend.go_on()
            c.hear(heard)
            c.ask(then, is_now)


if __name__ == "__main__":
    harness.main()
