#!/usr/bin/python3
"""A backend that answers late, not at all, or does not even read."""
import signal
import socket
import threading
import time

import harness
from backends import BUSY, DOWN, QUICK, SLOW, SOON, TIMEOUT, Bystander, beside, heard, number, said, served, stop
from harness import Memcached, Rend, behind, wait_for
from scripted_backend import SILENCE, ScriptedBackend


def test_a_backend_that_is_stopped_and_goes_on():
    with Memcached() as m, Rend(beside(m.server, QUICK), workers=1) as rend, rend.client() as c, Bystander(rend) as bystander:
        wait_for("the backend to be used", lambda: served(c))
        stop(m)
        first = said(c, b"get back\r\n")
        assert first == TIMEOUT, first
        wait_for("it to be taken for down", lambda: said(c, b"get back\r\n") == DOWN)
        bystander.is_served()
        m.send_signal(signal.SIGCONT)
        wait_for("the backend to be used", lambda: served(c))
        wait_for("the value", lambda: heard(c, b"get back\r\n") == b"VALUE back 0 1\r\nx\r\nEND\r\n")
        # Silence ended the connection, and the next one was not answered on either.
        assert number(rend, "timeouts") >= 1 and number(rend, "silences") >= 1 and number(rend, "probe_errors") >= 1


def test_the_end_waits_for_a_stopped_backend_no_longer_than_for_its_clients():
    with Memcached() as m:
        # If it waited for more than the client's seconds, then for an hour.
        with Rend(behind(m.server, 'request_timeout = "3s"; max_silence = "1h";'), fields='drain_timeout = "1h";', workers=1) as rend, rend.client() as c:
            assert served(c)
            stop(m)
            c.say(b"get back\r\n")
            wait_for("the request to be under way", lambda: rend.stats("nodes")["back.in_flight"] == "1")
            assert rend.end() == 0, rend.tail()


def test_a_stop_shorter_than_the_limit_is_only_a_wait():
    with Memcached() as m, Rend(beside(m.server, SLOW), workers=1) as rend, rend.client() as c, Bystander(rend) as bystander:
        assert served(c)
        stop(m)
        c.say(b"get back\r\n" * 100)
        bystander.is_served()
        c.sock.settimeout(0.3)
        try:
            assert False, c.sock.recv(1)
        except socket.timeout:
            pass
        c.sock.settimeout(harness.PATIENCE)
        m.send_signal(signal.SIGCONT)
        c.hear(b"VALUE back 0 1\r\nx\r\nEND\r\n" * 100)
        assert number(rend, "disconnects") == 0


def test_an_answer_behind_a_silence_is_nobodys():
    """Nothing came for request_timeout: the connection is closed, and what comes over it then reaches no one."""
    release = threading.Event()

    def late(conn, request):
        if request.key == "bad":
            release.wait(harness.PATIENCE)
            return b"VA 4 f0 O%s\r\nlate\r\n" % request.opaque
        return None

    with ScriptedBackend(late) as b, Rend(beside(b.server, QUICK), workers=1) as rend, rend.client() as c, rend.client() as d:
        assert served(c)
        with Bystander(rend):
            c.ask(b"get bad\r\n", TIMEOUT)
            # Over another connection, while the first answer is still owed.
            wait_for("the next connection", lambda: b.connected == 2 and number(rend, "links_up") == 1)
            d.ask(b"get back\r\n", b"VALUE back 0 1\r\nx\r\nEND\r\n")
            release.set()
            c.ask(b"get back\r\n", b"VALUE back 0 1\r\nx\r\nEND\r\n")
            d.ask(b"get back\r\n", b"VALUE back 0 1\r\nx\r\nEND\r\n")
        assert number(rend, "silences") == 1 and number(rend, "disconnects") == 1 and number(rend, "downs") == 0


def test_an_answer_that_comes_too_late_while_others_come_is_nobodys_and_the_connection_stays():
    release = threading.Event()

    def drip(conn, request):
        """As many bytes as one likes to wait for: the connection is never silent."""
        if request.key != "bad":
            return None
        left = 4000
        conn.send(b"VA %d f0 O%s\r\n" % (left, request.opaque))
        while left > 0 and not release.wait(0.02):
            conn.send(b"d")
            left -= 1
        return b"d" * left + b"\r\n"

    with ScriptedBackend(drip) as b, Rend(beside(b.server, QUICK), workers=1) as rend, rend.client() as c, rend.client() as d:
        assert served(c)
        with Bystander(rend):
            c.ask(b"get bad\r\n", TIMEOUT)
            d.say(b"get back\r\n")
            wait_for("the next request to be under way", lambda: number(rend, "in_flight") == 2)
            release.set()
            # The late value was for somebody who has gone; this one gets its own.
            d.hear(b"VALUE back 0 1\r\nx\r\nEND\r\n")
            c.ask(b"get back\r\n", b"VALUE back 0 1\r\nx\r\nEND\r\n")
        assert (number(rend, "disconnects"), number(rend, "get.TIMEOUT")) == (0, 1), rend.stats("nodes")


def test_a_value_that_does_not_end_keeps_nobody_waiting_for_ever():
    def drip(conn, request):
        if request.key != "bad":
            return None
        conn.send(b"VA 1000000 f0 O%s\r\n" % request.opaque)
        while True:  # until the connection is closed
            conn.send(b"d")
            time.sleep(0.02)

    quick = 'request_timeout = "200ms"; connect_timeout = "20s"; retry_max = "200ms";'
    with ScriptedBackend(drip) as b, Rend(beside(b.server, quick), workers=1) as rend, rend.client() as c:
        wait_for("a value", lambda: served(c))
        before = number(rend, "downs")
        c.ask(b"get bad\r\n", TIMEOUT)
        # Should it be taken for silent, on a machine that is slow, and be made again, it drips again.
        wait_for("it to be taken for down", lambda: said(c, b"get bad\r\n") and number(rend, "downs") > before)
        wait_for("another connection", lambda: heard(c, b"get back\r\n") == b"VALUE back 0 1\r\nx\r\nEND\r\n")


def test_a_silence_that_may_last_keeps_what_is_late_in_line():
    go = threading.Event()

    def hold(conn, request):
        if request.key == "bad":
            go.wait(harness.PATIENCE)
        return None

    with ScriptedBackend(hold) as b, Rend(beside(b.server, QUICK + 'max_silence = "1h";'), workers=1) as rend:
        with rend.client() as c, rend.client() as d:
            assert served(c)
            c.ask(b"set bad 0 0 3\r\nold\r\n", TIMEOUT)
            d.say(b"set bad 0 0 3\r\nnew\r\n")
            wait_for("both to be under way", lambda: number(rend, "in_flight") == 2)
            go.set()
            d.hear(b"STORED\r\n")
            # In the order in which they were sent, although nobody waited for the first.
            c.ask(b"get bad\r\n", b"VALUE bad 0 3\r\nnew\r\nEND\r\n")
            assert (number(rend, "disconnects"), number(rend, "set.TIMEOUT")) == (0, 1), rend.stats("nodes")


def test_a_silence_may_be_shorter_than_a_request():
    def mute(conn, request):
        return SILENCE if request.key == "bad" else None

    with ScriptedBackend(mute) as b, Rend(beside(b.server, SLOW + 'max_silence = "1s";'), workers=1) as rend, rend.client() as c:
        assert served(c)
        silences = number(rend, "silences")
        begun = time.monotonic()
        c.ask(b"set bad 0 0 1\r\nx\r\n", DOWN)
        assert time.monotonic() - begun < SOON
        assert number(rend, "silences") == silences + 1
        wait_for("the backend to be used", lambda: served(c))


def test_a_backend_that_takes_connections_and_says_nothing():
    quiet = threading.Event()
    quiet.set()

    def say_nothing(conn, request):
        return SILENCE if quiet.is_set() else None

    with ScriptedBackend(say_nothing) as b, Rend(beside(b.server, QUICK), workers=1) as rend, rend.client() as c, Bystander(rend) as bystander:
        assert said(c, b"get k\r\n") in (TIMEOUT, DOWN)
        wait_for("it to be taken for down", lambda: said(c, b"get k\r\n") == DOWN)
        begun = time.monotonic()
        for _ in range(60):
            c.ask(b"set k 0 0 1\r\nx\r\n", DOWN)
        assert time.monotonic() - begun < SOON
        bystander.is_served()
        assert number(rend, "probe_errors") >= 1 and number(rend, "downs") == 1
        wait_for("the log to say so", lambda: rend.said("takes connections, but does not answer"))
        quiet.clear()
        wait_for("the backend to be used", lambda: served(c))


def test_a_backend_that_answers_only_what_it_is_asked_first():
    """Three timeouts in a row and it is down, however well it greets; when one answer has come in time, it is as good as any."""
    quiet, shut = threading.Event(), threading.Event()
    quiet.set()

    def greet(conn, request):
        return SILENCE if (shut if request.is_probe else quiet).is_set() else None

    conf = 'request_timeout = "1s"; connect_timeout = "1h"; retry_min = "400ms"; retry_max = "400ms"; max_timeouts = 3;'
    with ScriptedBackend(greet) as b, Rend(beside(b.server, conf), workers=1) as rend, rend.client() as c, Bystander(rend):
        for silences in range(3):
            wait_for("it to be up", lambda: number(rend, "silences") == silences and number(rend, "links_up") == 1)
            if silences == 2:
                # It stays down until it has been looked at.
                shut.set()
            c.ask(b"set k 0 0 1\r\nx\r\n", TIMEOUT)
        wait_for("it to be taken for down", lambda: number(rend, "downs") == 1)
        assert number(rend, "timeouts") == 3 and number(rend, "silences") == 3
        c.ask(b"get k\r\n", DOWN)
        shut.clear()
        # Tried again: one more timeout is enough.
        wait_for("it to be tried again", lambda: number(rend, "links_up") == 1)
        c.ask(b"get k\r\n", TIMEOUT)
        wait_for("it to be taken for down", lambda: number(rend, "downs") == 2)
        # Tried again, and it answers: three more are needed.
        wait_for("it to be tried again", lambda: number(rend, "links_up") == 1)
        quiet.clear()
        wait_for("an answer in time", lambda: served(c))
        silences, downs = number(rend, "silences"), number(rend, "downs")
        quiet.set()
        c.ask(b"get k\r\n", TIMEOUT)
        wait_for("the next connection", lambda: number(rend, "silences") == silences + 1 and number(rend, "links_up") == 1)
        assert number(rend, "downs") == downs


def test_more_than_the_queue_holds_is_busy_at_once():
    go = threading.Event()

    def hold(conn, request):
        if not request.is_probe:
            go.wait(harness.PATIENCE)
        return None

    with ScriptedBackend(hold) as b, Rend(beside(b.server, SLOW + "queue = 5;"), workers=1) as rend:
        with rend.client() as c, rend.client() as d, Bystander(rend) as bystander:
            c.say(b"".join(b"get k%d\r\n" % i for i in range(5)))
            wait_for("the queue to be full", lambda: number(rend, "in_flight") == 5)
            begun = time.monotonic()
            for _ in range(20):
                d.ask(b"get k\r\n", BUSY)
                d.ask(b"set k 0 0 1\r\nx\r\n", BUSY)
            assert time.monotonic() - begun < SOON
            bystander.is_served()
            assert number(rend, "refused") == 40
            go.set()
            c.hear(b"END\r\n" * 5)
            assert served(d)


def test_more_bytes_than_may_wait_are_busy_at_once():
    stuck = threading.Event()

    def stop_reading(conn, request):
        if request.key == "bad":
            stuck.wait(harness.PATIENCE)
        return None

    with ScriptedBackend(stop_reading) as b, Rend(beside(b.server, SLOW + 'queue_bytes = "1MiB";'), workers=1) as rend:
        with rend.client() as c, Bystander(rend) as bystander, rend.client() as d:
            assert served(c)
            before = rend.rss_kb()
            d.say(b"get bad\r\n")
            clients = [rend.client() for _ in range(60)]
            body = b"z" * 500000
            for i, one in enumerate(clients):
                one.say(b"set k%d 0 0 500000\r\n%s\r\n" % (i, body))
            wait_for("it to be busy", lambda: number(rend, "busy") >= 40)
            bystander.is_served()
            assert harness.sanitized() or rend.rss_kb() < before + 30000
            stuck.set()
            heard = [one.line() + b"\r\n" for one in clients]
            assert set(heard) == {BUSY, b"STORED\r\n"}, set(heard)
            assert heard.count(BUSY) == number(rend, "busy")
            for one in clients:
                one.close()
            assert served(c)


def test_a_value_that_is_large_by_itself_stands_in_nobodys_way():
    stuck = threading.Event()

    def stop_reading(conn, request):
        if request.key == "bad":
            stuck.wait(harness.PATIENCE)
        return None

    with ScriptedBackend(stop_reading) as b, Rend(beside(b.server, SLOW + 'queue_bytes = "64KiB";'), workers=1) as rend:
        with rend.client() as c, rend.client() as d, rend.client() as e:
            assert served(c)
            c.say(b"get bad\r\n")
            body = b"z" * 1000000
            d.say(b"set k 0 0 1000000\r\n%s\r\n" % body)
            wait_for("both to be under way", lambda: number(rend, "in_flight") == 2)
            e.say(b"get back\r\nset s 0 0 5\r\nsmall\r\n")
            wait_for("them to be under way", lambda: number(rend, "in_flight") == 4)
            stuck.set()
            c.hear(b"END\r\n")
            d.hear(b"STORED\r\n")
            e.hear(b"VALUE back 0 1\r\nx\r\nEND\r\nSTORED\r\n")
            assert number(rend, "busy") == 0


def test_a_backend_that_never_reads_is_given_up_and_its_queue_is_bounded():
    stuck = threading.Event()

    def stop_reading(conn, request):
        if request.key == "bad":
            stuck.wait(harness.PATIENCE)
        return None

    with ScriptedBackend(stop_reading) as b, Rend(beside(b.server, 'request_timeout = "1s"; retry_max = "1s"; queue = 20;'), workers=1) as rend:
        with rend.client() as c, Bystander(rend) as bystander:
            assert served(c)
            c.say(b"get bad\r\n")
            body = b"z" * 500000
            heard = set()
            c.say(b"".join(b"set k%d 0 0 500000\r\n%s\r\n" % (i, body) for i in range(40)))
            for _ in range(41):
                heard.add(c.line() + b"\r\n")
            assert heard <= {TIMEOUT, DOWN, BUSY, b"STORED\r\n"} and TIMEOUT in heard, heard
            bystander.is_served()
            stuck.set()
            wait_for("the backend to be used", lambda: served(c))


if __name__ == "__main__":
    harness.main()
