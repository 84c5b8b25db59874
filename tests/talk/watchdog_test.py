#!/usr/bin/python3
"""A plugin that keeps a worker: the log says whose it is, /livez says no, the other workers go on."""
import os
import re
import select
import tempfile
import time

import harness
from harness import wait_for
from watcher import Watched, fixture, promtool


def blocking(until, where):
    return f"""
handlers = {{ slow = {{ plugin = "{fixture('blocks')}"; until = "{until}"; where = "{where}"; }};
             mem = {{ plugin = "inmem"; }}; }};
policies = {{ bad = {{ plugin = "l1only"; l1 = "slow"; }}; good = {{ plugin = "l1only"; l1 = "mem"; }}; }};
listeners = ( {{ port = 0; policy = "bad"; }}, {{ port = 0; policy = "good"; }} );
"""


class Gate:
    """A file in a folder of its own: what blocks waits until it is there."""

    def __init__(self):
        self.path = os.path.join(tempfile.mkdtemp(dir=os.environ.get("TMPDIR")), "gate")

    def open(self):
        with open(self.path, "w"):
            pass

    def shut(self):
        os.unlink(self.path)


class Asking:
    """A client that asks for the key that blocks, and hears of it in time."""

    def __init__(self, rend):
        # Of two stalls within ten seconds only the first is told: not one of the machine's.
        if rend.said(STALLED) and not rend.said(STALLED + "it is in node slow"):
            time.sleep(10)
        self.client = rend.client(0)
        self.client.say(b"get block\r\n")

    def heard(self):
        self.client.hear(b"END\r\n")
        self.client.close()


def readable(clients):
    return [c for c in clients if select.select([c.sock], [], [], 0)[0]]


def lines(rend, pattern):
    return [line for line in list(rend.lines) if re.search(pattern, line)]


def not_ready(rend):
    status, _, text = rend.ask("/readyz?verbose")
    assert status == 503, (status, text)
    return text


STALLED = r"warn worker (\d) has not turned for (\d+) ms: "


def check_named(where, whose):
    gate = Gate()
    with Watched(blocking(gate.path, where)) as rend:
        asking = Asking(rend)
        found = wait_for("the worker to be missed", lambda: rend.said(STALLED + whose))
        assert 500 <= int(found.group(2)) < 60000, found.group(0)
        gate.open()
        asking.heard()
        wait_for("the worker to be back", lambda: rend.said(rf"info worker {found.group(1)} turns again: it had not for \d+ ms"))
        wait_for("the pulse to be right", lambda: rend.status("/livez") == 200)


def test_a_handler_that_blocks_is_named():
    check_named("get", r"it is in node slow \(plugin blocks\)$")


def test_one_that_blocks_in_flush_is_named():
    check_named("flush", r"it is in node slow \(plugin blocks\)$")


def test_one_that_blocks_in_a_call_of_its_own_is_told_without_a_name():
    check_named("call", r"it is in an event or call of a plugin, or in the core$")


def test_what_a_blocked_worker_does_to_the_rest():
    gate = Gate()
    with Watched(blocking(gate.path, "get")) as rend:
        # One connection on each worker, before it blocks.
        clients = [rend.client(1) for _ in range(2)]
        for c in clients:
            c.ask(b"set k 0 0 1\r\nx\r\n", b"STORED\r\n")
        assert rend.status("/livez") == 200 and rend.status("/readyz") == 200
        asking = Asking(rend)
        found = wait_for("the worker to be missed", lambda: rend.said(STALLED + "it is in node slow"))
        blocked = found.group(1)
        # Scrapes do not need it, and half of the clients neither.  Of a machine that stalls there may be more stalls, of either worker.
        m = rend.scrape()
        promtool(m.text)
        assert m.get("rend_worker_stalls_total", worker=blocked) >= 1
        for c in clients:
            c.say(b"get k\r\n")
        answered = wait_for("one of them to be answered", lambda: readable(clients))
        assert len(answered) == 1, "both are on other workers"
        answered[0].hear(b"VALUE k 0 1\r\nx\r\nEND\r\n")
        wait_for("two seconds without a turn", lambda: rend.status("/livez") == 503)
        assert f"[-] worker {blocked} has not turned for " in rend.ask("/livez")[2]
        assert "it is in node slow" in rend.ask("/livez")[2]
        wait_for("the other one to turn", lambda: f"[+] worker {1 - int(blocked)} turns\n" in not_ready(rend))
        assert rend.scrape().get("rend_ready") == 0
        gate.open()
        asking.heard()
        wait_for("it to be alive again", lambda: rend.status("/livez") == 200 and rend.status("/readyz") == 200)
        for c in clients:
            if c is not answered[0]:
                c.hear(b"VALUE k 0 1\r\nx\r\nEND\r\n")
            c.close()
        told = [line for line in lines(rend, STALLED) if re.search(STALLED, line).group(1) == blocked]
        m = rend.scrape()
        n = m.get("rend_event_loop_lag_seconds_count", worker=blocked)
        assert m.get("rend_event_loop_lag_seconds_bucket", worker=blocked, le="1") < n
        assert m.get("rend_event_loop_lag_seconds_sum", worker=blocked) > 2
        assert 1 <= len(told) <= m.get("rend_worker_stalls_total", worker=blocked), rend.tail()


def test_stalls_that_follow_each_other_are_counted_and_not_told():
    gate = Gate()
    with Watched(blocking(gate.path, "get"), workers=1) as rend:
        begun = time.monotonic()
        for _ in range(3):
            stalls = rend.scrape().get("rend_worker_stalls_total", worker="0")
            asking = Asking(rend)
            wait_for("it to be counted", lambda: rend.scrape().get("rend_worker_stalls_total", worker="0") > stalls)
            gate.open()
            asking.heard()
            gate.shut()
        # Only the first within ten seconds; a machine that is slow may have needed more, and have stalled before.
        wait_for("one to be told", lambda: rend.said(STALLED))
        told = lines(rend, STALLED)
        assert len(told) <= 2 + (time.monotonic() - begun) // 10, told


def test_without_an_admin_port_it_watches_as_well():
    gate = Gate()
    with Watched(blocking(gate.path, "get"), admin="") as rend:
        assert not rend.said("admin port")
        asking = Asking(rend)
        wait_for("the worker to be missed", lambda: rend.said(STALLED + r"it is in node slow"))
        gate.open()
        asking.heard()


def test_a_store_that_takes_long_to_open():
    gate = Gate()
    rend = Watched(blocking(gate.path, "open"))
    rend.start()
    wait_for("the admin port", lambda: rend.said("admin port at"))
    assert rend.ask("/livez")[::2] == (200, "ok\n")
    assert rend.ask("/readyz")[::2] == (503, "[-] it is still starting\n")
    m = rend.scrape()
    promtool(m.text)
    assert m.get("rend_ready") == 0 and "rend_config_generation" not in m.text
    # Its clients wait in the kernel, and are answered when it serves.
    gate.open()
    wait_for("rend to listen", lambda: len(rend.names()) == 2)
    wait_for("it to be ready", lambda: rend.status("/readyz") == 200)
    with rend.client(1) as c:
        c.ask(b"get k\r\n", b"END\r\n")
    rend.__exit__(None, None, None)


harness.main()
