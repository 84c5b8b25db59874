#!/usr/bin/python3
"""Clients of a rend whose values are in another memcached: a real one, and one that misbehaves in every way that is known."""
import os
import random
import re
import signal
import socket
import threading
import time

import harness
from harness import Memcached, Rend, behind, wait_for
from scripted_backend import SILENCE, ScriptedBackend

DOWN = b"SERVER_ERROR backend down\r\n"
TIMEOUT = b"SERVER_ERROR backend timeout\r\n"
ERROR = b"SERVER_ERROR backend error\r\n"

# One worker: then there is one connection to the backend, and what happens to it is certain.
QUICK = 'request_timeout = "300ms"; connect_timeout = "300ms";'
# Then what is answered soon was not waited for.
SLOW = 'request_timeout = "10s"; connect_timeout = "10s";'
SOON = 5.0


def beside(server, more=QUICK):
    """Two listeners: values at the backend, and values in memory, which no fault of the backend may disturb."""
    return f"""
handlers = {{
    back = {{ plugin = "memcached"; servers = [ "{server}" ]; {more} }};
    mem = {{ plugin = "inmem"; memory = "64MiB"; }};
}};
policies = {{ main = {{ plugin = "l1only"; l1 = "back"; }}; local = {{ plugin = "l1only"; l1 = "mem"; }}; }};
listeners = ( {{ port = 0; policy = "main"; }}, {{ port = 0; policy = "local"; }} );
"""


def number(rend, name):
    """What the plugin counts at the node called back, as text."""
    return rend.stats("nodes")["back." + name]


def said(client, question):
    return client.say(question).line() + b"\r\n"


def served(client, key=b"back"):
    """A value was stored, and nobody says error."""
    return said(client, b"set %s 0 0 1\r\nx\r\n" % key) == b"STORED\r\n"


def stop(process):
    """Stops it; when this returns, none of its threads runs."""
    def stopped(task):
        with open(f"/proc/{process.child.pid}/task/{task}/stat") as f:
            return f.read().rsplit(")", 1)[1].split()[0] == "T"

    process.send_signal(signal.SIGSTOP)
    wait_for("it to stop", lambda: all(stopped(t) for t in os.listdir(f"/proc/{process.child.pid}/task")))


class TcpMemcached(harness.Process):
    """A real memcached on a TCP port that the kernel chose."""

    def __init__(self, *args):
        super().__init__(["memcached", "-u", harness.user_name(), "-l", "127.0.0.1", "-p", "-1", "-U", "0", "-t", "1", *args])
        self.said_port = os.path.join(self.folder, "port")
        self.kw = {"env": dict(os.environ, MEMCACHED_PORT_FILENAME=self.said_port)}

    def __enter__(self):
        self.start()
        self.server = "127.0.0.1:" + wait_for("memcached to say its port", self._port)
        return self

    def _port(self):
        if not os.path.exists(self.said_port):
            return None
        with open(self.said_port) as f:
            found = re.search(r"TCP INET: (\d+)\n", f.read())
        return found and found.group(1)

    def __exit__(self, *_):
        self.end(signal.SIGKILL)
        self.remove()


class Bystander:
    """A client of the values in memory, busy while the backend misbehaves; every answer must be right, and come."""

    def __init__(self, rend):
        self.client = rend.client(1)
        self.stop = threading.Event()
        self.fault = None
        self.rounds = 0
        self.thread = threading.Thread(target=self._run, daemon=True)

    def _run(self):
        try:
            while not self.stop.is_set():
                self.client.ask(b"set b 0 0 3\r\nabc\r\nget b\r\n", b"STORED\r\nVALUE b 0 3\r\nabc\r\nEND\r\n")
                self.rounds += 1
                self.stop.wait(0.002)
        except (AssertionError, OSError) as e:
            self.fault = e

    def is_served(self):
        """Is answered again and again, from now on."""
        begun = self.rounds
        wait_for("a bystander to be served", lambda: self.fault or self.rounds >= begun + 3, SOON)
        assert self.fault is None, self.fault

    def __enter__(self):
        self.thread.start()
        self.is_served()
        return self

    def __exit__(self, kind, value, trace):
        try:
            if kind is None:
                self.is_served()
        finally:
            self.stop.set()
            self.thread.join(harness.PATIENCE)
            self.client.close()


def test_a_real_backend_answers_through_rend():
    with Memcached() as m, Rend(behind(m.server)) as rend, rend.client() as c:
        c.ask(b"get k\r\n", b"END\r\n")
        c.ask(b"set k 7 0 5\r\nhello\r\n", b"STORED\r\n")
        c.ask(b"get k\r\n", b"VALUE k 7 5\r\nhello\r\nEND\r\n")
        c.ask(b"add k 0 0 1\r\nx\r\n", b"NOT_STORED\r\n")
        c.ask(b"add l 1 0 1\r\nx\r\n", b"STORED\r\n")
        c.ask(b"replace none 0 0 1\r\nx\r\n", b"NOT_STORED\r\n")
        c.ask(b"append none 0 0 1\r\nx\r\n", b"NOT_STORED\r\n")
        c.ask(b"append k 0 0 1\r\n!\r\n", b"STORED\r\n")
        c.ask(b"prepend k 0 0 1\r\n>\r\n", b"STORED\r\n")
        c.ask(b"get k none l\r\n", b"VALUE k 7 7\r\n>hello!\r\nVALUE l 1 1\r\nx\r\nEND\r\n")
        c.ask(b"set n 0 0 2\r\n10\r\n", b"STORED\r\n")
        c.ask(b"incr n 5\r\n", b"15\r\n")
        c.ask(b"decr n 6\r\n", b"9\r\n")
        c.ask(b"incr n 18446744073709551615\r\n", b"8\r\n")
        c.ask(b"decr n 100\r\n", b"0\r\n")
        c.ask(b"incr k 1\r\n", b"CLIENT_ERROR cannot increment or decrement non-numeric value\r\n")
        c.ask(b"incr none 1\r\n", b"NOT_FOUND\r\n")
        c.ask(b"touch k 100\r\n", b"TOUCHED\r\n")
        c.ask(b"touch none 100\r\n", b"NOT_FOUND\r\n")
        c.ask(b"gat 100 k none\r\n", b"VALUE k 7 7\r\n>hello!\r\nEND\r\n")
        c.ask(b"set gone 0 -1 1\r\nx\r\nget gone\r\n", b"STORED\r\nEND\r\n")
        c.ask(b"set k2 0 0 0\r\n\r\nget k2\r\n", b"STORED\r\nVALUE k2 0 0\r\n\r\nEND\r\n")
        c.ask(b"cas none 0 0 1 1\r\nx\r\n", b"NOT_FOUND\r\n")
        version = c.say(b"gets k\r\n").until(b"END\r\n").split(b"\r\n")[0].split(b" ")[4]
        c.ask(b"cas k 0 0 1 %s\r\nb\r\n" % version, b"STORED\r\n")
        c.ask(b"cas k 0 0 1 %s\r\nc\r\n" % version, b"EXISTS\r\n")
        c.ask(b"delete k\r\n", b"DELETED\r\n")
        c.ask(b"delete k\r\n", b"NOT_FOUND\r\n")
        c.ask(b"flush_all\r\nget l\r\n", b"OK\r\nEND\r\n")
        c.ask(b"set %s 0 0 1\r\nx\r\n" % (b"k" * 250), b"STORED\r\n")
        c.ask(b"get %s\r\n" % (b"k" * 250), b"VALUE %s 0 1\r\nx\r\nEND\r\n" % (b"k" * 250))


def test_times_reach_the_backend_as_they_were_meant():
    with Memcached() as m, Rend(behind(m.server)) as rend, rend.client() as c, harness.Client(m.path) as direct:
        def left(key):
            words = said(direct, b"mg %s t\r\n" % key).split()
            return int(words[1][1:])

        c.ask(b"set a 0 100 1\r\nx\r\nset b 0 2592000 1\r\nx\r\nset c 0 0 1\r\nx\r\n", b"STORED\r\n" * 3)
        c.ask(b"set d 0 %d 1\r\nx\r\n" % (time.time() + 7000000), b"STORED\r\n")
        assert 98 <= left(b"a") <= 100
        assert 2591998 <= left(b"b") <= 2592000
        assert left(b"c") == -1
        assert 6999990 <= left(b"d") <= 7000002
        c.ask(b"touch c 50\r\ngat 60 a\r\n", b"TOUCHED\r\nVALUE a 0 1\r\nx\r\nEND\r\n")
        assert 48 <= left(b"c") <= 50
        assert 58 <= left(b"a") <= 60
        c.ask(b"touch c 0\r\n", b"TOUCHED\r\n")
        assert left(b"c") == -1
        c.ask(b"touch c -1\r\nget c\r\n", b"TOUCHED\r\nEND\r\n")
        # More than the backend has bits for is as late as it can be, and not gone.
        for exptime in (2**31 - 1, 2**31, 2**32 - 1, 10**11):
            c.ask(b"set e 0 %d 1\r\nx\r\nget e\r\n" % exptime, b"STORED\r\nVALUE e 0 1\r\nx\r\nEND\r\n")
            c.ask(b"touch a %d\r\nget a\r\n" % exptime, b"TOUCHED\r\nVALUE a 0 1\r\nx\r\nEND\r\n")
            assert left(b"e") > 3 * 10**8 and left(b"a") > 3 * 10**8
        # Less than 50 days, and more than the 40 that are left; a memcached takes a number beyond 30 days for a date.
        c.ask(b"set f 0 %d 1\r\nx\r\n" % (time.time() + 40 * 86400), b"STORED\r\n")
        c.ask(b"mg f R%d\r\nmg f R%d\r\n" % (time.time() + 39 * 86400, time.time() + 50 * 86400), b"HD\r\nHD W\r\n")


def test_a_time_that_a_backend_refuses_never_reaches_it():
    """A newer memcached answers CLIENT_ERROR to a time beyond 31 bits, which would end the connection that all share."""
    def strict(conn, request):
        late = [w for w in request.words[2:] if w[:1] in (b"T", b"N", b"R") and int(w[1:]) >= 2**31]
        return b"CLIENT_ERROR bad token in command line format\r\n" if late else None

    with ScriptedBackend(strict) as b, Rend(beside(b.server), workers=1) as rend, rend.client() as c:
        wait_for("the backend to be used", lambda: served(c))
        c.ask(b"set bad 0 4294967295 1\r\nx\r\n", b"STORED\r\n")
        c.ask(b"touch bad 4294967295\r\n", b"TOUCHED\r\n")
        c.ask(b"mg bad T4294967295 N4294967295 R4294967295\r\n", b"HD\r\n")
        assert b.connected == 1 and number(rend, "garbage") == "0", b.connected


def test_values_of_all_sizes_from_many_clients():
    def work(rend, number, faults):
        rng = random.Random(number)
        try:
            with rend.client() as c:
                for i in range(60):
                    size = rng.choice([0, 1, 1000, 1024, 1025, 5000, 65536, 70000, 300000, 1000000])
                    body = bytes([65 + (number * 7 + i) % 60]) * size
                    key = b"c%d-%d" % (number, i % 5)
                    c.say(b"set %s %d 0 %d\r\n%s\r\nget %s\r\n" % (key, i, size, body, key))
                    c.hear(b"STORED\r\nVALUE %s %d %d\r\n%s\r\nEND\r\n" % (key, i, size, body))
        except (AssertionError, OSError) as e:
            faults.append(e)

    with Memcached("-m", "256") as m, Rend(behind(m.server)) as rend:
        faults = []
        threads = [threading.Thread(target=work, args=(rend, n, faults)) for n in range(6)]
        for t in threads:
            t.start()
        for t in threads:
            t.join(100)
        assert not faults, faults


def test_a_value_too_large_for_the_backend_is_refused_and_the_connection_goes_on():
    with Memcached("-I", "512k") as m, Rend(behind(m.server), workers=1) as rend, rend.client() as c:
        c.ask(b"set k 0 0 3\r\nold\r\n", b"STORED\r\n")
        for _ in range(3):
            c.ask(b"set k 0 0 900000\r\n%s\r\n" % (b"x" * 900000), b"SERVER_ERROR object too large for cache\r\n")
            c.ask(b"get k\r\n", b"END\r\n")
        assert number(rend, "disconnects") == "0"


def test_a_backend_over_tcp_and_by_name():
    # Not an address as it is written, and no machine has to have a file or a server to know what it means.
    with ScriptedBackend() as b, Rend(behind(f"127.1:{b.port}"), workers=1) as rend, rend.client() as c:
        c.ask(b"set k 3 0 2\r\nhi\r\nget k\r\n", b"STORED\r\nVALUE k 3 2\r\nhi\r\nEND\r\n")


def test_more_than_one_server_is_refused_with_a_sentence():
    with Memcached() as m:
        rend = Rend(behind(m.server + '", "127.0.0.1:11299'))
        rend.start()
        assert rend.child.wait(harness.PATIENCE) != 0
        rend.reader.join(harness.PATIENCE)
        assert rend.said("names 2 servers"), rend.tail()
        rend.remove()


def test_nonsense_addresses_are_refused_with_a_sentence():
    for server, sentence in (("localhost", "needs a port"), ("unix:x", "must begin with /"), ("h:99999", "1 to 65535")):
        rend = Rend(behind(server))
        rend.start()
        assert rend.child.wait(harness.PATIENCE) != 0
        rend.reader.join(harness.PATIENCE)
        assert rend.said(sentence), rend.tail()
        rend.remove()


def test_a_backend_absent_at_start_is_down_at_once_and_served_when_it_comes():
    m = Memcached()
    try:
        with Rend(beside(m.server, SLOW), workers=1) as rend, rend.client() as c, Bystander(rend):
            begun = time.monotonic()
            c.ask(b"get k\r\n", DOWN)
            c.ask(b"set k 0 0 1\r\nx\r\n", DOWN)
            assert time.monotonic() - begun < SOON
            m.__enter__()
            wait_for("the backend to be used", lambda: served(c))
            c.ask(b"get back\r\n", b"VALUE back 0 1\r\nx\r\nEND\r\n")
            assert rend.said("is down"), rend.tail()
            wait_for("the log to say so", lambda: rend.said("backend unix:.* is up"))
    finally:
        m.__exit__()


def test_a_backend_that_is_killed_and_comes_back():
    with Memcached() as m, Rend(beside(m.server, SLOW), workers=1) as rend, rend.client() as c, Bystander(rend) as bystander:
        for _ in range(3):
            wait_for("the backend to be used", lambda: served(c))
            m.end(signal.SIGKILL)
            begun = time.monotonic()
            for _ in range(20):
                c.ask(b"get back\r\n", DOWN)
            assert time.monotonic() - begun < SOON
            bystander.is_served()
            m.restart()
        wait_for("the backend to be used", lambda: served(c))
        wait_for("a line for each change", lambda: len([x for x in rend.lines if " is up" in x]) == 4)
        assert len([x for x in rend.lines if " is down" in x]) == 3, rend.tail()


def test_a_backend_that_is_stopped_and_goes_on():
    with Memcached() as m, Rend(beside(m.server), workers=1) as rend, rend.client() as c, Bystander(rend) as bystander:
        assert served(c)
        stop(m)
        first = said(c, b"get back\r\n")
        assert first == TIMEOUT, first
        wait_for("it to be taken for down", lambda: said(c, b"get back\r\n") == DOWN)
        bystander.is_served()
        m.send_signal(signal.SIGCONT)
        wait_for("the backend to be used", lambda: served(c))
        c.ask(b"get back\r\n", b"VALUE back 0 1\r\nx\r\nEND\r\n")
        # The third one passes together with the silence that ends the connection.
        assert int(number(rend, "timeouts")) >= 2


def test_the_end_waits_for_a_stopped_backend_no_longer_than_for_its_clients():
    with Memcached() as m:
        with Rend(behind(m.server), workers=1) as rend, rend.client() as c:
            assert served(c)
            stop(m)
            c.say(b"get back\r\n")
            wait_for("the request to be under way", lambda: rend.stats("nodes")["back.in_flight"] == "1")
            begun = time.monotonic()
            assert rend.end() == 0, rend.tail()
            assert time.monotonic() - begun < 6


def test_a_stop_shorter_than_the_limit_is_only_a_wait():
    with Memcached() as m, Rend(beside(m.server, SLOW), workers=1) as rend, rend.client() as c, Bystander(rend) as bystander:
        assert served(c)
        stop(m)
        c.say(b"get back\r\n" * 100)
        bystander.is_served()
        c.sock.settimeout(0.3)
        try:
            assert False, c.sock.recv(1)
        except socket.timeout:
            pass
        c.sock.settimeout(harness.PATIENCE)
        m.send_signal(signal.SIGCONT)
        c.hear(b"VALUE back 0 1\r\nx\r\nEND\r\n" * 100)
        assert number(rend, "disconnects") == "0"


def misbehave_once(answer):
    """Answers the first get so, and the others truly."""
    state = {"done": False}

    def misbehave(conn, request):
        if state["done"] or request.key != "bad":
            return None
        state["done"] = True
        return answer(conn, request) if callable(answer) else answer

    return misbehave


GARBAGE = {
    "noise": b"\x80\x01\x02\xff" * 8,
    "html": b"HTTP/1.1 400 Bad Request\r\n\r\n",
    "a wrong opaque": lambda c, r: b"VA 5 f0 O%d\r\nhello\r\n" % (int(r.opaque) + 1),
    "no opaque": b"VA 5 f0\r\nhello\r\n",
    "a length over all limits": lambda c, r: b"VA 4294967295 f0 O%s\r\nhello\r\n" % r.opaque,
    "a negative length": lambda c, r: b"VA -1 f0 O%s\r\nhello\r\n" % r.opaque,
    "flags that are none": lambda c, r: b"VA 5 f99999999999 O%s\r\nhello\r\n" % r.opaque,
    "a value without an end": lambda c, r: b"VA 5 f0 O%s\r\nhello world\r\n" % r.opaque,
    "an answer to another verb": b"STORED\r\n",
    "two answers": lambda c, r: b"EN O%s\r\nEN O%s\r\n" % (r.opaque, r.opaque),
    "an endless line": b"x" * 100000,
}


def test_garbage_closes_the_connection_and_the_next_is_served():
    for name, answer in GARBAGE.items():
        with ScriptedBackend(misbehave_once(answer)) as b, Rend(beside(b.server), workers=1) as rend, rend.client() as c:
            with Bystander(rend):
                heard = said(c, b"get bad\r\n")
                # What came behind a good answer spoils only what would have come next.
                assert heard == (b"END\r\n" if name == "two answers" else DOWN), (name, heard)
                wait_for("the backend to be used", lambda: served(c))
            wait_for("the log to show it", lambda: rend.said("sent what cannot be an answer"))
            assert number(rend, "garbage") == "1", name
            assert b.connected == 2, (name, b.connected)


def test_a_claimed_length_takes_no_memory():
    def claim(conn, request):
        return b"VA 1000000000 f0 O%s\r\nhello" % request.opaque if request.verb == "mg" and not request.is_probe else None

    with ScriptedBackend(claim) as b, Rend(beside(b.server, QUICK + "links = 16;"), workers=1) as rend:
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


def test_a_read_is_asked_again_when_an_old_connection_breaks_and_a_write_is_not():
    state = {"cut": 0}

    def cut(conn, request):
        if request.key != "bad" or state["cut"] == 0:
            return None
        state["cut"] -= 1
        conn.reset()
        return SILENCE

    with ScriptedBackend(cut) as b, Rend(behind(b.server, 'request_timeout = "5s";'), workers=1) as rend, rend.client() as c:
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


def test_a_late_answer_is_nobodys():
    release = threading.Event()

    def late(conn, request):
        if request.key == "bad":
            release.wait(harness.PATIENCE)
            return b"VA 4 f0 O%s\r\nlate\r\n" % request.opaque
        return None

    with ScriptedBackend(late) as b, Rend(beside(b.server), workers=1) as rend, rend.client() as c, rend.client() as d:
        assert served(c)
        with Bystander(rend):
            c.ask(b"get bad\r\n", TIMEOUT)
            c.say(b"get back\r\n")
            wait_for("the next request to be under way", lambda: b.connections)
            release.set()
            # The late value was for somebody who has gone; this one gets its own.
            c.hear(b"VALUE back 0 1\r\nx\r\nEND\r\n")
            d.ask(b"get back\r\n", b"VALUE back 0 1\r\nx\r\nEND\r\n")
        assert number(rend, "disconnects") == "0"


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
        wait_for("it to close the connection", lambda: number(rend, "disconnects") != "0")
        assert served(c)
        assert not rend.said("is down"), rend.tail()


def test_a_backend_without_meta():
    with ScriptedBackend(meta=False) as b, Rend(behind(b.server), workers=1) as rend, rend.client() as c:
        c.ask(b"get k\r\n", b"END\r\n")
        c.ask(b"set k 7 0 5\r\nhello\r\n", b"STORED\r\n")
        c.ask(b"get k\r\n", b"VALUE k 7 5\r\nhello\r\nEND\r\n")
        version = c.say(b"gets k\r\n").until(b"END\r\n").split(b"\r\n")[0].split(b" ")[4]
        c.ask(b"cas k 0 0 1 %s\r\nb\r\n" % version, b"STORED\r\n")
        c.ask(b"cas k 0 0 1 %s\r\nc\r\n" % version, b"EXISTS\r\n")
        c.ask(b"set n 0 0 1\r\n5\r\nincr n 6\r\n", b"STORED\r\n11\r\n")
        c.ask(b"incr k 1\r\n", b"CLIENT_ERROR cannot increment or decrement non-numeric value\r\n")
        c.ask(b"touch k 9\r\ndelete k\r\ndelete k\r\n", b"TOUCHED\r\nDELETED\r\nNOT_FOUND\r\n")
        c.ask(b"gat 9 k\r\n", b"SERVER_ERROR not supported\r\n")
        c.ask(b"set %s 0 0 70000\r\n%s\r\n" % (b"big", b"y" * 70000), b"STORED\r\n")
        c.ask(b"get big\r\n", b"VALUE big 0 70000\r\n%s\r\nEND\r\n" % (b"y" * 70000))
        assert not any(r.verb in ("mg", "ms") for r in b.requests)
        wait_for("the log to say so", lambda: rend.said("classic text"))


def test_a_classic_backend_that_answers_for_another_key_or_forgets_the_end():
    for answer in (b"VALUE other 0 5\r\nhello\r\nEND\r\n", b"VALUE bad 0 5\r\nhello\r\nVALUE bad 0 5\r\n",
                   b"VALUE bad 0 2147483648\r\nhello\r\n"):
        with ScriptedBackend(misbehave_once(answer), meta=False) as b, Rend(behind(b.server), workers=1) as rend:
            with rend.client() as c:
                c.ask(b"get bad\r\n", DOWN)
                wait_for("the backend to be used", lambda: served(c))
                assert number(rend, "garbage") == "1"


def test_errors_of_the_backend_reach_the_client():
    rows = {
        b"SERVER_ERROR out of memory storing object\r\n": b"SERVER_ERROR out of memory storing object\r\n",
        b"SERVER_ERROR something else\r\n": ERROR,
        b"CLIENT_ERROR bad data chunk\r\n": ERROR,
    }
    for answer, heard in rows.items():
        with ScriptedBackend(misbehave_once(answer)) as b, Rend(behind(b.server), workers=1) as rend, rend.client() as c:
            c.ask(b"set bad 0 0 1\r\nx\r\n", heard)
            wait_for("the backend to be used", lambda: served(c))


def test_a_backend_that_takes_no_connections_in_time():
    full = socket.socket()
    full.bind(("127.0.0.1", 0))
    full.listen(0)
    fillers = []
    for _ in range(4):
        s = socket.socket()
        s.setblocking(False)
        s.connect_ex(full.getsockname())
        fillers.append(s)
    try:
        with Rend(beside(f"127.0.0.1:{full.getsockname()[1]}"), workers=1) as rend, rend.client() as c, Bystander(rend) as bystander:
            assert said(c, b"get k\r\n") in (TIMEOUT, DOWN)
            wait_for("it to be taken for down", lambda: said(c, b"get k\r\n") == DOWN)
            bystander.is_served()
            wait_for("the log to say so", lambda: rend.said("no answer to connect|is down"))
    finally:
        for s in fillers:
            s.close()
        full.close()


def test_a_backend_that_never_reads_is_given_up_and_its_queue_is_bounded():
    stuck = threading.Event()

    def stop_reading(conn, request):
        if request.key == "bad":
            stuck.wait(harness.PATIENCE)
        return None

    with ScriptedBackend(stop_reading) as b, Rend(beside(b.server, QUICK + "queue = 20;"), workers=1) as rend:
        with rend.client() as c, Bystander(rend) as bystander:
            assert served(c)
            c.say(b"get bad\r\n")
            body = b"z" * 500000
            heard = set()
            c.say(b"".join(b"set k%d 0 0 500000\r\n%s\r\n" % (i, body) for i in range(40)))
            for _ in range(41):
                heard.add(c.line() + b"\r\n")
            assert heard <= {TIMEOUT, DOWN, b"SERVER_ERROR backend busy\r\n"}, heard
            bystander.is_served()
            stuck.set()
            wait_for("the backend to be used", lambda: served(c))


def test_flapping_leaks_neither_connections_nor_memory():
    with ScriptedBackend() as b, Rend(beside(b.server), workers=2) as rend, rend.client() as c, Bystander(rend):
        def flap(times):
            for _ in range(times):
                c.say(b"get back\r\n" * 20 + b"set big 0 0 100000\r\n%s\r\n" % (b"q" * 100000) + b"mn0\r\n")
                b.cut()
                c.until(b"\r\nERROR\r\n")

        wait_for("the backend to be used", lambda: served(c))
        flap(50)
        fds, rss = rend.fds(), rend.rss_kb()
        flap(300)
        wait_for("the backend to be used", lambda: served(c))
        assert rend.fds() <= fds + 2, (fds, rend.fds())
        assert rend.rss_kb() < rss + 40000, (rss, rend.rss_kb())


def test_no_client_ever_gets_what_is_not_its_own():
    """Values say which key they are for.  The backend answers late, never, twice, with rubbish, and cuts connections."""
    rng = random.Random(11)
    lock = threading.Lock()

    def chaos(conn, request):
        with lock:
            dice = rng.random()
        if request.is_probe or dice > 0.005 or request.opaque is None:
            return None
        if dice < 0.001:
            conn.reset()
            return SILENCE
        if dice < 0.002:
            return b"VA 9 f0 O%s\r\nnot yours\r\n" % str(int(request.opaque) + 1).encode()
        if dice < 0.003:
            return b"\x00\xffrubbish\r\n"
        if dice < 0.004:
            conn.close()
            return SILENCE
        # The connection ends here, or the next answer could by chance fill the value to its length.
        conn.send(b"VA 50 f0 O%s\r\nhalf" % request.opaque)
        conn.close()
        return SILENCE

    def work(rend, number, faults, counts):
        own = random.Random(number)
        try:
            with rend.client() as c:
                up = True
                for i in range(400):
                    key = b"c%d-%d" % (number, own.randrange(8))
                    value = b"%s=%d;" % (key, i) * own.choice([1, 10, 500])
                    if not up:
                        wait_for("the backend to be used", lambda: served(c, b"c%d" % number))
                    line = said(c, b"set %s 0 0 %d\r\n%s\r\n" % (key, len(value), value))
                    up = line == b"STORED\r\n"
                    assert line == b"STORED\r\n" or line.startswith(b"SERVER_ERROR backend "), line
                    line = said(c, b"get %s\r\n" % key)
                    if not line.startswith(b"VALUE"):
                        assert line == b"END\r\n" or line.startswith(b"SERVER_ERROR backend "), line
                        counts[0] += 1
                        continue
                    words = line.split()
                    assert words[1] == key, (key, line)
                    body = c.until(b"\r\nEND\r\n")[:-7]
                    assert len(body) == int(words[3]) and body.startswith(key + b"="), (key, body[:50])
                    parts = set(body.split(b";")[:-1])
                    assert len(parts) == 1, parts
                    counts[1] += 1
        except (AssertionError, OSError) as e:
            faults.append(e)

    conf = behind("{}", 'request_timeout = "200ms";')
    with ScriptedBackend(chaos) as b, Rend(conf.replace("{}", b.server), workers=2) as rend:
        faults, counts = [], [0, 0]
        threads = [threading.Thread(target=work, args=(rend, n, faults, counts)) for n in range(6)]
        for t in threads:
            t.start()
        for t in threads:
            t.join(100)
        assert not faults, faults
        assert counts[0] > 0 and counts[1] > 1000, counts


if __name__ == "__main__":
    harness.main()
