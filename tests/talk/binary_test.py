#!/usr/bin/python3
"""The binary protocol as a client sees it: every opcode, clients that people use, and the same requests to a real memcached."""
import random
import struct
import subprocess

import harness
from harness import INMEM, Client, Memcached, Rend, behind, wait_for

import pylibmc

GET, SET, ADD, REPLACE, DELETE, INCREMENT, DECREMENT, QUIT, FLUSH, GETQ, NOOP, VERSION, GETK, GETKQ, APPEND, PREPEND = range(16)
STAT, SETQ, ADDQ, REPLACEQ, DELETEQ, INCREMENTQ, DECREMENTQ, QUITQ, FLUSHQ, APPENDQ, PREPENDQ, VERBOSITY = range(16, 28)
TOUCH, GAT, GATQ, GATK, GATKQ, GETE, GETEQ = 0x1c, 0x1d, 0x1e, 0x23, 0x24, 0x40, 0x41

NOT_FOUND = (1, b"Not found")
EXISTS = (2, b"Data exists for key.")
TOO_LARGE = (3, b"Too large.")
INVALID = (4, b"Invalid arguments")
NOT_STORED = (5, b"Not stored.")
NOT_A_NUMBER = (6, b"Non-numeric server-side value for incr or decr")
UNKNOWN = (0x81, b"Unknown command")
OK = (0, b"")

OPAQUE = 0xdeadbeef


def request(opcode, key=b"", extras=b"", value=b"", cas=0, opaque=OPAQUE, keylen=None, extlen=None, bodylen=None):
    return struct.pack(">BBHBBHIIQ", 0x80, opcode, len(key) if keylen is None else keylen, len(extras) if extlen is None else extlen,
                       0, 0, len(key) + len(extras) + len(value) if bodylen is None else bodylen, opaque, cas) + extras + key + value


def times(flags, exptime):
    return struct.pack(">II", flags, exptime)


def until(exptime):
    return struct.pack(">I", exptime)


def delta(by, initial=0, exptime=0xffffffff):
    return struct.pack(">QQI", by, initial, exptime)


class Binary(Client):
    """Says requests, hears answers."""

    def bytes(self, count):
        while len(self.heard) < count:
            self._more()
        got, self.heard = self.heard[:count], self.heard[count:]
        return got

    def answer(self):
        """opcode, status, key, extras, value, cas, opaque"""
        magic, opcode, keylen, extlen, datatype, status, bodylen, opaque, cas = struct.unpack(">BBHBBHIIQ", self.bytes(24))
        assert (magic, datatype) == (0x81, 0), (magic, datatype)
        body = self.bytes(bodylen)
        return opcode, status, body[extlen:extlen + keylen], body[:extlen], body[extlen + keylen:], cas, opaque

    def does(self, expected, opcode, *args, key=b"", extras=b"", **kw):
        """One request; its answer has this status and body.  Returns the version."""
        self.say(request(opcode, *args, **kw))
        return self.hears(expected, opcode, key, extras)

    def hears(self, expected, opcode, key=b"", extras=b""):
        got = self.answer()
        assert got[:5] == (opcode, expected[0], key, extras, expected[1]), f"{got} is not {expected} to {opcode:#x}"
        assert got[6] == OPAQUE, got
        return got[5]

    def in_step(self):
        """What was silent stays so: the next thing heard is the answer to this."""
        self.say(request(NOOP, opaque=7))
        assert self.answer() == (NOOP, 0, b"", b"", b"", 0, 7)
        return self


def binary(rend, which=0):
    return Binary(rend.address(which))


def test_each_opcode():
    with Rend() as rend, binary(rend) as c:
        flags = struct.pack(">I", 0x01020304)
        version = c.does(OK, SET, b"k", times(0x01020304, 0), b"hello")
        assert version > 0
        hit = (0, b"hello")
        c.say(request(GET, b"k"))
        assert c.hears(hit, GET, extras=flags) == version
        for opcode, key, extras in ((GETQ, b"", b""), (GETK, b"k", b""), (GETKQ, b"k", b""), (GAT, b"", until(100)), (GATQ, b"", until(0)),
                                    (GATK, b"k", until(0)), (GATKQ, b"k", until(0))):
            c.say(request(opcode, b"k", extras))
            assert c.hears(hit, opcode, key, flags) == version
        c.say(request(TOUCH, b"k", until(0)))
        assert c.hears(OK, TOUCH, extras=flags) == version
        c.does(EXISTS, ADD, b"k", times(0, 0), b"x")
        c.does(OK, REPLACE, b"k", times(0, 0), b"r")
        assert c.does(OK, APPEND, b"k", b"", b">") > version
        c.does(OK, PREPEND, b"k", b"", b"<")
        c.say(request(GET, b"k")).hears((0, b"<r>"), GET, extras=bytes(4))
        c.does(NOT_FOUND, REPLACE, b"n", times(0, 0), b"x")
        c.does(NOT_STORED, APPEND, b"n", b"", b"x")
        c.does(NOT_STORED, PREPEND, b"n", b"", b"x")
        c.does(OK, DELETE, b"k")
        c.does(NOT_FOUND, DELETE, b"k")
        c.does(NOT_FOUND, GET, b"k")
        c.does((1, b""), GETK, b"k", key=b"k")
        c.does(NOT_FOUND, TOUCH, b"k", until(0))
        c.does(NOT_FOUND, GAT, b"k", until(0))
        c.does((1, b""), GATK, b"k", until(0), key=b"k")
        c.does(OK, VERBOSITY, b"", until(1))
        c.does(OK, NOOP)
        c.say(request(VERSION))
        assert c.answer()[4].startswith(b"1.6.18-rend-")
        c.does(OK, QUIT)
        c.hear_end()


def test_numbers():
    with Rend() as rend, binary(rend) as c:
        def number(n):
            return 0, struct.pack(">Q", n)

        c.does(NOT_FOUND, INCREMENT, b"n", delta(1))
        first = c.does(number(5), INCREMENT, b"n", delta(1, 5, 0))
        assert c.does(number(6), INCREMENT, b"n", delta(1, 5, 0)) > first > 0
        c.does(number(0), DECREMENT, b"n", delta(100))
        c.does(number(2**64 - 1), INCREMENT, b"n", delta(2**64 - 1))
        c.does(number(0), INCREMENT, b"n", delta(1))
        c.does(EXISTS, INCREMENT, b"n", delta(1), cas=first)
        c.does(number(2**64 - 1), DECREMENT, b"m", delta(1, 2**64 - 1, 0))
        c.does(OK, SET, b"t", times(0, 0), b"text")
        c.does(NOT_A_NUMBER, INCREMENT, b"t", delta(1))
        c.does(NOT_A_NUMBER, DECREMENTQ, b"t", delta(1, 0, 0))
        c.does(NOT_FOUND, INCREMENTQ, b"none", delta(1))
        c.say(request(INCREMENTQ, b"q", delta(1, 10, 0)) + request(INCREMENTQ, b"q", delta(1)) + request(DECREMENTQ, b"q", delta(4))).in_step()
        c.say(request(GET, b"q")).hears((0, b"7 "), GET, extras=bytes(4))
        # Until 1970: gone at once.
        c.does(number(3), INCREMENT, b"gone", delta(1, 3, 60 * 60 * 24 * 30 + 1))
        c.does(NOT_FOUND, GET, b"gone")


def test_versions_are_compared_by_all_that_change():
    with Rend() as rend, binary(rend) as c:
        for opcode, extras in ((SET, times(0, 0)), (ADD, times(0, 0)), (REPLACE, times(0, 0)), (SETQ, times(0, 0)), (DELETE, b""),
                               (DELETEQ, b""), (INCREMENT, delta(1)), (DECREMENTQ, delta(1))):
            c.does(NOT_FOUND, opcode, b"k", extras, b"" if opcode in (DELETE, DELETEQ, INCREMENT, DECREMENTQ) else b"1", cas=1)
        c.does(NOT_STORED, APPEND, b"k", b"", b"1", cas=1)
        version = c.does(OK, SET, b"k", times(0, 0), b"1")
        for opcode, extras, value in ((SET, times(0, 0), b"2"), (ADDQ, times(0, 0), b"2"), (REPLACE, times(0, 0), b"2"), (APPENDQ, b"", b"2"),
                                      (PREPEND, b"", b"2"), (DELETEQ, b"", b""), (INCREMENT, delta(1), b"")):
            c.does(EXISTS, opcode, b"k", extras, value, cas=version + 1)
        c.say(request(GET, b"k"))
        assert c.hears((0, b"1"), GET, extras=bytes(4)) == version
        for opcode, extras, value in ((SET, times(0, 0), b"2"), (ADD, times(0, 0), b"3"), (REPLACE, times(0, 0), b"4"), (APPEND, b"", b"5"),
                                      (PREPEND, b"", b"6")):
            newer = c.does(OK, opcode, b"k", extras, value, cas=version)
            assert newer > version
            version = newer
        newer = c.does((0, struct.pack(">Q", 646)), INCREMENT, b"k", delta(1), cas=version)
        assert newer > version
        c.does(OK, DELETE, b"k", cas=newer)


def test_quiet_ones_say_what_fails_and_nothing_else():
    with Rend() as rend, binary(rend) as c:
        c.say(request(SETQ, b"a", times(0, 0), b"1") + request(ADDQ, b"b", times(0, 0), b"1") + request(REPLACEQ, b"a", times(0, 0), b"2") +
              request(APPENDQ, b"a", b"", b"3") + request(PREPENDQ, b"a", b"", b"1") + request(DELETEQ, b"b") + request(GETQ, b"b") +
              request(GETKQ, b"b") + request(GATQ, b"b", until(0)) + request(GATKQ, b"b", until(0)) + request(GETEQ, b"b")).in_step()
        c.say(request(GET, b"a")).hears((0, b"123"), GET, extras=bytes(4))
        c.say(request(ADDQ, b"a", times(0, 0), b"1") + request(REPLACEQ, b"b", times(0, 0), b"2") + request(APPENDQ, b"b", b"", b"3") +
              request(PREPENDQ, b"b", b"", b"1") + request(DELETEQ, b"b"))
        for opcode, failure in ((ADDQ, EXISTS), (REPLACEQ, NOT_FOUND), (APPENDQ, NOT_STORED), (PREPENDQ, NOT_STORED), (DELETEQ, NOT_FOUND)):
            c.hears(failure, opcode)
        c.in_step()
        c.say(request(FLUSHQ)).in_step()
        c.does(NOT_FOUND, GET, b"a")
        c.say(request(QUITQ)).hear_end()


def test_flush_may_come_later():
    with Rend() as rend, binary(rend) as c:
        c.does(OK, SET, b"k", times(0, 0), b"1")
        c.does(OK, FLUSH, b"", until(1000))
        c.say(request(GET, b"k")).hears((0, b"1"), GET, extras=bytes(4))
        c.does(OK, FLUSH, b"", until(1))

        def gone():
            c.say(request(GET, b"k"))
            return c.answer()[1] == 1

        wait_for("the flush", gone)
        c.does(OK, SET, b"k", times(0, 0), b"2")
        c.does(OK, FLUSH)
        c.does(NOT_FOUND, GET, b"k")


def test_flush_where_it_is_forbidden():
    with Rend(fields="enable_flush = false;") as rend, binary(rend) as c:
        c.does(OK, SET, b"k", times(0, 0), b"1")
        c.does((0x20, b"Auth failure."), FLUSH)
        c.does((0x20, b"Auth failure."), FLUSHQ, b"", until(5))
        c.say(request(GET, b"k")).hears((0, b"1"), GET, extras=bytes(4))


def test_gete_tells_the_time_of_death():
    with Rend() as rend, binary(rend) as c, rend.client() as text:
        now = int(text.stats()["time"])
        for exptime, earliest, latest in ((0, 0, 0), (100, now + 100, now + 140), (now + 10_000_000, now + 10_000_000, now + 10_000_000)):
            c.does(OK, SET, b"k", times(9, exptime), b"v")
            for opcode in (GETE, GETEQ):
                c.say(request(opcode, b"k"))
                got = c.answer()
                flags, told = struct.unpack(">II", got[3])
                assert got[:3] == (opcode, 0, b"") and got[4] == b"v" and flags == 9, got
                assert earliest <= told <= latest, (earliest, told, latest)
        c.does(NOT_FOUND, GETE, b"none")


def test_the_load_client_of_the_first_rend():
    with Rend() as rend, binary(rend) as c:
        c.does(OK, SET, b"key12345", times(3, 0), b"v")
        c.say(request(GAT, b"key12345", until(100), bodylen=8))
        c.hears((0, b"v"), GAT, extras=struct.pack(">I", 3))
        c.in_step()


def stats(c, group=b""):
    c.say(request(STAT, group))
    found = {}
    while True:
        opcode, status, name, extras, value, cas, opaque = c.answer()
        assert (opcode, status, extras, cas, opaque) == (STAT, 0, b"", 0, OPAQUE)
        if not name:
            assert not value
            return found
        found[name] = value


def test_stats():
    with Rend() as rend, binary(rend) as c:
        c.does(OK, SET, b"k", times(0, 0), b"1")
        found = stats(c)
        assert found[b"cmd_set"] == b"1" and int(found[b"pid"]) == rend.child.pid
        assert set(found) == {name.encode() for name in rend.stats()}
        assert b"item_size_max" in stats(c, b"settings")
        assert stats(c, b"reset") == {}
        assert stats(c)[b"cmd_set"] == b"0"
        c.does(NOT_FOUND, STAT, b"nonesuch")
        c.does(NOT_FOUND, STAT, b"x" * 250)
        c.in_step()


def test_a_set_is_answered_when_its_last_byte_is_there():
    with Rend() as rend, binary(rend) as c:
        for size in (0, 1, 1000, 20_000, 100_000, 1 << 20):
            whole = request(SET, b"k", times(0, 0), b"v" * size)
            c.say(whole).hears(OK, SET)
            c.say(whole[:-1])
            with rend.client() as other:
                other.ask(b"verbosity 1\r\n", b"OK\r\n")
            c.say(whole[-1:]).hears(OK, SET)
            c.say(request(GET, b"k")).hears((0, b"v" * size), GET, extras=bytes(4))


def test_every_split():
    talk = [(request(SET, b"k", times(5, 0), b"0123456789"), OK, SET, b""),
            (request(APPEND, b"k", b"", b"\x80\x0a"), OK, APPEND, b""),
            (request(GETK, b"k"), (0, b"0123456789\x80\x0a"), GETK, struct.pack(">I", 5)),
            (request(SET, b"e", times(0, 0)), OK, SET, b""),
            (request(0x77, b"kk", b"ee", b"vv"), UNKNOWN, 0x77, b""),
            (request(SET, b"big", times(0, 0), bytes(1100)), TOO_LARGE, SET, b""),
            (request(INCREMENT, b"n", delta(1, 5, 0)), (0, struct.pack(">Q", 5)), INCREMENT, b""),
            (request(DELETE, b"n"), OK, DELETE, b"")]
    packet = b"".join(row[0] for row in talk)
    with Rend(fields='item_size_max = "1KiB";') as rend, binary(rend) as c:
        for at in range(len(packet) + 1):
            c.say(packet[:at]).say(packet[at:])
            for _, expected, opcode, extras in talk:
                c.hears(expected, opcode, b"k" if opcode == GETK else b"", extras)
        for i in range(len(packet)):
            c.say(packet[i:i + 1])
        for _, expected, opcode, extras in talk:
            c.hears(expected, opcode, b"k" if opcode == GETK else b"", extras)
        c.in_step()


def test_too_large_drops_what_was_there():
    with Rend() as rend, binary(rend) as c:
        big = bytes((1 << 20) + 1)
        for opcode, stays in ((SET, False), (SETQ, False), (ADD, True), (REPLACE, True), (APPEND, True), (PREPENDQ, True)):
            c.does(OK, SET, b"k", times(0, 0), b"1")
            c.does(TOO_LARGE, opcode, b"k", b"" if opcode in (APPEND, PREPENDQ) else times(0, 0), big)
            if stays:
                c.say(request(GET, b"k")).hears((0, b"1"), GET, extras=bytes(4))
            else:
                c.does(NOT_FOUND, GET, b"k")


def test_nonsense_is_told_so_and_closed():
    nonsense = [request(GET, b"k", b"eeee"), request(GET), request(GET, b"k", value=b"v"), request(GET, b"k" * 251), request(SET, b"k", value=b"v"),
                request(SET, extras=times(0, 0), value=b"v"), request(INCREMENT, b"k", b"x" * 19), request(TOUCH, b"k", until(0), b"v"),
                request(DELETE, b"k", value=b"v"), request(NOOP, b"k"), request(QUITQ, value=b"v"), request(FLUSH, extras=b"12345"),
                request(STAT, b"settings", value=b"v"), request(VERSION, extras=b"v"), request(APPEND, b"k", b"eeee", b"v")]
    with Rend() as rend:
        for data in nonsense:
            with binary(rend) as c:
                c.say(data[:24])  # nothing behind the header is waited for
                c.hears(INVALID, data[1])
                c.hear_end()
        for keylen, extlen, bodylen in ((5, 0, 4), (0, 1, 0), (65535, 255, 1), (65535, 255, 65535 + 254)):
            with binary(rend) as c:
                c.say(request(SET, keylen=keylen, extlen=extlen, bodylen=bodylen)).hears(UNKNOWN, SET)
                c.hear_end()


def test_claims_cost_nothing():
    with Rend() as rend, binary(rend) as c:
        before = rend.rss_kb()
        others = [binary(rend) for _ in range(50)]
        for other in others:
            other.say(request(SET, b"k", times(0, 0), bodylen=0xffffffff) + bytes(100_000)).hears(TOO_LARGE, SET)
        for other in others:
            other.say(request(0x99, bodylen=0xffffffff) + bytes(100_000))
        wait_for("all to be read", lambda: int(rend.stats()["bytes_read"]) > 50 * 200_000)
        assert rend.rss_kb() - before < 64 * 1024
        for other in others:
            other.close()
        c.in_step()


def listeners(protocol):
    return INMEM.replace("port = 0;", f'port = 0; protocol = "{protocol}";')


def test_one_protocol_for_life():
    version = request(VERSION)
    with Rend() as rend:
        with binary(rend) as c:
            c.in_step().say(b"get k\r\n").hear_end()
        with rend.client() as c:
            c.ask(b"get k\r\n", b"END\r\n").say(version + b"\r\n").hear(b"ERROR\r\n")
            c.ask(b"get k\r\n", b"END\r\n")
    with Rend(listeners("text")) as rend:
        with binary(rend) as c:
            c.say(version).hear_end()
        with rend.client() as c:
            c.ask(b"get k\r\n", b"END\r\n")
    with Rend(listeners("binary")) as rend:
        with binary(rend) as c:
            c.in_step()
        with rend.client() as c:
            c.say(b"get k\r\n").hear_end()


# Keys that text cannot say: only over handlers that take any byte.
def test_keys_of_any_byte():
    keys = [b"a b", b"\r\n", b"\0", b"\xff" * 250, b"get k\r\nget k", bytes(range(250))]
    with Rend() as rend, binary(rend) as c:
        for i, key in enumerate(keys):
            c.does(OK, SET, key, times(i, 0), key)
        for i, key in enumerate(keys):
            c.say(request(GETK, key)).hears((0, key), GETK, key, struct.pack(">I", i))


def test_a_run_of_quiet_gets_is_answered_in_order():
    with Rend() as rend, binary(rend) as c:
        count = 5000
        for i in range(0, count, 2):
            c.say(request(SETQ, b"key%d" % i, times(0, 0), b"%d" % i * 20))
        c.in_step()
        c.say(b"".join(request(GETKQ, b"key%d" % i, opaque=i) for i in range(count)) + request(NOOP, opaque=count))
        for i in range(0, count, 2):
            assert c.answer()[1:5] == (0, b"key%d" % i, bytes(4), b"%d" % i * 20)
        assert c.answer()[0] == NOOP


def test_a_backend_that_is_away():
    with Memcached() as memcached, Rend(behind(memcached.server)) as rend, binary(rend) as c:
        c.say(request(NOOP)).hears(OK, NOOP)
        wait_for("the backend", lambda: c.say(request(GET, b"k")).answer()[1] == 1)
        memcached.end()
        down = wait_for("it to be missed", lambda: (lambda a: a if a[1] != 1 else None)(c.say(request(GET, b"k")).answer()))
        assert down[1] == 0x86 and down[4] in (b"Backend down", b"Backend timeout"), down
        c.does((0x86, b"Backend down"), GETQ, b"k")
        c.does((0x86, b"Backend down"), SETQ, b"k", times(0, 0), b"v")
        c.in_step()


# ---- the same to both ----

def random_request(rng, counters, steps):
    key = rng.choice([b"a", b"b", b"num", b"none", b"x" * 250])
    cas = rng.choice([0, 0, 0, 0, 2**62, 2**63])
    exptime = rng.choice([0, 0, 1000])
    opaque = rng.getrandbits(32)
    value = rng.choice([b"", b"1", b"42", b"text", b"\x80" * 30, b"z" * 3000])
    row = rng.randrange(10)
    if row == 0:
        return request(rng.choice([GET, GETQ, GETK, GETKQ]), key, cas=cas, opaque=opaque)
    if row == 1:
        return request(rng.choice([TOUCH, GAT, GATQ, GATK, GATKQ]), key, until(exptime), cas=cas, opaque=opaque)
    if row in (2, 3):
        return request(rng.choice([SET, ADD, REPLACE, SETQ, ADDQ, REPLACEQ]), key, times(rng.getrandbits(32), exptime), value, cas, opaque)
    if row == 4:
        return request(rng.choice([APPEND, PREPEND, APPENDQ, PREPENDQ]), key, b"", value, cas, opaque)
    if row in (5, 6):
        # Without a version: that an empty value is no number memcached says first, rend second.
        return request(rng.choice(counters), rng.choice([key, b"num"]),
                       delta(rng.choice(steps), rng.choice([0, 99]), rng.choice([0, 0xffffffff])), opaque=opaque)
    if row == 7:
        return request(rng.choice([DELETE, DELETEQ]), key, cas=cas, opaque=opaque)
    if row == 8:
        return request(rng.choice([0x1f, 0x7f, 0xff]), value=b"v" * rng.randrange(3), opaque=opaque)
    return request(rng.choice([NOOP, NOOP, FLUSH, FLUSHQ]), opaque=opaque)


def heard(c):
    """All answers up to that to the last request; versions only by whether there is one."""
    answers = []
    while True:
        opcode, status, key, extras, value, cas, opaque = c.answer()
        if (opcode, opaque) == (NOOP, 0x01020304):
            return answers
        answers.append((opcode, status, key, extras, value, cas != 0, opaque))


def compare(seed, rounds, at_once, counters, steps):
    # A number that gets shorter is filled with spaces, but by memcached only if nobody else holds the item: its own threads do not.
    alone = ("-o", "no_lru_maintainer,no_lru_crawler")
    with Memcached(*alone) as memcached, Rend() as rend, Binary(memcached.path) as theirs, binary(rend) as ours:
        rng = random.Random(seed)
        for _ in range(rounds):
            asked = b"".join(random_request(rng, counters, steps) for _ in range(at_once)) + request(NOOP, opaque=0x01020304)
            theirs.say(asked)
            ours.say(asked)
            expected, got = heard(theirs), heard(ours)
            assert expected == got, f"seed {seed}: asked {asked[:400]}, memcached {expected[:4]}, rend {got[:4]}"


# No numbers from 2^63 on: memcached looks for a minus sign in one that large, and does not stop looking where the item ends.
def test_random_requests_are_answered_as_memcached_does():
    for seed in range(3):
        compare(seed, 2000, 1, (INCREMENT, DECREMENT, INCREMENTQ, DECREMENTQ), (0, 1, 10**9))


# An answer that is still to be written holds the item, too: here no number gets shorter.
def test_random_packets_are_answered_as_memcached_does():
    for seed in range(3):
        compare(seed, 40, 100, (INCREMENT, INCREMENTQ), (0, 1))


# ---- clients that people use ----

def use_pylibmc(rend):
    c = pylibmc.Client(["127.0.0.1:%d" % rend.port], binary=True, behaviors={"cas": True, "tcp_nodelay": True})
    assert c.set("k", "text") and c.get("k") == "text"
    assert c.set("number", 5) and c.incr("number", 3) == 8 and c.decr("number") == 7
    assert not c.add("k", "w") and c.add("new", "w") and c.replace("k", "r")
    value, version = c.gets("k")
    assert value == "r" and c.cas("k", "s", version) and not c.cas("k", "t", version)
    assert c.append("new", "x") and c.prepend("new", "y") and c.get("new") == "ywx"
    assert c.set_multi({"m%d" % i: i for i in range(100)}) == []
    assert c.get_multi(["m%d" % i for i in range(101)]) == {"m%d" % i: i for i in range(100)}
    assert c.touch("k", 100)
    assert c.delete("k") and not c.delete("k") and c.get("k") is None
    big = b"z" * 900000
    assert c.set("big", big) and c.get("big") == big
    assert c.get_stats()[0][1]
    c.flush_all()
    assert c.get("big") is None
    c.disconnect_all()


def test_pylibmc_in_memory():
    with Rend() as rend:
        use_pylibmc(rend)


def test_pylibmc_over_memcached():
    with Memcached() as memcached, Rend(behind(memcached.server)) as rend:
        with binary(rend) as c:
            wait_for("the backend", lambda: c.say(request(GET, b"k")).answer()[1] == 1)
        use_pylibmc(rend)


def test_memccapable():
    with Rend() as rend:
        done = subprocess.run(["memccapable", "-b", "-h", "127.0.0.1", "-p", str(rend.port)], stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=300)
        said = done.stdout + done.stderr
        assert done.returncode == 0 and "All tests passed" in said and "[FAIL]" not in said, said


if __name__ == "__main__":
    harness.main()
