#!/usr/bin/python3
"""The disk under mnemonic answers nothing for a while: what waits is bounded, what was answered is there, and the end does not wait for ever."""
import shutil
import signal

import harness
from mnemonic_test import FOLDERS, folder, found, put
from ssd_hang_test import Hanging

BUSY = b"SERVER_ERROR backend busy"


def conf(path):
    return f"""
drain_timeout = "200ms";
handlers = {{ disk = {{ plugin = "mnemonic"; path = "{path}"; size = "16MiB"; bins = 1; readers = 2; jobs = 2; wal = "sync"; queue = "64KiB"; timeout = "20s"; }}; }};
policies = {{ main = {{ plugin = "l1only"; l1 = "disk"; }}; }};
listeners = ( {{ port = 0; policy = "main"; }} );
"""


def test_a_queue_that_is_full():
    large = b"v" * 40000
    ask = b"set k%d 0 0 40000\r\n" + large + b"\r\n"
    path = folder()
    with Hanging(conf(path)) as rend, rend.client() as c, rend.client() as other:
        put(c, 1)
        rend.hang()
        # The first is in the writer's hands; with the second more waits than may.
        c.say(ask % 1 + ask % 2)
        harness.wait_for("them to wait", lambda: int(rend.stats("node disk")["disk.bytes_waiting"]) > 80000)
        for change in (ask % 3, b"set small 0 0 1\r\nx\r\n", b"delete key1\r\n", b"touch key2 100\r\n", b"incr key3 1\r\n"):
            assert other.say(change).line() == BUSY, change
        assert found(other) == dict.fromkeys(range(60), 1)
        assert int(rend.stats("node disk")["disk.refused_busy"]) == 5
        rend.go_on()
        c.hear(b"STORED\r\n" * 2)
        other.ask(b"get k1\r\n", b"VALUE k1 0 40000\r\n" + large + b"\r\nEND\r\n").ask(b"get k3\r\n", b"END\r\n")
        other.ask(ask % 3, b"STORED\r\n")
        assert int(rend.stats("node disk")["disk.bytes_waiting"]) == 0
    with Hanging(conf(path)) as rend, rend.client() as c:
        assert found(c) == dict.fromkeys(range(60), 1)
        for key in (1, 2, 3):
            c.ask(b"get k%d\r\n" % key, b"VALUE k%d 0 40000\r\n" % key + large + b"\r\nEND\r\n")


def test_it_ends_all_the_same():
    """And what was answered is there when the log is read."""
    path = folder()
    with Hanging(conf(path)) as rend, rend.client() as c:
        put(c, 1)
        rend.hang()
        c.say(b"set late 0 0 1\r\nx\r\n")
        harness.wait_for("it to wait", lambda: int(rend.stats("node disk")["disk.bytes_waiting"]) > 0)
        rend.send_signal(signal.SIGTERM)
        assert rend.child.wait(harness.PATIENCE) == 0, rend.tail()
        rend.reader.join(harness.PATIENCE)
        assert rend.said("could not be closed in time: the next start has to read its log"), rend.tail()
    with Hanging(conf(path)) as rend, rend.client() as c:
        assert found(c) == dict.fromkeys(range(60), 1)


if __name__ == "__main__":
    try:
        harness.main()
    finally:
        for at in FOLDERS:
            shutil.rmtree(at, ignore_errors=True)
