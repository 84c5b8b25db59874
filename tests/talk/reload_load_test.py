#!/usr/bin/python3
"""rend.conf is read anew while clients ask and ask: every answer is right, and no connection is closed."""
import struct
import subprocess
import threading
import time

import harness
from harness import Client, Memcached, wait_for
from reloads import LOAD, SWAPS, Reloaded, tiers


# A load that goes on for long on a slow machine stores much, and what was stored before it must not have to go for that.
ROOMY = ("-m", "2048")


class Load(threading.Thread):
    """A client that asks and asks; each answer is compared.  Its keys are new each time: it finds what it stored, or, if the
    policy has another store by then, nothing."""

    may_miss = True

    def __init__(self, rend, stop, number):
        super().__init__(daemon=True)
        self.client = rend.client()
        self.port = self.client.sock.getsockname()
        self.stop, self.number = stop, number
        self.asked, self.error = 0, None

    def run(self):
        try:
            while not self.stop.is_set():
                self.once(self.asked)
                self.asked += 1
            assert self.client.sock.getsockname() == self.port
        except Exception as e:  # pylint: disable=broad-except
            self.error = f"{type(self).__name__} {self.number}, after {self.asked}: {e!r}"


class Text(Load):
    """Pipelined."""

    def once(self, n):
        key, value = b"t%d-%d" % (self.number, n), b"v%d" % n
        self.client.ask(b"set %s 7 0 %d\r\n%s\r\n" % (key, len(value), value), b"STORED\r\n")
        self.client.say(b"get %s\r\n" % key + b"get gone%d\r\n" % self.number + b"get %s\r\n" % key)
        found = b"VALUE %s 7 %d\r\n%s\r\nEND\r\n" % (key, len(value), value)
        for may_miss in (True, False, True):
            if not may_miss:
                self.client.hear(b"END\r\n")
                continue
            line = self.client.line()
            if line != b"END" or not self.may_miss:
                assert found.startswith(line + b"\r\n"), (line, found)
                self.client.hear(found[len(line) + 2:])


class Middle(Load):
    """A value that is on its way for a while."""

    def once(self, n):
        key, value = b"m%d-%d" % (self.number, n), bytes([65 + n % 26]) * (3 << 16 if n % 2 else 3000)
        head = b"set %s 0 0 %d\r\n" % (key, len(value))
        self.client.say(head + value[:1000])
        time.sleep(0.02)
        self.client.say(value[1000:len(value) // 2])
        time.sleep(0.02)
        self.client.ask(value[len(value) // 2:] + b"\r\n", b"STORED\r\n")
        line = None
        self.client.say(b"get %s\r\n" % key)
        line = self.client.line()
        if line != b"END":
            assert line == b"VALUE %s 0 %d" % (key, len(value)), line
            self.client.hear(value + b"\r\nEND\r\n")


class Meta(Load):
    def once(self, n):
        key, value = b"x%d-%d" % (self.number, n), b"%d" % n
        self.client.ask(b"ms %s %d\r\n%s\r\n" % (key, len(value), value), b"HD\r\n")
        self.client.say(b"mg %s v k\r\nmn\r\n" % key)
        line = self.client.line()
        if not line.startswith(b"EN") or not self.may_miss:
            assert line == b"VA %d k%s" % (len(value), key), line
            self.client.hear(value + b"\r\n")
        self.client.hear(b"MN\r\n")


class Binary(Load):
    def ask(self, opcode, key, extras=b"", value=b""):
        body = len(extras) + len(key) + len(value)
        return struct.pack("!BBHBBHIIQ", 0x80, opcode, len(key), len(extras), 0, 0, body, opcode, 0) + extras + key + value

    def answer(self):
        while len(self.client.heard) < 24:
            self.client._more()
        magic, opcode, _, extras, _, status, body, _, _ = struct.unpack("!BBHBBHIIQ", self.client.heard[:24])
        assert magic == 0x81, magic
        while len(self.client.heard) < 24 + body:
            self.client._more()
        value = self.client.heard[24 + extras:24 + body]
        self.client.heard = self.client.heard[24 + body:]
        return opcode, status, value

    def once(self, n):
        key, value = b"b%d-%d" % (self.number, n), b"%d" % n
        self.client.say(self.ask(1, key, struct.pack("!II", 0, 0), value) + self.ask(0, key) + self.ask(10, b""))
        opcode, status, _ = self.answer()
        assert (opcode, status) == (1, 0), (opcode, status)
        opcode, status, got = self.answer()
        assert opcode == 0 and ((status == 1 and self.may_miss) or (status == 0 and got == value)), (opcode, status, got)
        opcode, status, _ = self.answer()
        assert (opcode, status) == (10, 0)


class Slow(Load):
    """Reads what it asked for late, so that it is owed bytes of a store over a reload."""

    def once(self, n):
        self.client.say(b"get big\r\n" * 20)
        time.sleep(0.2)
        for _ in range(20):
            line = self.client.line()
            if line != b"END":
                assert line == b"VALUE big 0 500000", line
                self.client.hear(b"B" * 500000 + b"\r\nEND\r\n")


def check_answers(loads):
    for load in loads:
        load.join(harness.PATIENCE)
        assert not load.is_alive(), load
        assert load.error is None, load.error
        assert load.asked > 0, load


def test_policies_change_under_load():
    order = ("batch", "locked", "own", "l1l2")
    with Memcached(*ROOMY) as l2, Reloaded(tiers(l2.server, "l1l2")) as rend:
        with rend.client() as c:
            for i in range(1000):
                c.ask(b"set pre%d 3 0 4\r\n%04d\r\n" % (i, i), b"STORED\r\n")
            c.ask(b"set big 0 0 500000\r\n" + b"B" * 500000 + b"\r\n", b"STORED\r\n")
        stop = threading.Event()
        loads = [kind(rend, stop, i) for i, kind in enumerate((Text, Text, Meta, Binary, Binary, Middle, Middle, Slow) * 2)]
        for load in loads:
            load.start()
        for i in range(SWAPS):
            before = [load.asked for load in loads]
            rend.reload(tiers(l2.server, order[i % 4]))
            status = rend.status()
            assert status["generation"] == str(i + 2), status
            wait_for("all clients to go on", lambda: all(load.error or load.asked > b for load, b in zip(loads, before)))
            with rend.client() as c:
                for k in (0, 500, 999):
                    c.ask(b"get pre%d\r\n" % k, b"END\r\n" if order[i % 4] == "own" else b"VALUE pre%d 3 4\r\n%04d\r\nEND\r\n" % (k, k))
        stop.set()
        check_answers(loads)
        with rend.client() as c:
            for i in range(1000):
                c.ask(b"get pre%d\r\n" % i, b"VALUE pre%d 3 4\r\n%04d\r\nEND\r\n" % (i, i))
            assert c.stats()["total_connections"] != "0"
        for load in loads:
            load.client.close()
        rend.settled()


def test_a_part_changes_under_load():
    """mem is asked alone, then as an l1, and so on: between the two nothing is under way, and what was stored is there."""
    with Memcached(*ROOMY) as l2:
        both = """
reload_wait = "20s";
handlers = { mem = { plugin = "inmem"; memory = "256MiB"; }; back = { plugin = "memcached"; servers = [ "%s" ]; request_timeout = "60s"; connect_timeout = "60s"; }; };
policies = { main = { plugin = "l1l2"; l1 = "mem"; l2 = "back"; }; };
listeners = ( { port = 0; policy = "main"; } );
""" % l2.server
        alone = both.replace('plugin = "l1l2"; l1 = "mem"; l2 = "back"', 'plugin = "l1only"; l1 = "mem"')
        with Reloaded(both) as rend:
            stop = threading.Event()
            loads = [kind(rend, stop, i) for i, kind in enumerate((Text, Text, Meta, Binary, Middle) * 2)]
            for load in loads:
                load.may_miss = False
                load.start()
            for i in range(SWAPS // 2):
                before = [load.asked for load in loads]
                rend.reload((alone, both)[i % 2])
                wait_for("all clients to go on", lambda: all(load.error or load.asked > b for load, b in zip(loads, before)))
            stop.set()
            check_answers(loads)
            for load in loads:
                load.client.close()
            rend.settled()


def reload_while_checked(confs, seconds):
    """How often it was."""
    with Reloaded(confs[0]) as rend:
        check = subprocess.Popen([LOAD, "check", "-p", str(rend.port), "--also", f"127.0.0.1:{rend.address(1)[1]}", "--seconds", str(seconds), "--timeout", "60s"],
                                 stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        reloads = 0
        while check.poll() is None:
            reloads += 1
            rend.reload(confs[reloads % len(confs)])
        out = check.communicate()[0]
        assert check.returncode == 0, (check.returncode, out[:3000])
        rend.settled()
        return reloads


def test_no_read_is_stale_while_policies_change():
    """Few keys, many connections, two listeners: as long as it asks, rend is reloaded, and a node's part changes with every fourth."""
    with Memcached(*ROOMY) as l2:
        conf = """
reload_wait = "20s";
handlers = { mem = { plugin = "inmem"; memory = "64MiB"; }; back = { plugin = "memcached"; servers = [ "%s" ]; request_timeout = "60s"; connect_timeout = "60s"; }; };
policies = { %%s };
listeners = ( { port = 0; policy = "main"; }, { port = 0; policy = "other"; } );
""" % l2.server
        pair = 'l1 = "mem"; l2 = "back";'
        confs = [conf % ('main = { plugin = "l1l2"; %s }; other = { plugin = "l1l2batch"; %s };' % (pair, pair)),
                 conf % ('main = { plugin = "locked"; over = "under"; }; under = { plugin = "l1l2"; %s }; other = { plugin = "l1l2"; %s };' % (pair, pair)),
                 conf % ('main = { plugin = "l1l2batch"; %s }; other = { plugin = "l1l2"; %s };' % (pair, pair)),
                 conf % 'main = { plugin = "l1only"; l1 = "mem"; }; other = { plugin = "l1only"; l1 = "mem"; };']
        # On a slow machine few reloads fit into a short time.
        for seconds in (4, 12, 48):
            with Client(l2.path) as direct:
                direct.ask(b"flush_all\r\n", b"OK\r\n")
            if reload_while_checked(confs, seconds) >= len(confs):
                return
        raise AssertionError("it was not reloaded often enough")



if __name__ == "__main__":
    harness.main()
