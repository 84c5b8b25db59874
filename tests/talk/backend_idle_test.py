#!/usr/bin/python3
"""A backend that closes connections on which nothing goes on, or just does not like one any more."""
import time

import harness
from backends import DOWN, TcpMemcached, number, said, served
from harness import Rend, behind, wait_for
from scripted_backend import SILENCE, ScriptedBackend


def test_a_read_is_asked_again_when_an_old_connection_breaks_and_a_write_is_not():
    state = {"cut": 0}

    def cut(conn, request):
        if request.key != "bad" or state["cut"] == 0:
            return None
        state["cut"] -= 1
        conn.reset()
        return SILENCE

    with ScriptedBackend(cut) as b, Rend(behind(b.server), workers=1) as rend, rend.client() as c:
        for _ in range(3):
            # Only a connection that lasted for a while is one that an idle backend may have closed.
            up = time.monotonic()
            wait_for("it to be used", lambda: served(c) and time.monotonic() - up > 0.3)
            state["cut"] = 1
            c.ask(b"get bad\r\n", b"END\r\n")
            assert state["cut"] == 0
        up = time.monotonic()
        wait_for("it to be used", lambda: served(c) and time.monotonic() - up > 0.3)
        state["cut"] = 1
        c.ask(b"set bad 0 0 1\r\nx\r\n", DOWN)
        assert state["cut"] == 0
        sets = [r for r in b.requests if r.verb == "ms" and r.key == "bad"]
        assert len(sets) == 1, len(sets)
        wait_for("it to be used", lambda: served(c))


def test_an_idle_connection_that_the_backend_closes_costs_nothing():
    with ScriptedBackend() as b, Rend(behind(b.server), workers=1) as rend, rend.client() as c:
        for i in range(5):
            up = time.monotonic()
            wait_for("it to be used", lambda: served(c) and time.monotonic() - up > 0.15)
            b.cut()
            c.ask(b"set k 0 0 1\r\n%d\r\n" % i, b"STORED\r\n")
            c.ask(b"get k\r\n", b"VALUE k 0 1\r\n%d\r\nEND\r\n" % i)
        assert b.connected >= 6, b.connected
        assert not rend.said("is down"), rend.tail()


def test_a_real_backend_with_an_idle_timeout():
    with TcpMemcached("-o", "idle_timeout=1") as m, Rend(behind(m.server), workers=1) as rend, rend.client() as c:
        assert served(c)
        wait_for("it to close the connection", lambda: number(rend, "disconnects") > 0)
        assert served(c)
        assert not rend.said("is down"), rend.tail()


if __name__ == "__main__":
    harness.main()
