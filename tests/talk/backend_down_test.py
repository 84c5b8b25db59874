#!/usr/bin/python3
"""A backend that is not there, goes away, comes back, or does so again and again."""
import signal
import socket
import threading
import time

import harness
from backends import DOWN, QUICK, SLOW, SOON, TIMEOUT, Bystander, beside, number, said, served, stop
from harness import Memcached, Rend, behind, wait_for
from scripted_backend import SILENCE, ScriptedBackend


def test_a_backend_absent_at_start_is_down_at_once_and_served_when_it_comes():
    m = Memcached()
    try:
        with Rend(beside(m.server, SLOW), workers=1) as rend, rend.client() as c, Bystander(rend):
            begun = time.monotonic()
            c.ask(b"get k\r\n", DOWN)
            c.ask(b"set k 0 0 1\r\nx\r\n", DOWN)
            assert time.monotonic() - begun < SOON
            assert number(rend, "connect_errors") >= 1 and number(rend, "downs") == 1 and number(rend, "links_up") == 0
            m.__enter__()
            wait_for("the backend to be used", lambda: served(c))
            c.ask(b"get back\r\n", b"VALUE back 0 1\r\nx\r\nEND\r\n")
            wait_for("the log to say so", lambda: rend.said("is down"))
            wait_for("the log to say so", lambda: rend.said("backend unix:.* is up"))
    finally:
        m.__exit__()


def test_a_backend_that_is_killed_and_comes_back():
    with Memcached() as m, Rend(beside(m.server, SLOW), workers=1) as rend, rend.client() as c, Bystander(rend) as bystander:
        for _ in range(3):
            wait_for("the backend to be used", lambda: served(c))
            m.end(signal.SIGKILL)
            begun = time.monotonic()
            for _ in range(20):
                c.ask(b"get back\r\n", DOWN)
            assert time.monotonic() - begun < SOON
            bystander.is_served()
            m.restart()
            # It comes back empty: what was there is a miss, then.
            heard = []
            wait_for("an answer", lambda: heard.append(said(c, b"get back\r\n")) or heard[-1] != DOWN)
            assert heard[-1] == b"END\r\n", heard[-1]
        wait_for("the backend to be used", lambda: served(c))
        assert number(rend, "downs") == 3
        wait_for("a line for each change", lambda: len([x for x in list(rend.lines) if " is up" in x]) == 4)
        assert len([x for x in list(rend.lines) if " is down" in x]) == 3, rend.tail()


def test_a_backend_that_takes_no_connections_in_time():
    full = socket.socket()
    full.bind(("127.0.0.1", 0))
    full.listen(0)
    fillers = []
    for _ in range(4):
        s = socket.socket()
        s.setblocking(False)
        s.connect_ex(full.getsockname())
        fillers.append(s)
    try:
        with Rend(beside(f"127.0.0.1:{full.getsockname()[1]}", QUICK), workers=1) as rend, rend.client() as c, \
                Bystander(rend) as bystander:
            assert said(c, b"get k\r\n") in (TIMEOUT, DOWN)
            wait_for("it to be taken for down", lambda: said(c, b"get k\r\n") == DOWN)
            bystander.is_served()
            assert number(rend, "connect_timeouts") >= 1
            wait_for("the log to say so", lambda: rend.said("is down: Connection timed out"))
            # From now on nobody waits for it.
            begun = time.monotonic()
            for _ in range(60):
                c.ask(b"get k\r\n", DOWN)
            assert time.monotonic() - begun < SOON
    finally:
        for s in fillers:
            s.close()
        full.close()


def test_flapping_leaks_neither_connections_nor_memory():
    with ScriptedBackend() as b, Rend(beside(b.server), workers=2) as rend, rend.client() as c, Bystander(rend):
        def flap(times):
            for _ in range(times):
                c.say(b"get back\r\n" * 20 + b"set big 0 0 100000\r\n%s\r\n" % (b"q" * 100000) + b"mn0\r\n")
                b.cut()
                c.until(b"\r\nERROR\r\n")

        wait_for("the backend to be used", lambda: served(c))
        flap(50)
        fds, rss = rend.fds(), rend.rss_kb()
        flap(300)
        wait_for("the backend to be used", lambda: served(c))
        assert rend.fds() <= fds + 2, (fds, rend.fds())
        assert rend.rss_kb() < rss + 40000, (rss, rend.rss_kb())


def test_what_is_under_way_when_a_backend_is_killed():
    with Memcached() as m, Rend(beside(m.server, SLOW), workers=1) as rend, rend.client() as c, rend.client() as d, Bystander(rend) as bystander:
        assert served(c)
        stop(m)
        begun = time.monotonic()
        c.say(b"get back\r\n" * 10)
        d.say(b"set back 0 0 1\r\ny\r\n" * 10)
        wait_for("them to be under way", lambda: number(rend, "in_flight") >= 11)
        m.end(signal.SIGKILL)
        # Of one client, a write and what comes behind it on the same key wait for each other.
        c.hear(DOWN * 10)
        d.hear(DOWN * 10)
        assert time.monotonic() - begun < SOON
        bystander.is_served()
        m.restart()
        wait_for("the backend to be used", lambda: said(c, b"get back\r\n") == b"END\r\n")


def test_a_backend_that_breaks_again_and_again_is_asked_ever_more_seldom():
    times = []
    broken = threading.Event()
    broken.set()

    def breaks(conn, request):
        if request.verb == "version":
            times.append(time.monotonic())
        if request.is_probe or not broken.is_set():
            return None
        conn.reset()
        return SILENCE

    conf = behind("{}", harness.PATIENT + 'retry_min = "20ms"; retry_max = "1s";')
    with ScriptedBackend(breaks) as b, Rend(conf.replace("{}", b.server), workers=1) as rend, rend.client() as c:
        # As long as it is taken for up, requests reach it, and break it.
        wait_for("ten connections", lambda: said(c, b"get k\r\n") and len(times) >= 10)
        # After n breaks the pause is 20 ms times 1.5 to the n, half of it by chance.
        for n in range(6, 9):
            assert times[n + 1] - times[n] >= 0.01 * 1.5 ** n, (n, times)
        assert number(rend, "flaps") >= 8
        broken.clear()
        wait_for("the backend to be used", lambda: served(c))
        # When it has worked for long enough, all is forgiven.
        up = time.monotonic()
        wait_for("it to work for a while", lambda: served(c) and time.monotonic() - up > 1.1)
        flaps, connected = number(rend, "flaps"), len(times)
        b.cut()
        c.ask(b"get back\r\n", b"VALUE back 0 1\r\nx\r\nEND\r\n")
        assert number(rend, "flaps") == flaps and len(times) == connected + 1


def test_a_read_waits_for_the_connection_and_is_answered_when_it_is_made():
    held = threading.Event()

    def hold(conn, request):
        if request.is_probe:
            held.wait(harness.PATIENCE)
        return None

    with ScriptedBackend(hold) as b, Rend(behind(b.server, SLOW), workers=1) as rend, rend.client() as c:
        c.say(b"get k\r\n")
        wait_for("it to wait", lambda: number(rend, "waiting") == 1)
        held.set()
        c.hear(b"END\r\n")
        assert number(rend, "waiting") == 0


if __name__ == "__main__":
    harness.main()
