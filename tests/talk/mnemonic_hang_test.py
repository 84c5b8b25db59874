#!/usr/bin/python3
"""The disk under mnemonic answers nothing for a while: what waits is bounded, what was answered is there, and the end does not wait for ever."""
import os
import resource
import shutil
import signal

import harness
from mnemonic_test import FOLDERS, folder, found, limit, put
from reloads import Reloaded
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


def bins_of(c, path, keys):
    """Which bin each key is in: that whose log grew when it was written."""
    def lengths():
        logs = [os.path.join(path, "bin.%03d" % nth) for nth in range(2)]
        return [sum(e.stat().st_size for e in os.scandir(log) if e.name.endswith(".log")) for log in logs]

    bins = ([], [])
    for key in keys:
        before = lengths()
        c.ask(b"set k%d 0 0 1\r\nx\r\n" % key, b"STORED\r\n")
        grew = [is_ > was for was, is_ in zip(before, lengths())]
        assert sum(grew) == 1, grew
        bins[grew.index(True)].append(key)
    return bins


def test_a_bin_that_is_not_written_stops_no_other():
    """However much waits for it: locks of keys are a bin's own."""
    path = folder()
    with Hanging(conf(path).replace("bins = 1", "bins = 2").replace('"64KiB"', '"16MiB"')) as rend, rend.client() as c, rend.client() as other:
        _, well = bins_of(c, path, range(120))
        assert len(well) > 20, well
        rend.hang(os.path.join(path, "bin.000"))
        # Half of them wait.  If all had the same few thousand locks, not all of the others would be free.
        many = [rend.client() for _ in range(36)]
        for nth, each in enumerate(many):
            each.say(b"".join(b"set more%d.%d 0 0 1 noreply\r\nx\r\n" % (nth, n) for n in range(80)))
        harness.wait_for("them to wait", lambda: int(rend.stats("nodes")["disk.in_flight"]) > 1200)
        for key in well:
            other.ask(b"set k%d 0 0 1\r\ny\r\nappend k%d 0 0 1\r\nz\r\n" % (key, key), b"STORED\r\n" * 2)
        assert int(rend.stats("nodes")["disk.in_flight"]) > 1200
        rend.go_on()
        harness.wait_for("them to be written", lambda: int(rend.stats("nodes")["disk.in_flight"]) == 0)
        for each in many:
            each.close()


def test_reads_that_are_not_answered():
    """As many as there are readers wait in vain, and all reads behind them; nobody else does."""
    path, body = folder(), b"v" * 3000
    settled = conf(path).replace('wal = "sync"', 'wal = "off"; cache = "1MiB"').replace('timeout = "20s"', 'timeout = "2s"').replace('"16MiB"', '"64MiB"')
    keys = range(1000)
    with Hanging(settled) as rend, rend.client() as c:
        for key in keys:
            c.ask(b"set k%d 0 0 %d\r\n%s\r\n" % (key, len(body), body), b"STORED\r\n")
    with Hanging(settled) as rend, rend.client() as c, rend.client() as other:
        right = b"".join(b"VALUE k%d 0 %d\r\n%s\r\nEND\r\n" % (key, len(body), body) for key in (7, 300, 600, 900))
        ask = b"".join(b"get k%d\r\n" % key for key in (7, 300, 600, 900))
        rend.hang()
        c.say(ask)
        harness.wait_for("them to wait", lambda: int(rend.stats("nodes")["disk.in_flight"]) == 4)
        # A set needs no file with wal = off, and no reader.
        other.ask(b"set new 0 0 1\r\nx\r\nmn\r\n", b"STORED\r\nMN\r\n")
        c.hear(b"SERVER_ERROR backend timeout\r\n" * 4)
        rend.go_on()
        harness.wait_for("the disk to answer", lambda: c.say(b"get k7\r\n").line().startswith(b"VALUE") and c.line() and c.line() == b"END")
        c.ask(ask, right)
        other.ask(b"get new\r\n", b"VALUE new 0 1\r\nx\r\nEND\r\n")


class HangingReloaded(Hanging, Reloaded):
    """One whose rend.conf is written anew, too."""


def keeper_waits_for_the_disk(rend):
    """It sleeps in what hangs, and not for its work, in a futex."""
    tasks = f"/proc/{rend.child.pid}/task"
    for task in os.listdir(tasks):
        with open(f"{tasks}/{task}/comm") as f:
            if f.read().strip() != "mnemonic-keep":
                continue
        with open(f"{tasks}/{task}/syscall") as f:
            return f.read().split()[0] not in ("running", "202", "98")
    return False


def test_a_reload_takes_it_away():
    """While a bin is mended, on a disk that does not answer: it is given up, and a thread that comes back later finds nothing of what the core has freed."""
    path = folder()
    mem = """handlers = { mem = { plugin = "inmem"; memory = "4MiB"; }; };
policies = { main = { plugin = "l1only"; l1 = "mem"; }; };
listeners = ( { port = 0; policy = "main"; } );
"""
    with HangingReloaded(conf(path), preexec=lambda: signal.signal(signal.SIGXFSZ, signal.SIG_IGN)) as rend, rend.client() as c:
        put(c, 1)
        limit(rend, 4096)
        c.ask(b"set k 0 0 3000\r\n%s\r\n" % (b"v" * 3000), b"SERVER_ERROR backend error\r\n")
        rend.hang(path + "/bin.000")
        limit(rend, resource.RLIM_INFINITY)
        harness.wait_for("it to be mended", lambda: keeper_waits_for_the_disk(rend))
        rend.reload(mem)
        harness.wait_for("it to be given up", lambda: rend.said("the disk of .* does not answer"))
        rend.go_on()
        harness.wait_for("it to be mended", lambda: rend.said("is open again, with all that was answered"))
        harness.wait_for("its thread to rest", lambda: not keeper_waits_for_the_disk(rend))
        with rend.client() as other:
            other.ask(b"set k 0 0 1\r\nx\r\nget k\r\n", b"STORED\r\nVALUE k 0 1\r\nx\r\nEND\r\n")


def test_few_are_read_at_once():
    """However many wait: each waits for those that are read with it."""
    path, body, keys = folder(), b"v" * 3000, range(42)
    settled = conf(path).replace('"16MiB"', '"64MiB"')
    with Hanging(settled) as rend, rend.client() as c:
        for key in keys:
            c.ask(b"set k%d 0 0 %d\r\n%s\r\n" % (key, len(body), body), b"STORED\r\n")
    with Hanging(settled) as rend, rend.client() as c:
        rend.hang()
        for n, key in enumerate(keys):
            c.say(b"get k%d\r\n" % key)
            # One for each reader, and the others behind them.
            if n < 2:
                harness.wait_for("it to wait", lambda n=n: int(rend.stats("nodes")["disk.in_flight"]) == n + 1)
        harness.wait_for("them to wait", lambda: int(rend.stats("nodes")["disk.in_flight"]) == len(keys))
        rend.go_on()
        c.hear(b"".join(b"VALUE k%d 0 %d\r\n%s\r\nEND\r\n" % (key, len(body), body) for key in keys))
        counts = rend.stats("node disk")
        assert 0 < int(counts["disk.multi_keys"]) <= 4 * int(counts["disk.multi_gets"]), counts


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


def test_a_bin_without_a_log_that_is_not_written_begins_empty():
    """At an end that has no more time: nothing older takes the place of what was answered.  The others are written meanwhile."""
    path = folder()
    settled = conf(path).replace("bins = 1", "bins = 2").replace('wal = "sync"', 'wal = "off"')
    # Time for the other one; and none for two that hang.
    patient = settled.replace('drain_timeout = "200ms"', 'drain_timeout = "20s"')
    with Hanging(settled) as rend, rend.client() as c:
        put(c, 1)
    for text, hangs, says in ((patient, os.path.join(path, "bin.000"), "1 of 2 bins of .*: they begin empty"),
                              (settled, "", "of the 2 bins of .* nor could that be noted")):
        with Hanging(text) as rend, rend.client() as c:
            put(c, 2)
            rend.hang(hangs)
            rend.send_signal(signal.SIGTERM)
            assert rend.child.wait(harness.PATIENCE) == 0, rend.tail()
            rend.reader.join(harness.PATIENCE)
            assert rend.said(says), rend.tail()
        with Hanging(settled) as rend, rend.client() as c:
            assert set(found(c).values()) == {2, None}


def test_it_ends_though_a_file_is_not_written():
    """One of RocksDB's own threads waits for the disk then, and RocksDB would wait for it when the process ends."""
    path, body = folder(), b"v" * 3000
    settled = conf(path).replace('wal = "sync"', 'wal = "on"; write_buffer = "128KiB"; compression = "none"')
    with Hanging(settled) as rend, rend.client() as c:
        rend.hang()
        for key in range(100):
            c.ask(b"set k%d 0 0 %d\r\n%s\r\n" % (key, len(body), body), b"STORED\r\n")
        harness.wait_for("a file to be written", lambda: int(rend.stats("node disk")["disk.flushes_running"]) > 0)
        rend.send_signal(signal.SIGTERM)
        assert rend.child.wait(harness.PATIENCE) == 0, rend.tail()
        rend.reader.join(harness.PATIENCE)
        assert rend.said("could not be closed in time: the next start has to read its log"), rend.tail()
    with Hanging(settled) as rend, rend.client() as c:
        for key in range(100):
            c.ask(b"get k%d\r\n" % key, b"VALUE k%d 0 %d\r\n%s\r\nEND\r\n" % (key, len(body), body))


if __name__ == "__main__":
    try:
        harness.main()
    finally:
        for at in FOLDERS:
            shutil.rmtree(at, ignore_errors=True)
