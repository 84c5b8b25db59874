#!/usr/bin/python3
"""The same random commands to a real memcached and to rend over inmem: the same answers, byte by byte.

What differs is in docs/protocol.md, and each such row is here: both answers are pinned.  Versions are compared as the server's first,
second, ... of that key; times that are left, and ages, within a second and as long as one batch took.

usage: differential_test.py [--long] [--seed=N] [test...]; or REND_LONG=1, REND_SEED=N

Things memcached itself does not do the same way twice are kept out.  A number that gets shorter keeps its length with spaces only while nobody
else holds the item: its own threads may (they are switched off, no_modern), or an answer on its way (so all is answered before anybody counts).
What it makes of a value of nothing but white space depends on what lies behind it in memory.  Behind a delayed flush_all, it finds again what an
earlier one has flushed.
"""
import collections
import math
import os
import random
import secrets
import socket
import struct
import sys
import threading
import time

import covered
import differences
import harness
import streams
from harness import Memcached, Rend
from streams import Ask, Binary, Text

# Without a number, another one each time: it is printed.
SEED = os.environ.get("REND_SEED", "")
LONG = os.environ.get("REND_LONG", "") or os.environ.get("REND_TEST_LONG", "")

# Commands of each stream, and of one epoch: its keys are its own, so that one difference does not lead to others.
COMMANDS = {"text": 200000, "binary": 100000}
TIMES_LONG = 20
EPOCH = 120
BATCH = 30

# Bytes that a socket takes, whoever listens.
AT_ONCE = 64 * 1024

SERVER_CONF = """
handlers = { mem = { plugin = "inmem"; memory = "64MiB"; }; };
policies = { main = { plugin = "l1only"; l1 = "mem"; }; };
listeners = ( { path = "rend.sock"; policy = "main"; } );
"""

CLOSED = differences.CLOSED
OPEN = b"<still open>"
SILENT = b"<nothing more>"


class Talker:
    """One server: what it was asked, what it answered, which versions it gave."""

    def __init__(self, address, end):
        self.address, self.end = address, end
        self.seen = {}      # key: versions in the order in which they appeared
        self.count = 0
        self.sock = None
        self.patience = harness.PATIENCE

    def open(self):
        self.close()
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.patience)
        self.sock.connect(self.address)

    def close(self):
        if self.sock is not None:
            self.sock.close()
        self.sock = None

    def recv(self):
        try:
            return self.sock.recv(1 << 20) or CLOSED
        except ConnectionResetError:
            return CLOSED
        except socket.timeout:
            return SILENT

    def exchange(self, asks):
        """The answers' bytes, one for each.  Behind each stands an end: a command whose answer is like no other."""
        if self.sock is None:
            self.open()
        wire, ends = [], []
        for ask in asks:
            self.count += 1
            question, answer = self.end(self.count)
            wire += [ask.bytes(self.seen), question]
            ends.append(answer)
        self.say(b"".join(wire))
        heard, answers, at = b"", [], 0
        for end in ends:
            while (found := heard.find(end, at)) < 0:
                more = self.recv()
                if more in (CLOSED, SILENT):
                    self.close()
                    return answers + [heard[at:] + more] + [b"<not asked>"] * (len(ends) - len(answers) - 1)
                heard += more
            answers.append(heard[at:found])
            at = found + len(end)
        return answers

    def say(self, data):
        """Sends, and does not mind if nobody listens any more: that is seen by what is heard."""
        if len(data) <= AT_ONCE:
            self.send(self.sock, data)
        else:
            # A server whose answers nobody takes stops listening.
            threading.Thread(target=self.send, args=(self.sock, data), daemon=True).start()

    @staticmethod
    def send(sock, data):
        try:
            sock.sendall(data)
        except OSError:
            pass

    def last(self, ask):
        """What comes to a question that ends the connection."""
        if self.sock is None:
            self.open()
        self.say(ask.bytes(self.seen))
        heard = b""
        while (more := self.recv()) not in (CLOSED, SILENT):
            heard += more
        self.close()
        return heard + (CLOSED if more == CLOSED else OPEN)

    def symbol(self, key, version):
        if not isinstance(version, int) or version == 0:
            return version
        known = self.seen.setdefault(key, [])
        if version not in known:
            known.append(version)
        return "v%d" % known.index(version)


def end_text(n):
    return b"ms _ 0 Oend%d\r\n\r\n" % n, b"HD Oend%d\r\n" % n


def end_binary(n):
    opaque = 0x80000000 + n
    return b"".join(streams.request(0x0a, opaque=opaque)), struct.pack(">BBHBBHIIQ", 0x81, 0x0a, 0, 0, 0, 0, 0, opaque, 0)


# name: what is asked, how the end of an answer is made sure of, how answers are read, what kind they are, what has to come up
PROTOCOLS = {
    "text": (Text, end_text, streams.read_text, streams.outcome_text, covered.text_rows()),
    "binary": (Binary, end_binary, streams.read_binary, streams.outcome_binary, covered.binary_rows()),
}


def same_time(their, our, apart):
    """Seconds, at most so far apart; without end (-1) is not the same as any."""
    return isinstance(their, int) and isinstance(our, int) and abs(their - our) <= apart and (their == -1) == (our == -1)


def same(theirs, ours, known, apart):
    """Fields with symbols for versions.  known: gets the rows that differ as they should.  apart: seconds."""
    if len(theirs) != len(ours):
        return False
    for (kind, _, their), (our_kind, _, our) in zip(theirs, ours):
        if kind != our_kind:
            return False
        if kind == streams.SIZE:
            known.append(streams.SLABS)
            continue
        if kind == streams.UNTIL and their != -1 and isinstance(their, int) and same_time(-their, our, apart):
            known.append(streams.UNTIL_SIGN)
            continue
        if their == our or kind == streams.TIME and same_time(their, our, apart):
            continue
        # memcached notes an access once a minute at most, so under load its ages run ahead of ours.
        if kind == streams.AGE and isinstance(their, int) and isinstance(our, int) and 0 <= our <= their + apart and their - our <= 60:
            continue
        if kind == streams.TIME and our == 0 and isinstance(their, int) and 2**31 < their < 2**32:
            known.append(streams.PASSED)
            continue
        return False
    return True


def named(talker, fields):
    return [(kind, key, talker.symbol(key, value) if kind == streams.VERSION else value) for kind, key, value in fields]


class Comparison:
    def __init__(self, protocol, seed):
        self.stream, self.end, self.read, self.outcome, self.rows = PROTOCOLS[protocol]
        self.name, self.seed = protocol, seed
        self.dice = random.Random(seed)
        self.covered = collections.Counter()
        self.differences = []
        self.slowest = 0.0      # seconds from the first question of a batch to one to the last answer of the other

    def cover(self, ask, fields):
        kind = self.outcome(ask, fields)
        self.covered[ask.name, "", kind] += 1
        for flag in ask.flags:
            self.covered[ask.name, flag, kind] += 1
            for sign in streams.signs(fields):
                self.covered[ask.name, flag, sign] += 1

    def check(self, ask, theirs, ours, before):
        """Are these answers to one question the same?"""
        if ask.differs is not None:
            row, their, our = ask.differs
            assert row in differences.TEXT, row
            self.covered["differs", row, "as known"] += 1
            good = (theirs, ours) == (their, our)
        else:
            their_fields, our_fields = (named(t, self.read(heard, ask.key)) for t, heard in zip(self.talkers, (theirs, ours)))
            known = []
            good = same(their_fields, our_fields, known, 1 + math.ceil(self.slowest))
            for row in known:
                assert row in differences.TEXT, row
                self.covered["differs", row, "as known"] += 1
            self.cover(ask, our_fields)
        if not good:
            about = [repr(b) for b in before if b.key == ask.key or ask.key in repr(b).encode()][-8:]
            self.differences.append(f"{ask!r}\n    memcached {theirs[:300]!r}\n    rend      {ours[:300]!r}\n    after " + "\n          ".join(about))
        return good

    def epoch(self, number):
        asks = self.stream(self.dice, b"%s%d_" % (self.name[:1].encode(), number))
        before, left = [], EPOCH
        while left > 0:
            batch = []
            while len(batch) < BATCH and len(batch) < left:
                ask = asks.next()
                if ask.alone and batch:
                    self.waiting = ask
                    break
                batch.append(ask)
                if ask.alone and (ask.closes or ask.differs or ask.name.startswith("bad") or ask.stirs):
                    break
            left -= len(batch)
            if not self.run(batch, before):
                return
            if self.waiting is not None:
                # It was asked alone: what it needs is that all before it is answered.
                ask, self.waiting = self.waiting, None
                left -= 1
                if not self.run([ask], before) or ask.stirs:
                    return
            elif batch[-1].stirs:
                return

    waiting = None

    def run(self, batch, before):
        began = time.monotonic()
        if batch[0].closes:
            theirs, ours = ([t.last(batch[0])] for t in self.talkers)
        else:
            theirs, ours = (t.exchange(batch) for t in self.talkers)
        self.slowest = max(self.slowest, time.monotonic() - began)
        for ask, their, our in zip(batch, theirs, ours):
            good = self.check(ask, their, our, before)
            before.append(ask)
            if not good:
                for t in self.talkers:
                    t.close()
                return False
        return True

    def go(self, commands, most=10):
        """Until so many commands have been compared, or so many differed."""
        with Memcached("-o", "no_modern") as memcached, Rend(SERVER_CONF) as rend:
            self.talkers = [Talker(memcached.path, self.end), Talker(os.path.join(rend.folder, "rend.sock"), self.end)]
            number = 0
            while self.talkers[0].count < commands and len(self.differences) < most:
                self.epoch(number)
                for t in self.talkers:
                    t.seen.clear()
                number += 1
            for t in self.talkers:
                t.close()
        return self


def compare(protocol):
    seed = int(SEED) if SEED else secrets.randbelow(10**9)
    count = COMMANDS[protocol] * (TIMES_LONG if LONG else 1)
    print(f"{protocol}: seed {seed}, {count} commands", flush=True)
    comparison = Comparison(protocol, seed).go(count)
    lines, missing = covered.table(comparison.covered, comparison.rows)
    print("\n".join(lines), flush=True)
    assert not comparison.differences, f"seed {seed}: {len(comparison.differences)} answers differ:\n" + "\n".join(comparison.differences)
    assert not missing, f"seed {seed}: never came up: {missing}"


def test_text_and_meta():
    compare("text")


def test_binary():
    compare("binary")


# ---- known differences ----


# A section of docs/protocol.md, and what we know of its table.
TABLES = (("What differs from memcached", differences.TEXT), ("The binary protocol", differences.BINARY))


def test_differences_are_documented():
    """One entry for each row, one row for each entry."""
    for section, known in TABLES:
        rows = [row["input"] for row in differences.rows_of(section)]
        assert len(rows) >= 8 and len(set(rows)) == len(rows), rows
        assert sorted(rows) == sorted(known), f"{section}: only documented {set(rows) - set(known)}, only here {set(known) - set(rows)}"


def test_rows_say_what_their_examples_show():
    """Each answer that a row names is in an example of it, from the one who gives it."""
    found = 0
    for section, known in TABLES:
        for row in differences.rows_of(section):
            for column, which in (("memcached 1.6.18", 1), ("rend", 2)):
                examples = [differences.shown(example[which]) for example in known[row["input"]]]
                for part in differences.answers_in(row, column):
                    assert any(part in example for example in examples), f"{row['input']}: no example has {part!r} from {column}"
                    found += 1
    assert found >= 40, found


def heard_alone(address, end, question, patience):
    """The answer on a connection of its own; closed, if that is how it ends."""
    t = Talker(address, end)
    t.patience = patience
    heard = t.exchange([Ask("known", question)])[0]
    t.close()
    return heard


def test_each_difference_is_there():
    """Each server answers each example as its row says."""
    with Memcached("-o", "no_modern") as memcached, Rend(SERVER_CONF) as rend:
        for known, end in ((differences.TEXT, end_text), (differences.BINARY, end_binary)):
            for row, examples in known.items():
                assert examples, row
                for question, theirs, ours in examples:
                    for who, address, expected in (("memcached", memcached.path, theirs),
                                                   ("rend", os.path.join(rend.folder, "rend.sock"), ours)):
                        if expected is differences.ANY:
                            continue
                        # What memcached does not answer it will never answer; but what came to nothing so soon may only have been late.
                        for patience in (2, harness.PATIENCE):
                            with harness.Client(address) as c:
                                c.ask(b"flush_all\r\n", b"OK\r\n")
                            heard = heard_alone(address, end, question, patience)
                            if differences.said(expected, heard) or SILENT not in heard:
                                break
                        assert differences.said(expected, heard), f"{row}: {question[:200]!r}: {who} says {heard[:300]!r}, not {expected!r}"


# ---- names ----

STATS = """pid uptime time version libevent pointer_size rusage_user rusage_system max_connections curr_connections total_connections
    rejected_connections connection_structures cmd_get cmd_set cmd_flush cmd_touch get_hits get_misses delete_misses delete_hits incr_misses
    incr_hits decr_misses decr_hits cas_misses cas_hits cas_badval touch_hits touch_misses bytes_read bytes_written limit_maxbytes threads
    conn_yields curr_items total_items bytes evictions expired_unfetched evicted_unfetched reclaimed""".split()
SETTINGS = "maxconns domain_socket evictions cas_enabled flush_enabled item_size_max tcp_backlog binding_protocol idle_timeout".split()


def test_stats_have_memcacheds_names():
    with Memcached() as memcached, Rend() as rend:
        for group, names in (("", STATS), ("settings", SETTINGS)):
            with harness.Client(memcached.path) as theirs, rend.client() as ours:
                their, our = theirs.stats(group), ours.stats(group)
            assert not set(names) - set(their), f"stats {group}: memcached has no {set(names) - set(their)}"
            assert not set(names) - set(our), f"stats {group}: rend has no {set(names) - set(our)}"


if __name__ == "__main__":
    for argument in sys.argv[1:]:
        if argument == "--long":
            LONG = "1"
        elif argument.startswith("--seed="):
            SEED = argument[7:]
    sys.argv[1:] = [a for a in sys.argv[1:] if not a.startswith("--")]
    harness.main(limit=3600 if LONG else 1200)
