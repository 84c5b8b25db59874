"""Clients of every kind over swaps of configuration and process, and what they saw.  Not run on its own."""
import json
import os
import select
import signal
import socket
import subprocess
import tempfile
import time

import harness
from reloads import LOAD

BIG = 500000


class Crowd:
    """Connections that are silent, but for one question at a time, which all are asked."""

    # So many wait for an answer at once at most: the server is to have time for others.
    FEW = 50

    def __init__(self, address, count):
        self.socks, self.poll = [], select.epoll()
        for _ in range(count):
            s = socket.create_connection(address, harness.PATIENCE)
            s.setblocking(False)
            self.socks.append(s)
            self.poll.register(s, select.EPOLLIN)

    def ask(self, spread=0.0, question=b"stats\r\n", end=b"END\r\n"):
        """What each of them heard; the seconds until the last one had.  Evenly over so many seconds, or as they are answered: all at once would be what
        other clients wait for."""
        by_fd = {s.fileno(): s for s in self.socks}
        silent, heard, waits = list(self.socks), dict.fromkeys(by_fd, b""), 0
        began = time.monotonic()
        while silent or waits:
            due = len(self.socks) if spread == 0 else (time.monotonic() - began) / spread * len(self.socks)
            while silent and waits < self.FEW and len(self.socks) - len(silent) < due:
                silent.pop().sendall(question)
                waits += 1
            early = silent and waits < self.FEW
            events = self.poll.poll(0.001 if early else harness.PATIENCE)
            assert events or early, f"{waits} connections have no answer"
            for fd, _ in events:
                data = by_fd[fd].recv(1 << 16)
                assert data, "closed"
                heard[fd] += data
                if heard[fd].endswith(end):
                    waits -= 1
        return list(heard.values()), time.monotonic() - began

    def close(self):
        self.poll.close()
        for s in self.socks:
            s.close()


class Load:
    """rend-load, which looks at every answer."""

    def __init__(self, port, tool, *options):
        handle, self.report = tempfile.mkstemp(dir=os.environ.get("TMPDIR"))
        os.close(handle)
        self.name = " ".join((tool, *options))
        self.child = subprocess.Popen([LOAD, tool, "-p", str(port), "--seconds", "3600", "--timeout", "60s", "--interval", "100ms", "--json", self.report, *options],
                                      stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.found = None

    def end(self):
        """All was well until then."""
        if self.child.poll() is None:
            self.child.send_signal(signal.SIGTERM)
        out, _ = self.child.communicate(timeout=harness.PATIENCE)
        with open(self.report) as f:
            text = f.read()
        self.found = json.loads(text) if text else {}
        return self.child.returncode, out

    def check(self):
        code, out = self.end()
        assert code == 128 + signal.SIGTERM, (self.name, code, out[-3000:])
        assert self.faults() == {}, (self.name, self.faults(), self.found["faults"])
        assert self.found["requests"] > 0, self.name

    def faults(self):
        counts = {name: self.found[name] for name in ("wrong", "lost", "protocol", "server_errors")}
        counts.update((name, self.found["connections"][name]) for name in ("refused", "closed"))
        return {name: count for name, count in counts.items() if count}

    def times(self, wanted):
        """Of the intervals that are: what took longest, and how many took so long.  Seconds."""
        longest, counts, step = 0.0, {}, self.found["interval_seconds"]
        for i in self.found["intervals"]:
            at = self.found["intervals_from"] + i["at"]
            if not wanted(at, at + step):
                continue
            longest = max(longest, i["max_us"] / 1e6)
            for end, count in i["histogram"]:
                counts[end / 1e9] = counts.get(end / 1e9, 0) + count
        return longest, counts


def times_of(loads, wanted):
    """The same of several, and the time that 99 of a hundred did not exceed."""
    longest, counts = 0.0, {}
    for load in loads:
        top, some = load.times(wanted)
        longest = max(longest, top)
        for end, count in some.items():
            counts[end] = counts.get(end, 0) + count
    left = 0.01 * sum(counts.values())
    for end in sorted(counts, reverse=True):
        left -= counts[end]
        if left < 0:
            return longest, min(end, longest)
    return longest, longest


class Swap:
    """One of them: what was done, and when."""

    def __init__(self, way, do):
        self.way, self.began = way, time.monotonic()
        do()
        self.ended = time.monotonic()

    def near(self, begin, end, seconds=0.5):
        """Does this time lie in the second around it, or while it was done?"""
        middle = (self.began + self.ended) / 2
        return begin < max(self.ended, middle + seconds) and end > min(self.began, middle - seconds)


def table(loads, swaps):
    """A line for each way: how often; of the second around each, which is also others' if swaps follow sooner, the longest answer and the worst p99; p99
    of the time in which there was none.  Seconds."""
    _, beside = times_of(loads, lambda begin, end: not any(s.near(begin - 0.5, end + 0.5) for s in swaps))
    lines = []
    for way in dict.fromkeys(s.way for s in swaps):
        times = [times_of(loads, s.near) for s in swaps if s.way == way]
        lines.append((way, len(times), max(longest for longest, _ in times), max(p99 for _, p99 in times), beside))
    return lines


def print_table(lines):
    print(f"{'':10} {'swaps':>5} {'longest':>10} {'p99 near':>10} {'p99 else':>10}   ms")
    for way, count, longest, near, beside in lines:
        print(f"{way:10} {count:5} {longest * 1e3:10.1f} {near * 1e3:10.1f} {beside * 1e3:10.1f}", flush=True)


class Half:
    """A client whose value is half there; after the swap comes the rest."""

    def __init__(self, rend, number):
        self.client, self.number, self.turn = rend.client(), number, 0

    def before(self):
        self.turn += 1
        self.key = b"half%d-%d" % (self.number, self.turn % 2)
        self.value = b"%d %d " % (self.number, self.turn) + bytes([97 + self.turn % 26]) * ((3000, 200000)[self.number % 2])
        self.said = b"set %s 5 0 %d\r\n%s\r\n" % (self.key, len(self.value), self.value)
        self.cut = (7, 1000, len(self.said) // 2, len(self.said) - 1)[self.number % 4]
        self.client.say(self.said[:self.cut])

    def after(self):
        self.client.ask(self.said[self.cut:], b"STORED\r\n")
        self.client.ask(b"get %s\r\n" % self.key, b"VALUE %s 5 %d\r\n%s\r\nEND\r\n" % (self.key, len(self.value), self.value))


class Slow:
    """A client that asks for much, and reads it after the swap."""

    COUNT = 20

    def __init__(self, rend, number):
        self.client = rend.client()
        self.client.ask(b"set big 0 0 %d\r\n" % BIG + b"B" * BIG + b"\r\n", b"STORED\r\n") if number == 0 else None

    def before(self):
        self.client.say(b"get big\r\n" * self.COUNT + b"mn\r\n")

    def after(self):
        for _ in range(self.COUNT):
            self.client.hear(b"VALUE big 0 %d\r\n" % BIG)
            self.client.hear(b"B" * BIG + b"\r\nEND\r\n")
        self.client.hear(b"MN\r\n")


def text_of(answer):
    """What `stats` answered."""
    return dict(line.split(" ", 2)[1:] for line in answer.decode().splitlines() if line.startswith("STAT "))
