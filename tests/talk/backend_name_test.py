#!/usr/bin/python3
"""A backend that is known by name, and what the name means changes.  names.c answers for the resolver."""
import os
import threading
import time

import harness
from backends import DOWN, SOON, Bystander, beside, number, said, served
from harness import Rend, wait_for
from scripted_backend import ScriptedBackend

NAMES = os.path.join(os.environ.get("TEST_PLUGINS", ""), "names.so")

AGAIN = harness.PATIENT + 'retry_max = "200ms";'


class Named(Rend):
    """A rend for which backend.test means what was said last."""

    def __init__(self, port, means, more=""):
        super().__init__(beside(f"backend.test:{port}", AGAIN + more), workers=1)
        self.file = os.path.join(self.folder, "names")
        self.mean(means)
        # A sanitizer wants to be loaded first, and does with less here.
        asan = os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"
        self.kw["env"] = dict(os.environ, LD_PRELOAD=NAMES, NAMES=self.file, ASAN_OPTIONS=asan)

    def mean(self, what):
        with open(self.file + ".new", "w") as f:
            f.write(what)
        os.rename(self.file + ".new", self.file)


def two_backends():
    """On one port, at two addresses."""
    first = ScriptedBackend()
    first.__enter__()
    second = ScriptedBackend(host="127.0.0.2", port=first.port)
    try:
        second.__enter__()
    except OSError:
        first.__exit__()
        return two_backends()
    return first, second


def test_a_name_that_means_another_address_is_followed_and_nobody_notices():
    first, second = two_backends()
    try:
        with Named(first.port, "127.0.0.1", 'resolve_every = "100ms";') as rend, rend.client() as c, Bystander(rend):
            wait_for("the backend to be used", lambda: served(c))
            rend.mean("127.0.0.2")

            def moved():
                # Not one of them fails; what was stored just before the move is a miss behind it.
                c.ask(b"set k 0 0 1\r\nx\r\n", b"STORED\r\n")
                assert c.say(b"get k\r\n").until(b"END\r\n") in (b"VALUE k 0 1\r\nx\r\nEND\r\n", b"END\r\n")
                return "k" in second.values

            wait_for("the other to be used", moved)
            assert number(rend, "moves") == 1 and number(rend, "downs") == 0
            c.ask(b"get back\r\n", b"END\r\n")
            wait_for("the log to say so", lambda: rend.said("its name means another address now"))
            # The same again is no change.
            connected = second.connected
            rend.mean("127.0.0.2")
            up = time.monotonic()
            wait_for("it to be looked up again", lambda: served(c) and time.monotonic() - up > 1.5)
            assert second.connected == connected and number(rend, "moves") == 1
    finally:
        first.__exit__()
        second.__exit__()


def test_requests_under_way_are_waited_for_before_a_move():
    go = threading.Event()

    def hold(conn, request):
        if request.key == "held":
            go.wait(harness.PATIENCE)
        return None

    first, second = two_backends()
    first.misbehave = hold
    try:
        with Named(first.port, "127.0.0.1", 'resolve_every = "100ms";') as rend, rend.client() as c, rend.client() as d:
            wait_for("the backend to be used", lambda: served(c))
            c.say(b"get held\r\n")
            wait_for("it to be under way", lambda: number(rend, "in_flight") == 1)
            rend.mean("127.0.0.2")
            wait_for("the name to be noticed", lambda: rend.said("its name means another address now"))
            # What is asked now waits for the move.
            d.say(b"set k 0 0 1\r\nx\r\n")
            wait_for("it to wait", lambda: number(rend, "waiting") == 1)
            go.set()
            c.hear(b"END\r\n")
            d.hear(b"STORED\r\n")
            assert "k" in second.values and "k" not in first.values
    finally:
        go.set()
        first.__exit__()
        second.__exit__()


def test_a_backend_that_moved_because_it_died_is_found():
    first, second = two_backends()
    try:
        with Named(first.port, "127.0.0.1", "resolve_every = 0;") as rend, rend.client() as c:
            wait_for("the backend to be used", lambda: served(c))
            first.__exit__()
            rend.mean("127.0.0.2")
            wait_for("the other to be used", lambda: served(c))
            assert "back" in second.values
    finally:
        second.__exit__()


def test_a_name_that_nobody_knows_at_start():
    first, second = two_backends()
    try:
        with Named(first.port, "") as rend, rend.client() as c, Bystander(rend):
            c.ask(b"get k\r\n", DOWN)
            c.ask(b"set k 0 0 1\r\nx\r\n", DOWN)
            assert number(rend, "resolve_errors") >= 1
            wait_for("the log to say so", lambda: rend.said("its name cannot be looked up: Name or service not known"))
            rend.mean("127.0.0.2")
            wait_for("the backend to be used", lambda: served(c))
    finally:
        first.__exit__()
        second.__exit__()


def test_a_resolver_that_hangs_holds_up_nobody():
    first, second = two_backends()
    try:
        with Named(first.port, "127.0.0.1", 'resolve_every = "100ms";') as rend, rend.client() as c, Bystander(rend) as bystander:
            wait_for("the backend to be used", lambda: served(c))
            usual = set(os.listdir(f"/proc/{rend.child.pid}/task"))
            rend.mean("block")
            # Looking up takes a moment; a thread for it that is always there hangs.
            threads = f"/proc/{rend.child.pid}/task"
            seen = []

            def hangs():
                seen.append(set(os.listdir(threads)))
                return len(seen) > 400 and set.intersection(*seen[-400:]) - usual

            wait_for("it to hang", hangs)
            for _ in range(3):
                bystander.is_served()
                assert served(c)
            # Even when the backend is gone it is only down, and at once.
            first.__exit__()
            wait_for("it to be taken for down", lambda: said(c, b"get k\r\n") == DOWN)
            bystander.is_served()
            begun = time.monotonic()
        assert time.monotonic() - begun < SOON, "the end waited for the resolver"
    finally:
        second.__exit__()


if __name__ == "__main__":
    harness.main()
