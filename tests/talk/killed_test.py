#!/usr/bin/python3
"""Either process of a takeover is killed before and after each letter that it sends: who serves then, and what clients saw.  Prints the table of
docs/upgrade.md."""
import contextlib
import os
import signal
import subprocess

import harness
from harness import INMEM, LONG, Client, wait_for
from ssd_test import folder
from upgrades import ALL, CONN, GO, HELLO, PARCEL, PREPARED, READY, SERVING, SOCKETS, TAKEN, WELCOME, YOURS, Upgraded

IDLE, HALF = 12, 8
NAMES = {HELLO: "HELLO", READY: "READY", TAKEN: "TAKEN", PREPARED: "PREPARED", SERVING: "SERVING", WELCOME: "WELCOME", SOCKETS: "SOCKETS",
         PARCEL: "PARCEL", YOURS: "YOURS", CONN: "the first CONN", ALL: "ALL", GO: "GO"}


@contextlib.contextmanager
def deadly(when, letter):
    os.environ["LD_PRELOAD"], os.environ["REND_DIE"] = os.environ["DIE_LIB"], f"{when}:{letter}"
    try:
        yield
    finally:
        del os.environ["LD_PRELOAD"], os.environ["REND_DIE"]


class Clients:
    """Some that are idle, some with half a value."""

    def __init__(self, rend):
        self.idle, self.half = [rend.client() for _ in range(IDLE)], [rend.client() for _ in range(HALF)]
        for c in self.idle:
            c.ask(b"mn\r\n", b"MN\r\n")
        for c in self.half:
            c.say(b"set k 0 0 10\r\n01234")
        # What was said has been read, or would go along in the kernel alone.
        wait_for("it to be read", lambda: int(rend.stats()["bytes_read"]) > HALF * 19 + IDLE * 4)

    def that_go_on(self):
        return sum(goes_on(c, b"mn\r\n", b"MN\r\n") for c in self.idle) + sum(goes_on(c, b"56789\r\n", b"STORED\r\n") for c in self.half)

    def close(self):
        for c in self.idle + self.half:
            c.close()


def goes_on(client, question, answer):
    try:
        client.ask(question, answer)
        return True
    except (AssertionError, OSError) as e:
        # Cut off, which is not the same as answered wrongly.
        assert client.heard == b"" and not isinstance(e, TimeoutError), (client.heard, repr(e))
        return False


def connects(address):
    try:
        with Client(address) as c:
            c.ask(b"mn\r\n", b"MN\r\n")
            return True
    except (AssertionError, OSError):
        return False


def one(victim, when, letter, conf=INMEM, before=None, after=None):
    """(who serves, how many clients go on, whether new ones are taken in); before(rend) while all is well, after(rend, who serves)."""
    rend = Upgraded(conf)
    with deadly(when, letter) if victim == "old" else contextlib.nullcontext():
        rend.__enter__()
    if before is not None:
        before(rend)
    clients = Clients(rend)
    with deadly(when, letter) if victim == "new" else contextlib.nullcontext():
        new = subprocess.Popen([harness.REND, "-c", rend.conf_file, "--takeover", rend.control], stderr=subprocess.PIPE)
    try:
        killed, other = (rend.first, new) if victim == "old" else (new, rend.first)
        assert killed.wait(harness.PATIENCE) == -signal.SIGKILL, (victim, when, letter, killed.returncode, rend.tail())
        wait_for("the other one to know", lambda: other.poll() is not None or knows(rend, other, victim))
        serves = "nobody" if other.poll() is not None else "the new one" if victim == "old" else "the old one"
        found = serves, clients.that_go_on(), connects(rend.address())
        if after is not None:
            after(rend, serves)
        return found
    finally:
        clients.close()
        for process in (rend.first, new):
            if process.poll() is None:
                process.terminate()
            process.wait(harness.PATIENCE)
        new.stderr.close()
        rend.killed = True
        rend.pid = rend.first.pid
        rend.__exit__(None, None, None)


def knows(rend, other, victim):
    """Of the old one the log says so, or it ends; the new one answers as the one that serves."""
    if victim == "new":
        return rend.said("not upgraded: this process serves on")
    code, out, _ = rend.ctl("status")
    return code == 0 and f"pid {other.pid}\n" in out


ALL_OF = IDLE + HALF
WORKERS = 2


def expected(victim, when, letter, got):
    if victim == "new":
        # From there on it is a process that dies like any other.
        return ("nobody", 0, False) if (when, letter) == ("after", SERVING) else ("the old one", ALL_OF, True)
    if letter in (WELCOME, SOCKETS, PARCEL) or (when, letter) == ("before", YOURS):
        return ("nobody", 0, False)
    if letter == YOURS or (when, letter) == ("before", CONN):
        return ("the new one", 0, True)
    if letter == CONN:
        # Each worker passes its own ones in one letter: the other may have sent its own, too, before the process was dead.
        return ("the new one", got[1] if got[1] in (ALL_OF // WORKERS, ALL_OF) else ALL_OF // WORKERS, True)
    return ("the new one", ALL_OF, True)


def test_who_serves_when_one_is_killed():
    rows, wrong = [], []
    for victim, letters in (("new", (HELLO, READY, TAKEN, PREPARED, SERVING)), ("old", (WELCOME, SOCKETS, YOURS, CONN, ALL, GO))):
        for letter in letters:
            for when in ("before", "after"):
                got = one(victim, when, letter)
                want = expected(victim, when, letter, got)
                rows.append((victim, when, letter, got))
                if got != want:
                    wrong.append((victim, when, NAMES[letter], got, want))
    print(f"     {'killed':60} | serves then | of {ALL_OF} clients go on | new ones are")
    for victim, when, letter, (serves, count, new) in rows:
        step = ("is about to send " if when == "before" else "has sent ") + NAMES[letter]
        print(f"     {'the ' + victim + ' one, when it ' + step:60} | {serves:11} | {count:22} | {'taken in' if new else 'refused'}", flush=True)
    assert not wrong, wrong


# ---- with stores ----

KEYS = 40
# (victim, when, letter): the moments at which a store is in another hand than before; and all of them.
MOMENTS = [("new", "before", TAKEN), ("new", "after", PREPARED), ("old", "after", PARCEL), ("old", "before", YOURS), ("old", "after", YOURS),
           ("old", "after", GO)]
ALL_MOMENTS = [(victim, when, letter) for victim, letters in (("new", (HELLO, READY, TAKEN, PREPARED, SERVING)),
                                                              ("old", (WELCOME, SOCKETS, PARCEL, YOURS, CONN, ALL, GO)))
               for letter in letters for when in ("before", "after")]


def stores(path):
    return f"""
handlers = {{
    mem = {{ plugin = "inmem"; memory = "16MiB"; hand_over = true; }};
    disk = {{ plugin = "ssd"; path = "{path}"; size = "24MiB"; segment = "1MiB"; sync = "always"; timeout = "20s"; }};
}};
policies = {{ memory = {{ plugin = "l1only"; l1 = "mem"; }}; files = {{ plugin = "l1only"; l1 = "disk"; }}; }};
listeners = ( {{ port = 0; policy = "memory"; }}, {{ port = 0; policy = "files"; }} );
"""


def value_of(i):
    return b"%d." % i * (1 + i * 7 % 900)


def fill(rend):
    for which in (0, 1):
        with rend.client(which) as c:
            for i in range(KEYS):
                v = value_of(i)
                c.ask(b"set k%d %d 0 %d\r\n%s\r\n" % (i, i, len(v), v), b"STORED\r\n")


def found(rend, which):
    """How many are there; none is another than it was."""
    count = 0
    with rend.client(which) as c:
        for i in range(KEYS):
            c.say(b"get k%d\r\n" % i)
            line = c.line()
            if line == b"END":
                continue
            v = value_of(i)
            assert line == b"VALUE k%d %d %d" % (i, i, len(v)), (i, line)
            c.hear(v + b"\r\nEND\r\n")
            count += 1
        # It is a store, not a memory of one.
        c.ask(b"set more 0 0 1\r\nm\r\n", b"STORED\r\n")
        c.ask(b"get more\r\n", b"VALUE more 0 1\r\nm\r\nEND\r\n")
    return count


def test_what_is_stored_outlives_either():
    """Whoever serves has all that was stored; if nobody does, the next one that starts has nothing wrong, and on the disk what had been written."""
    for moment in ALL_MOMENTS if LONG else MOMENTS if not harness.sanitized() else MOMENTS[1::2]:
        path = folder()

        def check(rend, serves, moment=moment):
            if serves != "nobody":
                # A store that has been let go of is open again before anybody is answered.
                assert (found(rend, 0), found(rend, 1)) == (KEYS, KEYS), (moment, serves)

        got = one(*moment, conf=stores(path), before=fill, after=check)
        assert got == expected(*moment, got), (moment, got)
        if got[0] == "nobody":
            with Upgraded(stores(path)) as rend:
                memory, disk = found(rend, 0), found(rend, 1)
                assert memory == 0 and disk == KEYS, (moment, memory, disk)


if __name__ == "__main__":
    harness.main()
