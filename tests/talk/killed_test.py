#!/usr/bin/python3
"""Either process of a takeover is killed before and after each letter that it sends: who serves then, and what clients saw.  Prints the table of
docs/upgrade.md."""
import contextlib
import os
import signal
import subprocess

import harness
from harness import INMEM, Client, wait_for
from upgrades import ALL, CONN, GO, HELLO, PREPARED, READY, SERVING, SOCKETS, TAKEN, WELCOME, YOURS, Upgraded

IDLE, HALF = 12, 8
NAMES = {HELLO: "HELLO", READY: "READY", TAKEN: "TAKEN", PREPARED: "PREPARED", SERVING: "SERVING", WELCOME: "WELCOME", SOCKETS: "SOCKETS",
         YOURS: "YOURS", CONN: "the first CONN", ALL: "ALL", GO: "GO"}


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


def one(victim, when, letter):
    """(who serves, how many clients go on, whether new ones are taken in)"""
    rend = Upgraded(INMEM)
    with deadly(when, letter) if victim == "old" else contextlib.nullcontext():
        rend.__enter__()
    clients = Clients(rend)
    with deadly(when, letter) if victim == "new" else contextlib.nullcontext():
        new = subprocess.Popen([harness.REND, "-c", rend.conf_file, "--takeover", rend.control], stderr=subprocess.PIPE)
    try:
        killed, other = (rend.first, new) if victim == "old" else (new, rend.first)
        assert killed.wait(harness.PATIENCE) == -signal.SIGKILL, (victim, when, letter, killed.returncode, rend.tail())
        wait_for("the other one to know", lambda: other.poll() is not None or knows(rend, other, victim))
        serves = "nobody" if other.poll() is not None else "the new one" if victim == "old" else "the old one"
        return serves, clients.that_go_on(), connects(rend.address())
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
    if letter in (WELCOME, SOCKETS) or (when, letter) == ("before", YOURS):
        return ("nobody", 0, False)
    if letter == YOURS or (when, letter) == ("before", CONN):
        return ("the new one", 0, True)
    if letter == CONN:
        # Each worker passes its own ones: the other may have sent one, too, before the process was dead.
        return ("the new one", got[1] if 1 <= got[1] <= WORKERS else 1, True)
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


if __name__ == "__main__":
    harness.main()
