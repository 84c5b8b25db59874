#!/usr/bin/python3
"""A backend that says what cannot be."""
import threading

import harness
from backends import DOWN, Bystander, beside, misbehave_once, number, said, served
from harness import Rend, behind, wait_for
from scripted_backend import SILENCE, ScriptedBackend


GARBAGE = {
    "noise": b"\x80\x01\x02\xff" * 8,
    "html": b"HTTP/1.1 400 Bad Request\r\n\r\n",
    "a wrong opaque": lambda c, r: b"VA 5 f0 O%d\r\nhello\r\n" % (int(r.opaque) + 1),
    "no opaque": b"VA 5 f0\r\nhello\r\n",
    "a length over all limits": lambda c, r: b"VA 4294967295 f0 O%s\r\nhello\r\n" % r.opaque,
    "a length near 2^31": lambda c, r: b"VA 2147483647 f0 O%s\r\nhello\r\n" % r.opaque,
    "a length of 2^31": lambda c, r: b"VA 2147483648 f0 O%s\r\nhello\r\n" % r.opaque,
    "a length near 2^32": lambda c, r: b"VA 4294967293 f0 O%s\r\nhello\r\n" % r.opaque,
    "a length of 2^64": lambda c, r: b"VA 18446744073709551616 f0 O%s\r\nhello\r\n" % r.opaque,
    "a length of 0 and a value": lambda c, r: b"VA 0 f0 O%s\r\nhello\r\n" % r.opaque,
    "no length": lambda c, r: b"VA f0 O%s\r\nhello\r\n" % r.opaque,
    "more bytes than its length": lambda c, r: b"VA 5 f0 O%s\r\nhello\r\nworld" % r.opaque,
    "a negative length": lambda c, r: b"VA -1 f0 O%s\r\nhello\r\n" % r.opaque,
    "flags that are none": lambda c, r: b"VA 5 f99999999999 O%s\r\nhello\r\n" % r.opaque,
    "a value without an end": lambda c, r: b"VA 5 f0 O%s\r\nhello world\r\n" % r.opaque,
    "an answer to another verb": b"STORED\r\n",
    "two answers": lambda c, r: b"EN O%s\r\nEN O%s\r\n" % (r.opaque, r.opaque),
    "an endless line": b"x" * 100000,
}


# What came behind a good answer spoils only what would have come next.
GOOD_BEFORE = {"two answers": b"END\r\n", "more bytes than its length": b"VALUE bad 0 5\r\n"}


def test_garbage_closes_the_connection_and_the_next_is_served():
    for name, answer in GARBAGE.items():
        with ScriptedBackend(misbehave_once(answer)) as b, Rend(beside(b.server), workers=1) as rend, rend.client() as c:
            with Bystander(rend):
                heard = said(c, b"get bad\r\n")
                assert heard == GOOD_BEFORE.get(name, DOWN), (name, heard)
                if heard.startswith(b"VALUE"):
                    c.hear(b"hello\r\nEND\r\n")
                wait_for("the backend to be used", lambda: served(c))
            wait_for("the log to show it", lambda: rend.said("sent what cannot be an answer"))
            assert number(rend, "garbage") == 1, name
            assert b.connected == 2, (name, b.connected)


def test_a_claimed_length_takes_no_memory():
    def claim(conn, request):
        return b"VA 1000000000 f0 O%s\r\nhello" % request.opaque if request.verb == "mg" and not request.is_probe else None

    with ScriptedBackend(claim) as b, Rend(beside(b.server, 'request_timeout = "1s"; retry_max = "1s"; links = 16;'), workers=1) as rend:
        with rend.client() as c:
            before = rend.status_kb("VmSize"), rend.rss_kb()
            c.say(b"".join(b"get k%d\r\n" % i for i in range(200)))
            for _ in range(200):
                assert c.line() in (b"SERVER_ERROR backend timeout", b"SERVER_ERROR backend down")
            assert rend.status_kb("VmSize") < before[0] + 200000, "address space was taken for a claim"
            assert rend.rss_kb() < before[1] + 50000


def test_half_an_answer_and_a_reset():
    def half(conn, request):
        conn.send(b"VA 100000 f0 O%s\r\n%s" % (request.opaque, b"x" * 5000))
        conn.reset()
        return SILENCE

    with ScriptedBackend(misbehave_once(half)) as b, Rend(beside(b.server), workers=1) as rend, rend.client() as c:
        with Bystander(rend):
            # The read is asked again when the connection was an old one; never is a part of a value passed on.
            assert said(c, b"get bad\r\n") in (DOWN, b"END\r\n")
            wait_for("the backend to be used", lambda: served(c))
            c.ask(b"get bad\r\n", b"END\r\n")


def test_half_an_answer_and_an_end_fail_all_that_was_asked_in_order():
    """What one client gets is whole, and its own, or an error."""
    asked = threading.Event()

    def half(conn, request):
        if request.key != "bad":
            return None
        asked.wait(harness.PATIENCE)
        conn.send(b"VA 5000 f0 O%s\r\n%s" % (request.opaque, b"x" * 4999))
        conn.close()
        return SILENCE

    with ScriptedBackend(half) as b, Rend(beside(b.server), workers=1) as rend, rend.client() as c, Bystander(rend):
        assert served(c)
        clients = [rend.client() for _ in range(20)]
        c.say(b"get bad\r\n")
        wait_for("it to be under way", lambda: number(rend, "in_flight") == 1)
        for i, one in enumerate(clients):
            one.say(b"set k%d 0 0 1\r\n%d\r\n" % (i, i % 10) if i % 2 else b"get back\r\n")
        wait_for("them to be under way", lambda: number(rend, "in_flight") == 21)
        sets = len([r for r in b.requests if r.verb == "ms"])
        asked.set()
        # Reads may be asked again; the half answer is asked again once, and is half again.
        c.hear(DOWN)
        for i, one in enumerate(clients):
            heard = one.line() + b"\r\n"
            if i % 2:
                assert heard == DOWN, (i, heard)
            elif heard != DOWN:
                assert heard == b"VALUE back 0 1\r\n", (i, heard)
                one.hear(b"x\r\nEND\r\n")
            one.close()
        assert len([r for r in b.requests if r.verb == "ms"]) == sets, "a write was sent twice"
        assert number(rend, "lost") >= 21


CLASSIC_GARBAGE = {
    "another key": b"VALUE other 0 5\r\nhello\r\nEND\r\n",
    "a key with more behind it": b"VALUE bader 0 5\r\nhello\r\nEND\r\n",
    "no END": b"VALUE bad 0 5\r\nhello\r\nVALUE bad 0 5\r\n",
    "no END, and another answer": b"VALUE bad 0 5\r\nhello\r\nSTORED\r\n",
    "a length of 2^31": b"VALUE bad 0 2147483648\r\nhello\r\n",
    "a length near 2^32": b"VALUE bad 0 4294967293\r\nhello\r\n",
    "a negative length": b"VALUE bad 0 -1\r\nhello\r\n",
    "a length of 0 and a value": b"VALUE bad 0 0\r\nhello\r\nEND\r\n",
    "a value that is too long": b"VALUE bad 0 5\r\nhello world\r\nEND\r\n",
    "flags that are none": b"VALUE bad 99999999999 5\r\nhello\r\nEND\r\n",
    "a meta answer": b"EN\r\n",
}


def test_a_classic_backend_that_lies():
    for name, answer in CLASSIC_GARBAGE.items():
        with ScriptedBackend(misbehave_once(answer), meta=False) as b, Rend(behind(b.server), workers=1) as rend:
            with rend.client() as c:
                assert said(c, b"get bad\r\n") == DOWN, name
                wait_for("the backend to be used", lambda: served(c))
                assert number(rend, "garbage") == 1, name


if __name__ == "__main__":
    harness.main()
