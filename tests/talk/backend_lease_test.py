#!/usr/bin/python3
"""Leases at a backend: an empty item left by a get that missed, and filled only while it is the very same.  lessee.c plays the policy."""
import os
import signal

import harness
from backends import number
from harness import Memcached, Rend, wait_for
from scripted_backend import ScriptedBackend

LESSEE = os.path.join(os.environ.get("TEST_PLUGINS", ""), "lessee.so")

WON, SENT, ONE_WAY = 1, 2, 4  # flags of a get, as lessee.c tells them
TOKENS = 1 << 63


def leasing(server, more=harness.PATIENT):
    return f"""
handlers = {{
    back = {{ plugin = "memcached"; servers = [ "{server}" ]; {more} }};
    lessee = {{ plugin = "{LESSEE}"; over = "back"; }};
}};
policies = {{
    main = {{ plugin = "l1only"; l1 = "lessee"; }};
    plain = {{ plugin = "l1only"; l1 = "back"; }};
}};
listeners = ( {{ port = 0; policy = "main"; }}, {{ port = 0; policy = "plain"; }} );
"""


def take(client, key=b"k"):
    """Gets what is not there: the flags and the token."""
    words = client.say(b"gets %s\r\n" % key).line().split()
    assert words[:2] == [b"VALUE", key] and words[3] == b"0", words
    client.hear(b"\r\nEND\r\n")
    return int(words[2]), int(words[4])


def fill(client, token, value=b"filled", key=b"k"):
    return client.say(b"cas %s 0 0 %d %d\r\n%s\r\n" % (key, len(value), token, value)).line()


def leased(backend_server, one_way):
    """All that can become of a lease, over this backend."""
    with Rend(leasing(backend_server), workers=1) as rend, rend.client() as c, rend.client(1) as plain:
        wait_for("the backend to be used", lambda: plain.say(b"delete k\r\n").line() in (b"DELETED", b"NOT_FOUND"))
        flags, token = take(c)
        assert flags == WON | (ONE_WAY if one_way else 0), flags
        assert (token < TOKENS) == one_way, token
        assert take(c) == (SENT | (ONE_WAY if one_way else 0), token)
        assert fill(c, token) == b"STORED"
        assert fill(c, token) == b"EXISTS"
        plain.ask(b"get k\r\n", b"VALUE k 0 6\r\nfilled\r\nEND\r\n")
        # Deleted in between.
        plain.ask(b"delete k\r\n", b"DELETED\r\n")
        _, token = take(c)
        plain.ask(b"delete k\r\n", b"DELETED\r\n")
        assert fill(c, token) == b"NOT_FOUND"
        plain.ask(b"get k\r\n", b"END\r\n")
        # Leased anew in between.
        _, old = take(c)
        plain.ask(b"delete k\r\n", b"DELETED\r\n")
        _, token = take(c)
        assert token != old
        assert fill(c, old, b"old") == b"EXISTS"
        c.ask(b"md k C%d\r\n" % old, b"EX\r\n")
        assert fill(c, token) == b"STORED"
        # Stored in between.
        plain.ask(b"delete k\r\n", b"DELETED\r\n")
        _, token = take(c)
        plain.ask(b"set k 0 0 5\r\nnewer\r\n", b"STORED\r\n")
        assert fill(c, token) == b"EXISTS"
        plain.ask(b"get k\r\n", b"VALUE k 0 5\r\nnewer\r\nEND\r\n")
        # Given back.
        plain.ask(b"delete k\r\n", b"DELETED\r\n")
        _, token = take(c)
        c.ask(b"md k C%d\r\n" % token, b"HD\r\n")
        c.ask(b"md k C%d\r\n" % token, b"NF\r\n")


def renew(backend, rend):
    """Another connection in place of this one."""
    connects = number(rend, "connects")
    backend.cut()
    wait_for("the next connection", lambda: number(rend, "connects") > connects and number(rend, "links_up") == 1)


def test_a_memcached_that_chooses_its_versions():
    with Memcached() as m:
        leased(m.server, one_way=True)


def test_another_rend_takes_ours():
    with Rend() as inner:
        leased("127.0.0.1:%d" % inner.port, one_way=False)


def test_a_backend_that_takes_ours_and_one_that_does_not():
    for sets_cas in (True, False):
        with ScriptedBackend(sets_cas=sets_cas) as b:
            leased(b.server, one_way=not sets_cas)
            probes = [r.line for r in b.requests if b" E" in r.line and not sets_cas]
            assert not probes, probes


def test_a_token_of_a_connection_that_is_gone_is_not_sent():
    with ScriptedBackend() as b, Rend(leasing(b.server), workers=1) as rend, rend.client() as c:
        wait_for("the backend to be used", lambda: c.say(b"delete k\r\n").line() == b"NOT_FOUND")
        flags, token = take(c)
        assert flags == WON | ONE_WAY
        renew(b, rend)
        assert fill(c, token) == b"NOT_STORED"
        c.ask(b"md k C%d\r\n" % token, b"NS\r\n")
        assert not [r for r in b.requests if r.verb == "ms" or b" C" in r.line], [r.line for r in b.requests]
        # It is not the token: over a connection that is there it is as good as before.
        assert take(c) == (SENT | ONE_WAY, token)
        assert fill(c, token) == b"STORED"


def test_a_token_of_our_own_outlives_its_connection():
    with ScriptedBackend(sets_cas=True) as b, Rend(leasing(b.server), workers=1) as rend, rend.client() as c:
        wait_for("the backend to be used", lambda: c.say(b"delete k\r\n").line() == b"NOT_FOUND")
        flags, token = take(c)
        assert flags == WON and token > TOKENS, (flags, token)
        renew(b, rend)
        assert fill(c, token) == b"STORED"


def test_a_memcached_that_was_started_again_gives_the_same_token_again():
    with Memcached() as m, Rend(leasing(m.server), workers=1) as rend, rend.client() as c, rend.client(1) as plain:
        wait_for("the backend to be used", lambda: plain.say(b"delete k\r\n").line() == b"NOT_FOUND")
        _, token = take(c)
        m.end(signal.SIGKILL)
        m.restart()
        # The same number now belongs to another item: this is what connections are told apart for.
        with harness.Client(m.path) as direct:
            direct.ask(b"set k 0 0 5\r\nother\r\n", b"STORED\r\n")
            words = direct.say(b"gets k\r\n").until(b"END\r\n").split(b"\r\n")[0].split()
            assert int(words[4]) == token, (words, token)
        wait_for("the backend to be used", lambda: plain.say(b"delete none\r\n").line() == b"NOT_FOUND")
        assert fill(c, token) == b"NOT_STORED"
        plain.ask(b"get k\r\n", b"VALUE k 0 5\r\nother\r\nEND\r\n")


def test_what_a_backend_can_is_learnt_again_with_each_connection():
    with ScriptedBackend(sets_cas=True) as b, Rend(leasing(b.server), workers=1) as rend, rend.client() as c:
        wait_for("the backend to be used", lambda: c.say(b"delete k\r\n").line() == b"NOT_FOUND")
        assert number(rend, "sets_versions") == 1
        c.ask(b"ms k 1 E77 c\r\nx\r\n", b"HD c77\r\n")
        for sets_cas in (False, True):
            b.sets_cas = sets_cas
            renew(b, rend)
            assert number(rend, "sets_versions") == int(sets_cas)
            c.ask(b"ms k 1 E78 c\r\nx\r\n", b"HD c78\r\n" if sets_cas else b"SERVER_ERROR not supported\r\n")
            c.ask(b"delete k\r\n", b"DELETED\r\n")
        wait_for("the log to say so", lambda: rend.said("up .*, sets versions") and rend.said("versions of its own"))


if __name__ == "__main__":
    harness.main()
