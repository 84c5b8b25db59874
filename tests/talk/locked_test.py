#!/usr/bin/python3
"""`locked`, as clients see it: over a policy that counts in two steps (tests/fixtures/apart.c), no count is lost, from any listener."""
import os
import signal
import subprocess
import threading

import harness
from harness import REND, Rend, wait_for
from order_test import Late

APART = os.path.join(os.path.dirname(REND), "tests", "fixtures", "apart.so")

CLIENTS = 8
ROUNDS = 300


def conf(policies, listeners, handlers='mem = { plugin = "inmem"; };'):
    blocks = "\n".join(policies)
    ports = ", ".join(f'{{ port = 0; policy = "{policy}"; }}' for policy in listeners)
    return f"handlers = {{ {handlers} }};\npolicies = {{\n{blocks}\n}};\nlisteners = ( {ports} );\n"


def apart(name, over="mem"):
    return f'{name} = {{ plugin = "{APART}"; over = "{over}"; }};'


def locked(name, over, more=""):
    return f'{name} = {{ plugin = "locked"; over = "{over}"; {more} }};'


def count(rend, key=b"n"):
    """Many clients count at once, by turns at each listener; returns what came of it, and the numbers they were told."""
    told, failures = [], []

    def run(which):
        try:
            with rend.client(which % rend.listeners) as c:
                for _ in range(ROUNDS):
                    c.say(b"incr " + key + b" 1\r\n")
                    told.append(int(c.line()))
        except (AssertionError, OSError, ValueError) as e:
            failures.append(e)

    with rend.client() as c:
        c.ask(b"set " + key + b" 0 0 1\r\n0\r\n", b"STORED\r\n")
        threads = [threading.Thread(target=run, args=(i,)) for i in range(CLIENTS)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        assert not failures, failures[0]
        c.say(b"get " + key + b"\r\n")
        c.line()
        total = int(c.line())
        c.hear(b"END\r\n")
    return total, told


def loses(policies, listeners):
    with Rend(conf(policies, listeners), workers=1) as rend:
        total, told = count(rend)
        assert len(told) == CLIENTS * ROUNDS
        return CLIENTS * ROUNDS - total


def keeps(policies, listeners, workers):
    with Rend(conf(policies, listeners), workers=workers) as rend:
        total, told = count(rend)
        assert total == CLIENTS * ROUNDS, f"{CLIENTS * ROUNDS - total} of {CLIENTS * ROUNDS} counts were lost"
        assert sorted(told) == list(range(1, CLIENTS * ROUNDS + 1)), "two clients were told the same number"


# ---- what it is for ----

def test_without_it_counts_are_lost():
    """On one worker, where it needs no luck: so the tests behind this one can find what they are for."""
    assert loses([apart("main")], ["main"]) > CLIENTS * ROUNDS / 10


def test_with_it_none_is_lost_on_one_worker():
    keeps([apart("two_steps"), locked("main", "two_steps")], ["main"], 1)


def test_with_it_none_is_lost_on_four_workers():
    keeps([apart("two_steps"), locked("main", "two_steps")], ["main"], 4)


def test_with_one_stripe_and_single_readers():
    keeps([apart("two_steps"), locked("main", "two_steps", 'stripes = 1; readers = "single";')], ["main"], 4)


def test_two_listeners_share_the_locks_of_their_l1():
    for workers in (1, 4):
        keeps([apart("one"), apart("two"), locked("main", "one"), locked("batch", "two", 'readers = "single";')], ["main", "batch"], workers)


def test_one_listener_without_it_spoils_it():
    assert loses([apart("one"), apart("two"), locked("main", "one")], ["main", "two"]) > CLIENTS * ROUNDS / 10


def test_over_l1only_gets_and_sets_of_all_kinds():
    policies = ['plain = { plugin = "l1only"; l1 = "mem"; };', locked("main", "plain")]
    with Rend(conf(policies, ["main"])) as rend, rend.client() as c:
        c.ask(b"set k 5 0 3\r\nabc\r\nadd k 0 0 1\r\nx\r\nget k nothing k\r\n",
              b"STORED\r\nNOT_STORED\r\nVALUE k 5 3\r\nabc\r\nVALUE k 5 3\r\nabc\r\nEND\r\n")
        c.ask(b"append k 0 0 1\r\nd\r\nprepend k 0 0 1\r\n>\r\ngat 0 k\r\n", b"STORED\r\nSTORED\r\nVALUE k 5 5\r\n>abcd\r\nEND\r\n")
        c.ask(b"mg k v f t s\r\n", b"VA 5 f5 t-1 s5\r\n>abcd\r\n")
        c.ask(b"set n 0 0 2\r\n41\r\nincr n 1\r\ndecr n 2\r\ntouch n 100\r\n", b"STORED\r\n42\r\n40\r\nTOUCHED\r\n")
        c.say(b"mg n v t\r\n")
        assert c.line() in (b"VA 2 t100", b"VA 2 t99")
        c.hear(b"40\r\n")
        c.say(b"gets n\r\n")
        cas = c.line().split()[-1]
        c.hear(b"40\r\nEND\r\n")
        c.ask(b"cas n 0 0 1 " + cas + b"\r\n7\r\ncas n 0 0 1 " + cas + b"\r\n8\r\n", b"STORED\r\nEXISTS\r\n")
        c.ask(b"mg new N30 v\r\n", b"VA 0 W\r\n\r\n")
        c.ask(b"delete k\r\ndelete k\r\nflush_all\r\nget n\r\n", b"DELETED\r\nNOT_FOUND\r\nOK\r\nEND\r\n")


def test_flush_all_among_counts():
    """flush_all waits for counts under way and holds those behind it: none that began before it is written behind it."""
    with Rend(conf([apart("two_steps"), locked("main", "two_steps")], ["main"]), workers=4) as rend:
        end = threading.Event()
        failures = []

        def run():
            try:
                with rend.client() as c:
                    while not end.is_set():
                        c.say(b"incr n 1\r\n")
                        c.line()
            except (AssertionError, OSError) as e:
                failures.append(e)

        threads = [threading.Thread(target=run) for _ in range(CLIENTS)]
        for t in threads:
            t.start()
        try:
            with rend.client() as c:
                for _ in range(100):
                    c.ask(b"set n 0 0 1\r\n0\r\n", b"STORED\r\n")
                    c.ask(b"flush_all\r\nget n\r\n", b"OK\r\nEND\r\n")
        finally:
            end.set()
            for t in threads:
                t.join()
        assert not failures, failures[0]


# ---- time ----

class Silent(Late):
    """A backend that reads everything, and says nothing until it is told to."""

    def conf(self, more="", request_timeout="60s"):
        server = self.backend.server
        return conf(['plain = { plugin = "l1only"; l1 = "back"; };', locked("main", "plain", more)], ["main"],
                    f'back = {{ plugin = "memcached"; servers = [ "{server}" ]; request_timeout = "{request_timeout}"; max_silence = "60s"; }};')


AT_ONCE = 'drain_timeout = "100ms";'


def up(rend):
    wait_for("the backend to be up", lambda: rend.stats("nodes").get("back.links_up", "0") != "0")


def test_a_key_is_free_again_when_its_holder_has_timed_out():
    with Silent() as back, Rend(back.conf(request_timeout="1s"), fields=AT_ONCE, workers=1) as rend, rend.client() as a, rend.client() as b:
        up(rend)
        a.say(b"set k 0 0 1\r\nx\r\n")
        wait_for("the first to be asked", lambda: back.asked() == [("ms", "k")])
        b.say(b"get k\r\n")
        assert a.line().startswith(b"SERVER_ERROR"), "no error"
        # Its turn has come: what it is answered with is the late answer to the first, and then its own.
        wait_for("the second to be asked", lambda: back.asked() == [("ms", "k"), ("mg", "k")])
        back.release()
        b.hear(b"VALUE k 0 1\r\nx\r\nEND\r\n")


def test_who_waits_too_long_is_told_and_is_never_carried_out():
    policies = ['plain = { plugin = "l1only"; l1 = "back"; };', locked("main", "plain"), locked("hasty", "plain", 'request_timeout = "1s";')]
    with Silent() as back:
        handlers = f'back = {{ plugin = "memcached"; servers = [ "{back.backend.server}" ]; request_timeout = "60s"; }};'
        with Rend(conf(policies, ["main", "hasty"], handlers), fields=AT_ONCE, workers=4) as rend, rend.client() as holder:
            up(rend)
            holder.say(b"set k 0 0 1\r\nx\r\n")
            wait_for("the first to be asked", lambda: back.asked() == [("ms", "k")])
            clients = [rend.client(1) for _ in range(40)]
            for n, c in enumerate(clients):
                c.say(b"flush_all\r\n" if n == 20 else b"set k 0 0 1\r\nz\r\n" if n % 2 else b"get k\r\n")
            for c in clients:
                assert c.line().startswith(b"SERVER_ERROR"), "no error"
            wait_for("the line to be left", lambda: rend.stats("nodes")["main.waiting"] == "0")
            back.release()
            holder.hear(b"STORED\r\n")
            clients[1].ask(b"get k\r\n", b"VALUE k 0 1\r\nx\r\nEND\r\n")
            assert back.asked() == [("ms", "k"), ("mg", "k")], back.asked()
            for c in clients:
                c.close()


def test_it_ends_although_some_wait():
    """SIGTERM while one holds a key at a silent backend and others, of all workers, wait for it."""
    with Silent() as back, Rend(back.conf(), fields=AT_ONCE, workers=4) as rend:
        up(rend)
        clients = [rend.client() for _ in range(40)]
        for c in clients:
            c.say(b"set k 0 0 1\r\nx\r\n")
        with rend.client() as flush:
            wait_for("them to wait", lambda: rend.stats("nodes")["main.waiting"] == "39")
            flush.say(b"flush_all\r\n")
            wait_for("the flush to wait, too", lambda: rend.stats("nodes")["main.waiting"] == "40")
            rend.send_signal(signal.SIGTERM)
            status = rend.child.wait(harness.PATIENCE)
        assert status == 0, f"rend ended with {status}: {rend.tail()}"
        assert not rend.said("did not"), rend.tail()
        for c in clients:
            c.close()
        # A worker that has not given up yet may go on with one; the rest is carried out by nobody.
        assert len(back.asked()) <= 4, back.asked()


def test_three_hundred_wait_for_one_key():
    with Rend(conf([apart("two_steps"), locked("main", "two_steps")], ["main"]), workers=4) as rend:
        clients = [rend.client() for _ in range(300)]
        clients[0].ask(b"set n 0 0 1\r\n0\r\n", b"STORED\r\n")
        for c in clients:
            c.say(b"incr n 1\r\nincr n 1\r\nincr n 1\r\nincr n 1\r\n")
        told = [int(c.line()) for c in clients for _ in range(4)]
        assert sorted(told) == list(range(1, 1201))
        for c in clients:
            c.close()
        assert int(rend.stats("nodes")["main.waited"]) > 0


def test_too_many_are_told_so():
    with Silent() as back, Rend(back.conf("queue = 3;"), fields=AT_ONCE, workers=1) as rend:
        up(rend)
        clients = [rend.client() for _ in range(5)]
        for n, c in enumerate(clients[:4]):
            c.say(b"set k 0 0 1\r\nx\r\n")
            wait_for("it to wait", lambda: rend.stats("nodes")["main.waiting"] == str(n))
        clients[4].say(b"set k 0 0 1\r\nx\r\n")
        assert clients[4].line().startswith(b"SERVER_ERROR"), "no error"
        assert rend.stats("nodes")["main.turned_away"] == "1"
        for c in clients:
            c.close()


# ---- rend.conf ----



def refused(policies, *said):
    rend = Rend(conf(policies, ["main"]))
    try:
        done = subprocess.run([REND, "-t", "-c", rend.conf_file], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=harness.PATIENCE)
    finally:
        rend.remove()
    assert done.returncode == 78, f"exit {done.returncode}: {done.stderr}"
    for sentence in said:
        assert sentence in done.stderr, done.stderr


def test_one_above_the_other_over_one_l1_is_refused():
    refused([locked("inner", "mem"), locked("main", "inner")],
            "policies.main: policies.inner, below it, locks the same L1, mem")
    refused([locked("inner", "mem"), apart("between", "inner"), 'plain = { plugin = "l1only"; l1 = "between"; };', locked("main", "plain")],
            "policies.main: policies.inner, below it, locks the same L1, mem")


def test_other_stripes_over_one_l1_are_refused():
    refused([locked("batch", "mem", "stripes = 512;"), locked("main", "mem")], "512", "1024", "over mem: they share one lock set")


def test_over_other_l1s_they_are_others():
    handlers = 'mem = { plugin = "inmem"; }; other = { plugin = "inmem"; };'
    with Rend(conf([locked("one", "mem", "stripes = 8;"), locked("two", "other", "stripes = 16;")], ["one", "two"], handlers)) as rend:
        for which in (0, 1):
            with rend.client(which) as c:
                c.ask(b"add k 0 0 1\r\nx\r\n", b"STORED\r\n")


if __name__ == "__main__":
    harness.main()
