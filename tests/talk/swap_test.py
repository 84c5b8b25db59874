#!/usr/bin/python3
"""Policies, then processes, are swapped under every kind of client, in a network of its own whose counters say that nobody was cut off."""
import os
import re
import subprocess
import sys
import time

import harness
import netns
from harness import LONG, Memcached, wait_for
from reloads import is_to_be_tried_again
from ssd_test import folder
from swaps import Crowd, Half, Load, Slow, Swap, print_table, table, text_of
from upgrades import Upgraded

# Swaps of each way; idle connections; busy ones of each load.
SWAPS, IDLE, BUSY = (20, 10000, 500) if LONG else (4, 300, 30) if not harness.sanitized() else (2, 100, 10)
# Seconds of load before the first swap and between two, which is what swaps are compared with.
STEADY, BETWEEN = (10, 1) if LONG else (2, 0)
# Over how long the idle ones are asked after each swap: within a second all have to be of the next policy.
SPREAD = 0.7 if LONG else 0
FLAT = 300 if LONG else 90 if not harness.sanitized() else 3
POLICIES = ("l1l2", "l1l2batch", "locked")


def policies(policy, l2):
    """Each has its own name, so that a client can see which it is."""
    return {
        "l1l2": f'l1l2 = {{ plugin = "l1l2"; l1 = "mem"; l2 = "{l2}"; }};',
        "l1l2batch": f'l1l2batch = {{ plugin = "l1l2batch"; l1 = "mem"; l2 = "{l2}"; }};',
        "locked": f'locked = {{ plugin = "locked"; over = "under"; }}; under = {{ plugin = "l1l2"; l1 = "mem"; l2 = "{l2}"; }};',
    }[policy]


# Who reads late gets all of it, however long that takes.
MORE = 'max_connections = 18000; reload_wait = "200ms"; handover_timeout = "20s"; drain_timeout = "1h";'


def over_memcached(server):
    def conf(policy):
        return f"""{MORE}
handlers = {{
    mem = {{ plugin = "inmem"; memory = "64MiB"; }};
    back = {{ plugin = "memcached"; servers = [ "{server}" ]; {harness.PATIENT} }};
}};
policies = {{ {policies(policy, "back")} }};
listeners = ( {{ port = 0; policy = "{policy}"; }} );
"""
    return conf


def over_stores(path):
    """All that is stored is here: what goes from policy to policy, and what one policy has for itself."""
    def conf(policy):
        return f"""{MORE}
handlers = {{
    own = {{ plugin = "inmem"; memory = "64MiB"; hand_over = true; }};
    mem = {{ plugin = "inmem"; memory = "64MiB"; hand_over = true; }};
    disk = {{ plugin = "ssd"; path = "{path}"; size = "128MiB"; segment = "1MiB"; timeout = "20s"; }};
}};
policies = {{ solo = {{ plugin = "l1only"; l1 = "own"; }}; {policies(policy, "disk")} }};
listeners = ( {{ port = 0; policy = "{policy}"; }}, {{ port = 0; policy = "solo"; }} );
"""
    return conf


def another_program():
    """rend with another version in it, of the same length; in a file of its own."""
    with open(harness.REND, "rb") as f:
        program = f.read()
    said = subprocess.run([harness.REND, "-V"], capture_output=True, check=True).stdout.split()[1]
    other = said[:-1] + (b"9" if said[-1:] != b"9" else b"8")
    assert program.count(said + b"\0") > 0, said
    path = os.path.join(os.environ["TMPDIR"], "rend-another")
    with open(path, "wb") as f:
        f.write(program.replace(said + b"\0", other + b"\0").replace(said + b"\n", other + b"\n"))
    os.chmod(path, 0o755)
    return path, other.decode()


class Swapped(Upgraded):
    """It is swapped in each of the three ways, from policy to policy."""

    def __init__(self, conf):
        super().__init__(conf(POLICIES[0]))
        self.conf_of, self.turn, self.swaps, self.children = conf, 0, [], []
        self.programs = [(harness.REND, None), another_program()]

    def policy(self):
        return POLICIES[self.turn % len(POLICIES)]

    def swap(self, way):
        self.turn += 1
        self.write(self.conf_of(self.policy()))
        self.old = self.pid
        self.swaps.append(Swap(way, getattr(self, "by_" + way)))
        self.pid = self.now()
        assert (self.pid == self.old) == (way == "reload")

    def by_reload(self):
        self.reload()

    def by_upgrade(self):
        code, out, err = self.tried("upgrade")
        assert code == 0, (code, out, err, self.tail())

    def by_takeover(self):
        """The two programs take turns."""
        program, version = self.programs[1 - self.is_another()]
        wait_for("one to take over", lambda: self.takes_over(program))
        assert version is None or self.status()["version"] == version

    def takes_over(self, program):
        """Or has to be tried again, as an upgrade."""
        log = open(os.path.join(self.folder, f"log{len(self.children)}"), "w+")
        child = subprocess.Popen([program, "-c", self.conf_file, "--takeover", self.control], stderr=log, stdin=subprocess.DEVNULL)
        wait_for("it to take over", lambda: child.poll() is not None or self.answers(child.pid))
        if child.poll() is None:
            self.children.append((child, log))
            return True
        log.seek(0)
        said = log.read()
        log.close()
        assert is_to_be_tried_again(child.returncode, said), (child.returncode, said)
        assert "Sanitizer" not in said and "runtime error:" not in said, said
        return False

    def answers(self, pid):
        try:
            return self.now() == pid
        except AssertionError:
            return False

    def said_anywhere(self, pattern):
        """Also by those that were not its children."""
        for _, log in self.children:
            log.seek(0)
            found = re.search(pattern, log.read())
            if found:
                return found
        return self.said(pattern)

    def waits(self):
        """What old processes said of how long clients have waited, the longest three first."""
        lines = list(self.lines)
        for _, log in self.children:
            log.seek(0)
            lines += log.read().splitlines()
        found = [m for m in (re.search(r"clients have waited ([0-9.]+) ms.*", line) for line in lines) if m]
        return [m.group() for m in sorted(found, key=lambda m: -float(m.group(1)))[:3]]

    def is_another(self):
        return self.status()["version"] == self.programs[1][1]

    def __exit__(self, kind, *what):
        try:
            super().__exit__(kind, *what)
        finally:
            for child, log in self.children:
                if kind is not None:
                    child.kill()
                assert child.wait(harness.PATIENCE) == 0 or kind is not None
                log.seek(0)
                said = log.read()
                log.close()
                for word in ("Sanitizer", "runtime error:"):
                    assert word not in said, said


def loads_of(port):
    """In each protocol, pipelined or not, one that comes and goes; more than 2,000 requests a second."""
    return [
        Load(port, "setops", "--protocol", "binary", "-c", str(BUSY), "--depth", "4", "--rate", "600", "--prefix", "b", "--keys", "2000"),
        Load(port, "setops", "--protocol", "meta", "-c", str(BUSY), "--depth", "16", "--rate", "600", "--prefix", "m", "--keys", "2000"),
        Load(port, "setops", "--protocol", "text", "-c", str(BUSY), "--depth", "2", "--rate", "600", "--prefix", "t", "--keys", "2000"),
        Load(port, "check", "-c", str(BUSY), "--rate", "300", "--mix", "get:6,gets:1,set:2,delete:1,cas:1,add:1"),
        Load(port, "run", "-c", "20", "--rate", "200", "--churn", "200" if LONG else "50", "--prefix", "r", "--keys", "2000"),
    ]


def filled_with(i, salt):
    return (b"%s%06d." % (salt, i) * 147)[:1024]


def fill(client, count, salt=b""):
    for i in range(count):
        client.say(b"set pre%d 3 0 1024 noreply\r\n%s\r\n" % (i, filled_with(i, salt)))
    client.ask(b"mn\r\n", b"MN\r\n")


def check_filled(client, count, salt=b""):
    """All of them, twenty at a time."""
    for begin in range(0, count, 20):
        some = range(begin, min(begin + 20, count))
        client.ask(b"get " + b" ".join(b"pre%d" % i for i in some) + b"\r\n",
                   b"".join(b"VALUE pre%d 3 1024\r\n%s\r\n" % (i, filled_with(i, salt)) for i in some) + b"END\r\n")


def test_nobody_notices():
    filled = 20000 if LONG else 2000
    with Memcached("-m", "512", "-c", "4096") as l2, Swapped(over_memcached(l2.server)) as rend:
        with rend.client() as c:
            fill(c, filled)
        crowd = Crowd(rend.address(), IDLE)
        held = [Half(rend, i) for i in range(50 if LONG else 12)] + [Slow(rend, i) for i in range(20 if LONG else 4)]
        loads = loads_of(rend.port)
        last = 0.0
        try:
            wait_for("all connections", lambda: len(netns.clients_of(rend.port)) >= IDLE + len(held) + 4 * BUSY + 20)
            ports = {s.getsockname()[1] for s in crowd.socks} | {h.client.sock.getsockname()[1] for h in held}
            persistent = persistent_ports(rend, loads)
            assert len(persistent) == 4 * BUSY, len(persistent)
            before = netns.counters()
            time.sleep(STEADY)
            for way in ("reload", "upgrade", "takeover"):
                for _ in range(SWAPS):
                    last = max(last, one_swap(rend, way, crowd, held))
                    time.sleep(BETWEEN)
            now = netns.clients_of(rend.port)
            assert ports <= now and persistent <= now, (len(ports - now), len(persistent - now))
            assert cut_off(before) == {}, cut_off(before)
        finally:
            for load in loads:
                load.end()
        for load in loads:
            load.check()
        assert cut_off(before) == {}, cut_off(before)
        with rend.client() as c:
            check_filled(c, filled)
        print(f"     {len(ports)} + {len(persistent)} connections that stayed, {sum(load.found['requests'] for load in loads)} requests, "
              f"{loads[-1].found['connections']['opened']} connections that came and went; the last one had the next policy after {last * 1e3:.0f} ms")
        print_table(table(loads, rend.swaps))
        for waited in rend.waits():
            print("     " + waited)
        crowd.close()
        for h in held:
            h.client.close()


def cut_off(before):
    """What the kernel has counted that says so.  What is sent twice, on a machine that stalls, and comes when its connection has ended as it should,
    is answered by a reset, too, which cuts nobody off: whom a reset does cut off is among the other counts."""
    faults, twice = netns.faults_since(before), netns.counters()["Tcp.RetransSegs"] - before["Tcp.RetransSegs"]
    if set(faults) == {"Tcp.OutRsts"} and faults["Tcp.OutRsts"] <= twice:
        print(f"     {faults['Tcp.OutRsts']} resets, {twice} segments were sent twice", flush=True)
        return {}
    return faults


def persistent_ports(rend, loads):
    """Those of the loads whose connections stay."""
    found = set()
    for load in loads[:-1]:
        inodes = set()
        for fd in os.listdir(f"/proc/{load.child.pid}/fd"):
            try:
                name = os.readlink(f"/proc/{load.child.pid}/fd/{fd}")
            except OSError:
                continue
            if name.startswith("socket:["):
                inodes.add(name[8:-1])
        with open("/proc/net/tcp") as f:
            next(f)
            for line in f:
                words = line.split()
                if words[9] in inodes and int(words[2].split(":")[1], 16) == rend.port:
                    found.add(int(words[1].split(":")[1], 16))
    return found


def one_swap(rend, way, crowd, held):
    """Seconds until the last of the crowd had an answer of the next policy, after it was said that it is done."""
    for h in held:
        h.before()
    rend.swap(way)
    answers, seconds = crowd.ask(SPREAD)
    for answer in answers:
        stats = text_of(answer)
        assert (stats["policy"], int(stats["pid"])) == (rend.policy(), rend.pid), (way, stats["policy"], stats["pid"], rend.pid)
    for h in held:
        h.after()
        stats = h.client.stats()
        assert (stats["policy"], int(stats["pid"])) == (rend.policy(), rend.pid)
    if rend.old != rend.pid:
        rend.gone(rend.old)
    rend.settled()
    return seconds


def test_nothing_that_is_stored_is_lost():
    """Over stores of its own: what is in memory and on a disk goes along, also that of a policy which asks nothing else."""
    filled = 20000 if LONG else 1000 if not harness.sanitized() else 300
    with Swapped(over_stores(folder())) as rend:
        solo = rend.address(1)[1]
        crowd = Crowd(rend.address(), 20)
        with rend.client(0) as c, rend.client(1) as s:
            fill(c, filled)
            fill(s, filled, b"solo")
            loads = [Load(port, "setops", "-c", "20", "--depth", "4", "--rate", "300", "--prefix", "o", "--keys", "500") for port in (rend.port, solo)]
            try:
                for _ in range(SWAPS if LONG else 2 if not harness.sanitized() else 1):
                    for way in ("upgrade", "reload", "takeover"):
                        one_swap(rend, way, crowd, ())
                        # It is not only the disk that has them: before anything is asked, which would bring it into memory again.
                        nodes = c.stats("nodes")
                        held = [int(nodes[node + ".curr_items"]) for node in ("own", "mem")]
                        assert min(held) >= filled, held
                        check_filled(c, filled)
                        check_filled(s, filled, b"solo")
            finally:
                for load in loads:
                    load.end()
            for load in loads:
                load.check()
        crowd.close()
        assert not rend.said_anywhere("begins empty|not taken over|rebuil")


def test_what_a_process_takes_stays():
    """Descriptors, threads and memory, over many swaps of all kinds."""
    with Memcached() as l2, Swapped(over_memcached(l2.server)) as rend:
        crowd = Crowd(rend.address(), 100 if LONG else 10)
        before = netns.counters()
        taken = []
        for _ in range(2 + FLAT // 3):
            for way in ("takeover", "reload", "upgrade"):
                one_swap(rend, way, crowd, ())
            with open(f"/proc/{rend.pid}/status") as f:
                rss = next(int(line.split()[1]) for line in f if line.startswith("VmRSS"))
            taken.append((rend.fds_of(), rend.threads_of(), rss))
        assert cut_off(before) == {}, cut_off(before)
        fds, threads = taken[1][:2]
        wait_for("as many descriptors and threads as before", lambda: rend.fds_of() <= fds and rend.threads_of() <= threads)
        crowd.close()
        print(f"     after {3 * len(taken)} swaps: {taken[0]} ... {taken[-1]}")
        assert taken[-1][2] <= taken[1][2] * 1.05 + 1024, taken


if __name__ == "__main__":
    netns.enter()
    harness.main(limit=1800 if LONG else 600)
