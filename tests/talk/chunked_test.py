#!/usr/bin/python3
"""Values in pieces: byte by byte as the original has them, at a real memcached; and what the original did wrong.

Original below writes and reads as its format says, by itself, past rend.
"""
import os
import struct
import threading
import time

import harness
from backends import QUICK, SLOW, SOON, heard, said
from harness import Client, Memcached, Rend, wait_for
from scripted_backend import SILENCE, ScriptedBackend

ITEM, OVERHEAD, TOKEN = 1184, 71, 16
LENGTHS = (0, 1, 1089, 1090, 1091, 2180, 5000, 300_000)
KEY = b"sevenby"  # of seven bytes: 1090 of a value in each piece


def over(below, more=""):
    return f"""
handlers = {{
    below = {{ {below} }};
    big = {{ plugin = "chunked"; over = "below"; {more} }};
}};
policies = {{ main = {{ plugin = "l1only"; l1 = "big"; }}; raw = {{ plugin = "l1only"; l1 = "below"; }}; }};
listeners = ( {{ port = 0; policy = "main"; }}, {{ port = 0; policy = "raw"; }} );
"""


def over_memcached(server, more="", waits=SLOW):
    return over(f'plugin = "memcached"; servers = [ "{server}" ]; {waits}', more)


INMEM = over('plugin = "inmem"; memory = "64MiB";')


def value(length, seed=0):
    return bytes((i * 31 + i // 251 + seed * 7) % 256 for i in range(length))


def data_size(key):
    return ITEM - OVERHEAD - len(key) - TOKEN


class Original:
    """Says the original's layout to what keeps the pieces."""

    def __init__(self, client):
        self.client = client

    def put(self, key, body, flags=0, exptime=0):
        self.client.ask(b"set %s %d %d %d\r\n%s\r\n" % (key, flags, exptime, len(body), body), b"STORED\r\n")

    def get(self, key):
        """The item and its flags, or None."""
        line = self.client.say(b"get %s\r\n" % key).line()
        if line == b"END":
            return None
        _, name, flags, length = line.split()
        assert name == key, line
        body = self.client.until(b"\r\nEND\r\n")[:-7]
        assert len(body) == int(length), (key, len(body), length)
        return body, int(flags)

    def drop(self, key):
        self.client.ask(b"delete %s\r\n" % key, b"DELETED\r\n")

    def set(self, key, body, flags=0, ttl=0, token=None, written=None, skip=()):
        size, token = data_size(key), token or os.urandom(TOKEN)
        count = -(-len(body) // size)
        now = int(time.time())
        self.put(b"%s-meta" % key, struct.pack(">6I", len(body), flags, count, size, now if written is None else written,
                                              now + ttl if ttl else 0) + token, flags, ttl)
        for i in range(count):
            if i not in skip:
                self.put(b"%s-%d" % (key, i), token + body[i * size:(i + 1) * size].ljust(size, b"\0"), flags, ttl)

    def read(self, key):
        """The value and its flags, or None; asserts that all is as the original writes it."""
        meta = self.get(b"%s-meta" % key)
        if meta is None:
            return None
        assert len(meta[0]) == 40, meta
        length, flags, count, size, written, _ = struct.unpack(">6I", meta[0][:24])
        token = meta[0][24:]
        assert size == data_size(key) and count == -(-length // size), (key, length, count, size)
        assert meta[1] == flags and abs(written - time.time()) < 60, (meta, flags, written)
        body = b""
        for i in range(count):
            piece = self.get(b"%s-%d" % (key, i))
            assert piece is not None and len(piece[0]) == TOKEN + size and piece[1] == flags, (key, i, piece and piece[1])
            assert piece[0][:TOKEN] == token, (key, i)
            body += piece[0][TOKEN:]
        assert body[length:] == b"\0" * (len(body) - length)
        return body[:length], flags


def hit(client, key, body, flags=0):
    client.ask(b"get %s\r\n" % key, b"VALUE %s %d %d\r\n%s\r\nEND\r\n" % (key, flags, len(body), body))


def miss(client, key):
    client.ask(b"get %s\r\n" % key, b"END\r\n")


def store(client, key, body, flags=0, exptime=0, verb=b"set", answer=b"STORED\r\n"):
    client.ask(b"%s %s %d %d %d\r\n%s\r\n" % (verb, key, flags, exptime, len(body), body), answer)


class Stack:
    """rend over a memcached, a client of each, and the original at that memcached."""

    def __init__(self, more="", workers=2, fields=None):
        self.more, self.workers, self.fields = more, workers, fields

    def __enter__(self):
        self.memcached = Memcached("-m", "64").__enter__()
        self.rend = Rend(over_memcached(self.memcached.server, self.more), fields=self.fields, workers=self.workers)
        self.rend.__enter__()
        self.c = self.rend.client()
        self.original = Original(Client(self.memcached.path))
        return self

    def __exit__(self, *why):
        self.c.close()
        self.original.client.close()
        self.rend.__exit__(*why)
        self.memcached.__exit__(*why)

    def number(self, name):
        return int(self.rend.stats("nodes")["big." + name])


# ---- the layout ----


def test_what_the_original_wrote_is_read():
    with Stack() as s:
        for n, length in enumerate(LENGTHS):
            for key in (KEY, b"k", b"l" * 245 if length < 100_000 else b"l" * 244):
                s.original.set(key, value(length, n), flags=n + 7)
                hit(s.c, key, value(length, n), n + 7)
        s.original.set(KEY, value(5000), flags=9, ttl=1000)
        s.c.say(b"mg %s t s f v\r\n" % KEY)
        words = s.c.line().split()
        assert words[:2] == [b"VA", b"5000"] and words[3:] == [b"s5000", b"f9"] and 990 < int(words[2][1:]) <= 1000, words
        s.c.hear(value(5000) + b"\r\n")


def test_what_rend_wrote_the_original_reads():
    with Stack() as s:
        for n, length in enumerate(LENGTHS):
            for key in (KEY, b"k", b"l" * 245 if length < 100_000 else b"l" * 244):
                store(s.c, key, value(length, n), n + 7)
                assert s.original.read(key) == (value(length, n), n + 7), (key, length)
        store(s.c, KEY, value(3000), 1, 500)
        for part in (b"-meta", b"-0", b"-1", b"-2"):
            words = s.original.client.say(b"mg %s%s t\r\n" % (KEY, part)).line().split()
            assert 490 < int(words[1][1:]) <= 500, (part, words)
        meta = s.original.get(KEY + b"-meta")[0]
        assert abs(struct.unpack(">I", meta[20:24])[0] - time.time() - 500) < 60
        for verb, body, length in ((b"append", b"more", 3004), (b"prepend", b"before", 3010)):
            store(s.c, KEY, body, verb=verb)
            assert len(s.original.read(KEY)[0]) == length
        store(s.c, KEY, value(10), 3, verb=b"replace")
        assert s.original.read(KEY) == (value(10), 3)
        s.c.ask(b"delete %s\r\n" % KEY, b"DELETED\r\n")
        for part in (b"-meta", b"-0"):
            assert s.original.get(KEY + part) is None, part
        store(s.c, KEY, b"99", 5, verb=b"add")
        s.c.ask(b"incr %s 1\r\n" % KEY, b"100\r\n")
        assert s.original.read(KEY) == (b"100", 5)


def test_pieces_of_another_size_are_read():
    with Stack('chunk_size = "8KiB"; window = 2;') as s:
        s.original.set(KEY, value(30_000))
        hit(s.c, KEY, value(30_000))
        store(s.c, b"mine", value(30_000))
        assert len(s.original.get(b"mine-0")[0]) == 8192 - OVERHEAD - 4
        hit(s.c, b"mine", value(30_000))


def test_keys_that_have_no_room_behind_them():
    with Stack() as s:
        for length in range(244, 251):
            key = b"k" * (length - 1) + b"x"
            other = b"k" * (length - 1) + b"y"
            store(s.c, key, value(3000), 4)
            store(s.c, other, value(3000, 1))
            hit(s.c, key, value(3000), 4)
            hit(s.c, other, value(3000, 1))
            s.c.ask(b"delete %s\r\n" % key, b"DELETED\r\n")
            miss(s.c, key)
            hit(s.c, other, value(3000, 1))


# ---- pieces that do not belong together ----


def test_a_piece_that_is_missing_is_a_miss():
    with Stack() as s:
        for gone in range(5):
            for verb in (b"get", b"gets", b"gat 0"):
                s.original.set(KEY, value(5000), written=1)
                s.original.drop(b"%s-%d" % (KEY, gone))
                s.c.ask(b"%s %s\r\n" % (verb, KEY), b"END\r\n")
                # Nobody is told that it is there, and that it is not.
                store(s.c, KEY, b"new", verb=b"add")
                hit(s.c, KEY, b"new")
        s.original.drop(KEY + b"-2")
        s.original.set(KEY, value(5000), ttl=50, written=1, skip=(2,))
        s.c.ask(b"touch %s 100\r\n" % KEY, b"NOT_FOUND\r\n")
        s.original.set(KEY, value(5000), written=1, skip=(2,))
        assert s.original.get(KEY + b"-2") is None
        store(s.c, KEY, b"x", verb=b"append", answer=b"NOT_STORED\r\n")
        assert s.number("missing") >= 17 and s.number("taken_out") >= 17, s.rend.stats("nodes")


def test_a_piece_with_another_token_is_a_miss():
    with Stack() as s:
        for foreign in range(5):
            s.original.set(KEY, value(5000), written=1)
            size = data_size(KEY)
            s.original.put(b"%s-%d" % (KEY, foreign), os.urandom(TOKEN) + value(size, 9))
            miss(s.c, KEY)
            store(s.c, KEY, b"new", verb=b"add")
            s.c.ask(b"delete %s\r\n" % KEY, b"DELETED\r\n")
        s.original.set(KEY, value(5000), written=1)
        s.original.put(KEY + b"-1", s.original.get(KEY + b"-1")[0][:-1])  # too short by one byte
        miss(s.c, KEY)
        assert s.number("mixed") >= 6


def test_what_is_only_being_written_is_a_miss_and_stays():
    """The original writes the meta first: who comes in between must not take it out."""
    with Stack() as s:
        s.original.set(KEY, value(5000), skip=(3, 4))
        miss(s.c, KEY)
        assert s.original.get(KEY + b"-meta") is not None
        token = s.original.get(KEY + b"-meta")[0][24:]
        for i in (3, 4):
            s.original.put(b"%s-%d" % (KEY, i), token + value(5000)[i * 1090:(i + 1) * 1090].ljust(1090, b"\0"))
        hit(s.c, KEY, value(5000))


def test_fewer_pieces_over_more():
    with Stack() as s:
        for lengths in ((5000, 10), (5000, 0), (10, 5000), (5000, 1090), (0, 3000)):
            for length in lengths:
                store(s.c, KEY, value(length, length))
                hit(s.c, KEY, value(length, length))
                assert s.original.read(KEY) == (value(length, length), 0)


def test_add_and_replace_leave_the_pieces_of_what_is_there():
    with Stack() as s:
        store(s.c, KEY, value(5000))
        store(s.c, KEY, value(5000, 1), verb=b"add", answer=b"NOT_STORED\r\n")
        hit(s.c, KEY, value(5000))
        s.c.say(b"gets %s\r\n" % KEY)
        version = int(s.c.until(b"\r\n").split()[4])
        s.c.hear(value(5000) + b"\r\nEND\r\n")
        s.c.ask(b"cas %s 0 0 4 %d\r\nnone\r\n" % (KEY, version + 99), b"EXISTS\r\n")
        hit(s.c, KEY, value(5000))
        s.c.ask(b"cas %s 0 0 4 %d\r\nsome\r\n" % (KEY, version), b"STORED\r\n")
        hit(s.c, KEY, b"some")
        s.original.put(b"none-0", b"x")
        store(s.c, b"none", value(5000), verb=b"replace", answer=b"NOT_STORED\r\n")
        assert s.original.get(b"none-0") == (b"x", 0)


def racers(work, count=4):
    faults = []

    def run(me):
        try:
            work(me)
        except (AssertionError, OSError) as e:
            faults.append(e)

    threads = [threading.Thread(target=run, args=(me,), daemon=True) for me in range(count)]
    for t in threads:
        t.start()
    for t in threads:
        t.join(harness.PATIENCE * 3)
    assert not faults, faults
    assert not any(t.is_alive() for t in threads)


def test_appends_at_once_all_count():
    each = 30
    with Stack() as s:
        store(s.c, KEY, b"")

        def append(me):
            with s.rend.client() as c:
                for i in range(each):
                    part = b"<%d.%02d>" % (me, i) * 50
                    while (answer := said(c, b"append %s 0 0 %d\r\n%s\r\n" % (KEY, len(part), part))) != b"STORED\r\n":
                        assert answer == b"SERVER_ERROR backend busy\r\n", answer

        racers(append)
        body = s.original.read(KEY)[0]
        assert len(body) == 4 * each * 6 * 50
        for me in range(4):
            for i in range(each):
                assert body.count(b"<%d.%02d>" % (me, i) * 50) == 1, (me, i)


def test_adds_at_once_and_one_of_them_is_there():
    with Stack() as s:
        for n in range(40):
            key = b"add-%d" % n
            won = []

            def add(me):
                with s.rend.client() as c:
                    if said(c, b"add %s 0 0 5000\r\n%s\r\n" % (key, value(5000, me))) == b"STORED\r\n":
                        won.append(me)

            racers(add)
            assert len(won) == 1, won
            hit(s.c, key, value(5000, won[0]))


def test_sets_at_once_leave_one_of_them_or_none():
    with Stack() as s:
        def write(me):
            with s.rend.client() as c:
                for _ in range(60):
                    store(c, KEY, value(5000, me))
                    c.say(b"get %s\r\n" % KEY)
                    line = c.line()
                    if line != b"END":
                        body = c.until(b"\r\nEND\r\n")[:-7]
                        assert body in [value(5000, other) for other in range(4)]

        racers(write)
        store(s.c, KEY, b"last")
        hit(s.c, KEY, b"last")


# ---- what the original did wrong ----


def user_ticks(rend):
    with open(f"/proc/{rend.child.pid}/stat") as f:
        return int(f.read().rpartition(")")[2].split()[11])


def test_a_backend_that_ends_in_the_middle_of_a_read():
    """It turned in a circle for ever, and the client waited."""
    cut = {"on": True}

    def misbehave(conn, request):
        if cut["on"] and request.verb == "mg" and request.key == "k-3":
            conn.close()
            return SILENCE
        return None

    with ScriptedBackend(misbehave, sets_cas=True) as b, Rend(over_memcached(b.server), workers=1) as rend, rend.client() as c:
        wait_for("the backend to be used", lambda: said(c, b"set k 0 0 5000\r\n%s\r\n" % value(5000)) == b"STORED\r\n")
        before = user_ticks(rend)
        for verb in (b"get k\r\n", b"gat 0 k\r\n", b"append k 0 0 1\r\nx\r\n", b"touch k 0\r\n"):
            begun = time.monotonic()
            answer = said(c, verb)
            assert time.monotonic() - begun < SOON, (verb, answer)
            if not verb.startswith(b"touch"):
                assert answer.startswith(b"SERVER_ERROR") or answer in (b"END\r\n", b"NOT_STORED\r\n"), (verb, answer)
        cut["on"] = False
        wait_for("the value", lambda: said(c, b"mg k s\r\n") == b"HD s5000\r\n")
        wait_for("it to be read", lambda: said(c, b"touch k 0\r\n") == b"TOUCHED\r\n")
        hit(c, b"k", value(5000))
        assert user_ticks(rend) < before + 500, (before, user_ticks(rend))


def test_a_touch_changes_nothing_but_when_things_go():
    """Its keys shared memory, and a touch wrote the meta under another key."""
    keys = [b"a", b"ab", b"abc-0", b"abc", b"abc-meta", b"x" * 200]
    with Stack() as s:
        for n, key in enumerate(keys):
            store(s.c, key, value(3000, n), n, 100)
        names = [key + part for key in keys for part in (b"-meta", b"-0", b"-1", b"-2")]
        before = {name: s.original.get(name) for name in names}
        assert None not in before.values()
        for n, key in enumerate(keys):
            s.c.ask(b"touch %s 1000\r\n" % key, b"TOUCHED\r\n")
            s.c.ask(b"gat 2000 %s\r\n" % key, b"VALUE %s %d 3000\r\n%s\r\nEND\r\n" % (key, n, value(3000, n)))
        assert {name: s.original.get(name) for name in names} == before
        for name in names:
            words = s.original.client.say(b"mg %s t\r\n" % name).line().split()
            assert int(words[1][1:]) > 1900, (name, words)
        s.c.ask(b"touch %s 50\r\n" % keys[0], b"TOUCHED\r\n")
        words = s.c.say(b"mg %s t\r\n" % keys[0]).line().split()
        assert int(words[1][1:]) <= 50, words
        assert s.original.client.ask(b"stats items\r\n", b"STAT items:") and s.original.client.until(b"END\r\n")


def test_a_backend_that_answers_nonsense():
    """It read the length of an answer from memory that it had given back, or from none."""
    for lie in (b"VA 40", b"HD\r\n\r\n", b"SERVER_ERROR out of memory\r\n", b"\x81\0\0\0"):
        def misbehave(conn, request):
            return lie if request.key.startswith("k-") else None

        # Half an answer is waited for.
        with ScriptedBackend(misbehave, sets_cas=True) as b, Rend(over_memcached(b.server, waits=QUICK), workers=1) as rend, rend.client() as c:
            for question in (b"set k 0 0 5000\r\n%s\r\n" % value(5000), b"get k\r\n", b"add k 0 0 1\r\nx\r\n", b"append k 0 0 1\r\nx\r\n",
                             b"delete k\r\n", b"touch k 10\r\n"):
                answer = said(c, question)
                assert answer.startswith(b"SERVER_ERROR"), (lie, question, answer)
            b.misbehave = None
            wait_for("the backend to be used", lambda: said(c, b"set k 0 0 2\r\nok\r\n") == b"STORED\r\n")
            hit(c, b"k", b"ok")


def test_a_meta_that_is_short_is_no_empty_value():
    with Stack() as s:
        for body in (b"x", b"x" * 39, b"x" * 40, b"x" * 41, struct.pack(">6I", 0, 0, 0, 0, 0, 0)):
            s.original.put(KEY + b"-meta", body)
            miss(s.c, KEY)
            s.c.ask(b"touch %s 10\r\n" % KEY, b"NOT_FOUND\r\n")
            store(s.c, KEY, value(3000))
            hit(s.c, KEY, value(3000))


def test_a_meta_that_claims_much_gets_little():
    with Stack() as s:
        claim = struct.pack(">6I", 0xffffffff, 0, -(-0xffffffff // 1090), 1090, 1, 0) + os.urandom(16)
        s.original.put(KEY + b"-meta", claim)
        before = s.rend.rss_kb()
        miss(s.c, KEY)
        assert s.rend.rss_kb() < before + 20_000, (before, s.rend.rss_kb())
        claim = struct.pack(">6I", 0x7fffffff, 0, 0x7fffffff, 1, 1, 0) + os.urandom(16)
        s.original.put(KEY + b"-meta", claim)
        miss(s.c, KEY)
        assert s.rend.rss_kb() < before + 20_000, (before, s.rend.rss_kb())


def test_a_set_that_has_expired_leaves_nothing_older():
    with Stack() as s:
        for when in (b"-1", b"3000000", b"%d" % (time.time() - 10)):
            store(s.c, KEY, value(3000))
            s.c.ask(b"set %s 0 %s 3\r\nnew\r\n" % (KEY, when), b"STORED\r\n")
            miss(s.c, KEY)
            assert s.original.get(KEY + b"-meta") is None


def test_pieces_of_many_clients_are_bounded():
    """All that one worker's clients ask for would be more than the handler beneath takes."""
    with Stack(workers=1) as s:
        body, keys = value(70 * 1024), [b"k%d" % i for i in range(100)]
        for key in keys:
            store(s.c, key, body)
        s.c.say(b"get " + b" ".join(keys) + b"\r\n")
        for key in keys:
            s.c.hear(b"VALUE %s 0 %d\r\n%s\r\n" % (key, len(body), body))
        s.c.hear(b"END\r\n")


def give(backend, key, body, written=1, skip=()):
    """A ScriptedBackend has this value, in pieces."""
    size, token = data_size(key), os.urandom(TOKEN)
    count = -(-len(body) // size)
    with backend.lock:
        backend._store(key.decode() + "-meta", struct.pack(">6I", len(body), 0, count, size, written, 0) + token, 0)
        for i in range(count):
            if i not in skip:
                backend._store(f"{key.decode()}-{i}", token + body[i * size:(i + 1) * size].ljust(size, b"\0"), 0)


def test_a_small_value_does_not_wait_for_a_large_one():
    gate, pieces = threading.Event(), 3000
    body = value(data_size(b"big")) * pieces
    small = b"VALUE small 0 1\r\nx\r\nEND\r\n"

    def misbehave(conn, request):
        if request.key == "big-10":
            gate.wait(harness.PATIENCE)

    with ScriptedBackend(misbehave, sets_cas=True) as b, Rend(over_memcached(b.server, "window = 4096;"), fields='item_size_max = "8MiB";', workers=1) as rend, \
            rend.client() as c, rend.client() as other:
        def under_way(count):
            wait_for(f"{count} requests", lambda: rend.stats("nodes")["below.in_flight"] == str(count))

        give(b, b"big", body)
        give(b, b"small", b"x")
        wait_for("the backend to be used", lambda: heard(other, b"get small\r\n") == small)
        c.say(b"get big\r\n")
        under_way(1024)
        other.say(b"get small\r\n")
        under_way(1025)
        gate.set()
        other.hear(small)
        c.hear(b"VALUE big 0 %d\r\n%s\r\nEND\r\n" % (len(body), body))
        asked = [r.key for r in b.requests]
        assert asked.index(f"big-{pieces - 1}") > len(asked) - 1 - asked[::-1].index("small-0")


def test_pieces_that_are_away_are_there_again():
    """A pool may answer that there is nothing where it only cannot ask: then nothing is given up because of it."""
    body = value(20 * 1000)
    whole = b"VALUE k 0 %d\r\n%s\r\nEND\r\n" % (len(body), body)
    for mode in ("miss", "next"):
        with ScriptedBackend(sets_cas=True) as a, ScriptedBackend(sets_cas=True) as b:
            pool = over(f'plugin = "memcached"; servers = [ "{a.server}", "{b.server}" ]; failure_mode = "{mode}"; {SLOW}')
            with Rend(pool, workers=1) as rend, rend.client() as c:
                wait_for("the backends to be used", lambda: said(c, b"set k 0 0 %d\r\n%s\r\n" % (len(body), body)) == b"STORED\r\n")
                stays, goes = (a, b) if "k-meta" in a.values else (b, a)
                assert goes.values, stays.values.keys()
                meta, flags, cas = stays.values["k-meta"]
                stays.values["k-meta"] = meta[:16] + struct.pack(">I", 1) + meta[20:], flags, cas  # written long ago
                goes.__exit__()
                wait_for("it to be away", lambda: heard(c, b"get k\r\n") == b"END\r\n")
                store(c, b"k", b"x", verb=b"append", answer=b"NOT_STORED\r\n")
                miss(c, b"k")
                goes.__enter__()
                wait_for("it to be back", lambda: heard(c, b"get k\r\n") == whole)


def claim_of(length, since, ttl):
    """What a writer that died left behind."""
    return struct.pack(">6I", length, 0, -(-length // 1090), 1090, 0, since) + os.urandom(16)


def test_a_claim_is_a_miss_and_nobody_makes_it_stay():
    now = int(time.time())
    with Stack() as s:
        for touch in (b"touch %s 0\r\n", b"gat 0 %s\r\n", b"mg %s s t\r\n"):
            s.original.put(KEY + b"-meta", claim_of(5000, now, 60), 0, 60)
            s.c.ask(touch % KEY, b"NOT_FOUND\r\n" if touch.startswith(b"touch") else b"EN\r\n" if touch.startswith(b"mg") else b"END\r\n")
            store(s.c, KEY, b"1", verb=b"add", answer=b"NOT_STORED\r\n")
        # Clocks of two machines differ.
        for since in (now + 50, now - 20):
            s.original.put(KEY + b"-meta", claim_of(5000, since, 60), 0, 60)
            miss(s.c, KEY)
            assert s.original.get(KEY + b"-meta") is not None, since - now
        # One that is older than claims get, and has no end: the next read takes it out.
        for since in (now - 61, now + 3600):
            s.original.put(KEY + b"-meta", claim_of(5000, since, 0))
            miss(s.c, KEY)
            store(s.c, KEY, b"1", verb=b"add")
            s.c.ask(b"incr %s 1\r\n" % KEY, b"2\r\n")
            s.original.put(KEY + b"-meta", claim_of(0, since, 0))
            s.c.ask(b"incr %s 1\r\n" % KEY, b"NOT_FOUND\r\n")


def test_a_value_of_time_to_come_without_its_pieces_is_taken_out():
    with Stack() as s:
        s.original.set(KEY, value(5000), written=int(time.time()) + 3600, skip=(2,))
        miss(s.c, KEY)
        assert s.original.get(KEY + b"-meta") is None
        store(s.c, KEY, b"1", verb=b"add")


def test_more_than_may_be_read_is_a_miss():
    with Stack(fields='item_size_max = "1MiB";') as s:
        s.original.set(KEY, value(1 << 20))
        hit(s.c, KEY, value(1 << 20))
        s.original.set(KEY, value((1 << 20) + 1))
        miss(s.c, KEY)
        store(s.c, KEY, b"1", verb=b"append", answer=b"NOT_STORED\r\n")


def test_a_delete_ends_with_the_pieces():
    with Stack() as s:
        s.original.put(KEY + b"-meta", struct.pack(">6I", 0xffffffff, 0, 0xffffffff, 1, 1, 0) + os.urandom(16))
        s.c.ask(b"delete %s\r\n" % KEY, b"DELETED\r\n")
        with Client(s.memcached.path) as c:
            assert int(c.stats()["delete_misses"]) < 10_000


def test_a_piece_that_could_not_be_written_leaves_no_meta():
    full = {"on": False}

    def misbehave(conn, request):
        if full["on"] and request.verb == "ms" and request.key == "k-2":
            return b"SERVER_ERROR out of memory storing object\r\n"
        return None

    for verb in (b"set", b"add", b"replace", b"append"):
        with ScriptedBackend(misbehave, sets_cas=True) as b, Rend(over_memcached(b.server), workers=1) as rend, rend.client() as c:
            full["on"] = False
            wait_for("the backend to be used", lambda: said(c, b"set k 0 0 3\r\nold\r\n") == b"STORED\r\n")
            if verb == b"add":
                c.ask(b"delete k\r\n", b"DELETED\r\n")
            full["on"] = True
            answer = said(c, b"%s k 0 0 5000\r\n%s\r\n" % (verb, value(5000)))
            assert answer.startswith(b"SERVER_ERROR"), (verb, answer)
            assert "k-meta" not in b.values, verb
            full["on"] = False
            miss(c, b"k")
            store(c, b"k", value(5000), verb=b"add")
            hit(c, b"k", value(5000))


def is_claim(request):
    return request.verb == "ms" and request.key.endswith("-meta") and len(request.body) == 40 and request.body[16:20] == bytes(4)


def test_a_claim_that_is_not_answered_keeps_nobody_away():
    """It is there all the same, and who made it looks for it."""
    late = {"claim": False, "look": False}
    hang = set()

    # Each connection does what it is asked, and answers no more from then on.
    def misbehave(conn, request):
        if late["claim"] and is_claim(request):
            late["claim"] = False
            hang.add(conn)
        elif late["look"] and request.verb == "mg" and request.key == "n-meta":
            hang.add(conn)
        if conn not in hang:
            return None
        with b.lock:
            b.truth(request)
        return SILENCE

    with ScriptedBackend(misbehave, sets_cas=True) as b, Rend(over_memcached(b.server, waits=QUICK), workers=1) as rend, rend.client() as c:
        wait_for("the backend to be used", lambda: said(c, b"set n 0 0 1\r\n5\r\n") == b"STORED\r\n")
        late["claim"] = True
        c.ask(b"incr n 1\r\n", b"6\r\n")
        hit(c, b"n", b"6")
        # Nobody says whether it is there: one whose version is known is taken out.
        late.update(claim=True, look=True)
        c.ask(b"ms n 2 MR E99\r\n10\r\n", b"SERVER_ERROR backend timeout\r\n")
        late["look"] = False
        wait_for("it to be taken out", lambda: "n-meta" not in b.values)
        wait_for("the backend to be used again", lambda: said(c, b"add n 0 0 1\r\n1\r\n") == b"STORED\r\n")
        c.ask(b"incr n 1\r\n", b"2\r\n")


def test_a_claim_whose_connection_is_gone_is_given_back():
    cut = {"on": False}

    def misbehave(conn, request):
        if cut["on"] and request.verb == "ms" and request.key == "n-0":
            cut["on"] = False
            conn.close()
            return SILENCE
        return None

    # The versions are the backend's own, and good over the connection that brought them.
    with ScriptedBackend(misbehave) as b, \
            Rend(over_memcached(b.server, waits='retry_min = "5ms"; ' + SLOW), workers=1) as rend, rend.client() as c:
        wait_for("the backend to be used", lambda: said(c, b"set n 0 0 1\r\n5\r\n") == b"STORED\r\n")
        cut["on"] = True
        answer = said(c, b"incr n 1\r\n")
        assert answer.startswith(b"SERVER_ERROR"), answer
        wait_for("it to be given back", lambda: "n-meta" not in b.values)
        wait_for("the backend to be used again", lambda: said(c, b"get other\r\n") == b"END\r\n")
        store(c, b"n", b"1", verb=b"add")
        c.ask(b"incr n 1\r\n", b"2\r\n")


def test_a_claim_that_another_server_does_not_have_is_not_overtaken():
    """A pool that asks the next server instead hears of no claim there: the write is not answered as if it was done."""
    for mode in ("error", "miss", "next"):
        away = {"last": False, "all": False}

        def misbehave(conn, request):
            if request.key != "n-meta":
                return None
            if away["last"] and request.verb == "ms" and not is_claim(request):
                away.update(last=False, all=True)
            if not away["all"]:
                return None
            if request.verb == "md":
                away["all"] = False  # it is there again when it is looked for
            opaque = b" O" + request.opaque if request.opaque else b""
            return (b"EN" if request.verb == "mg" else b"NF") + opaque + b"\r\n"

        with ScriptedBackend(misbehave, sets_cas=True) as b, \
                Rend(over_memcached(b.server, waits=f'failure_mode = "{mode}"; {SLOW}'), workers=1) as rend, rend.client() as c:
            wait_for("the backend to be used", lambda: said(c, b"set n 0 0 1\r\n5\r\n") == b"STORED\r\n")
            away["last"] = True
            if mode == "error":
                c.ask(b"incr n 1\r\n", b"6\r\n")
                continue
            answer = said(c, b"incr n 1\r\n")
            assert answer.startswith(b"SERVER_ERROR"), (mode, answer)
            assert not away["last"] and not away["all"] and "n-meta" not in b.values, (mode, away)
            store(c, b"n", b"1", verb=b"add")


def test_a_claim_whose_connection_was_made_again_is_written_over():
    """The version is good over the connection that brought it; the piece is at another server, and comes to its end."""
    cut = {"key": None, "hold": threading.Event()}

    def misbehave(conn, request):
        if cut["key"] and request.verb == "ms" and request.key == cut["key"] + "-0":
            cut["key"] = None
            cut["hold"].wait(harness.PATIENCE)
        return None

    with ScriptedBackend(misbehave) as a, ScriptedBackend(misbehave) as b:
        pool = over(f'plugin = "memcached"; servers = [ "{a.server}", "{b.server}" ]; retry_min = "5ms"; {SLOW}')
        with Rend(pool, workers=1) as rend, rend.client() as c, rend.client(1) as raw:
            for n in range(100):
                key = f"n{n}"
                wait_for("the backends to be used", lambda: said(c, b"set %s 0 0 1\r\n5\r\n" % key.encode()) == b"STORED\r\n")
                if (key + "-meta" in a.values) != (key + "-0" in a.values):
                    break
            keeps = a if key + "-meta" in a.values else b
            cut["key"] = key
            c.say(b"incr %s 1\r\n" % key.encode())
            wait_for("the piece", lambda: cut["key"] is None)
            keeps.cut()
            raw_get = b"mg %s-meta s\r\n" % key.encode()
            wait_for("the connection to be made again", lambda: said(raw, raw_get).startswith(b"HD"))
            cut["hold"].set()
            c.hear(b"6\r\n")
            hit(c, key.encode(), b"6")


def test_an_incr_that_was_overtaken_by_what_is_not_whole():
    """It takes that out, and does not wait for its pieces."""
    between = {"on": False}

    def misbehave(conn, request):
        if between["on"] and is_claim(request):
            between["on"] = False
            give(b, b"n", value(3000), skip=(1,))
        return None

    with ScriptedBackend(misbehave, sets_cas=True) as b, Rend(over_memcached(b.server), workers=1) as rend, rend.client() as c:
        wait_for("the backend to be used", lambda: said(c, b"set n 0 0 1\r\n5\r\n") == b"STORED\r\n")
        between["on"] = True
        c.ask(b"incr n 1\r\n", b"NOT_FOUND\r\n")
        assert not between["on"]
        store(c, b"n", b"1", verb=b"add")


def test_who_has_won_is_told_so_after_a_second_look():
    """The backend says it once, and then to others that somebody has."""
    asked = {"meta": 0, "piece": 0}

    def misbehave(conn, request):
        if request.verb != "mg" or request.key not in ("n-meta", "n-0"):
            return None
        which = "meta" if request.key == "n-meta" else "piece"
        asked[which] += 1
        with b.lock:
            line, rest = b.truth(request).split(b"\r\n", 1)
        if which == "meta":
            line += b" W" if asked["meta"] == 1 else b" Z"
        elif asked["piece"] == 1:
            rest = b"another's token!" + rest[TOKEN:]
        return line + b"\r\n" + rest

    with ScriptedBackend(misbehave, sets_cas=True) as b, Rend(over_memcached(b.server), workers=1) as rend, rend.client() as c:
        wait_for("the backend to be used", lambda: said(c, b"mg none v\r\n") == b"EN\r\n")
        give(b, b"n", b"5", written=int(time.time()) + 4)  # young for some seconds, however slow the machine
        c.ask(b"mg n v R30\r\n", b"VA 1 W\r\n5\r\n")
        assert asked == {"meta": 2, "piece": 2}, asked
        c.ask(b"mg n v R30\r\n", b"VA 1 Z\r\n5\r\n")


class Classic(ScriptedBackend):
    """Understands classic text only."""

    def __init__(self, misbehave):
        super().__init__(misbehave, meta=False)

    def text_add(self, r):
        return b"NOT_STORED\r\n" if r.key in self.values else self.text_set(r)

    def text_replace(self, r):
        return self.text_set(r) if r.key in self.values else b"NOT_STORED\r\n"

    def text_cas(self, r):
        answer = super().text_cas(r)
        if answer == b"STORED\r\n" and r.words[3].startswith(b"-"):
            del self.values[r.key]
        return answer


def test_in_classic_text_nobody_wins_over_what_came_after_his_claim():
    between, full = {"on": False}, {"on": False}

    def misbehave(conn, request):
        if full["on"] and request.verb == "set" and request.key == "k-2":
            return b"SERVER_ERROR out of memory storing object\r\n"
        if between["on"] and request.key == "n-meta" and request.verb in ("cas", "replace") and request.body[16:20] != bytes(4):
            between["on"] = False
            give(b, b"n", b"other")
        return None

    with Classic(misbehave) as b, Rend(over_memcached(b.server), workers=1) as rend, rend.client() as c:
        wait_for("the backend to be used", lambda: said(c, b"set n 0 0 1\r\n5\r\n") == b"STORED\r\n")
        c.ask(b"incr n 1\r\n", b"6\r\n")
        hit(c, b"n", b"6")
        between["on"] = True
        c.ask(b"incr n 1\r\n", b"7\r\n")
        assert not between["on"]
        hit(c, b"n", b"other")
        # What is taken out on a condition.
        full["on"] = True
        answer = said(c, b"add k 0 0 5000\r\n%s\r\n" % value(5000))
        assert answer.startswith(b"SERVER_ERROR"), answer
        full["on"] = False
        store(c, b"k", value(5000), verb=b"add")
        give(b, b"k", value(5000), skip=(2,))
        b.values.pop("k-2")
        miss(c, b"k")
        store(c, b"k", value(5000), verb=b"add")
        hit(c, b"k", value(5000))


# ---- over others, and below them ----


def test_over_values_in_memory():
    with Rend(INMEM) as rend, rend.client() as c, rend.client(1) as raw:
        original = Original(raw)
        for n, length in enumerate(LENGTHS):
            store(c, KEY, value(length, n), n)
            hit(c, KEY, value(length, n), n)
            assert original.read(KEY) == (value(length, n), n)
        original.set(KEY, value(9999), 3)
        hit(c, KEY, value(9999), 3)
        c.ask(b"flush_all\r\n", b"OK\r\n")
        miss(c, KEY)


def test_a_large_value_and_small_ones_beside_it():
    """A value of many pieces takes many turns, in which others are answered."""
    with Rend(INMEM, fields='item_size_max = "32MiB";', workers=1) as rend, rend.client() as c, rend.client() as other:
        body = value(1 << 20) * 20
        c.say(b"set big 0 0 %d\r\n%s\r\n" % (len(body), body))
        for n in range(50):
            store(other, b"s%d" % n, b"small")
            hit(other, b"s%d" % n, b"small")
        c.hear(b"STORED\r\n")
        hit(c, b"big", body)


def test_over_a_handler_that_is_down():
    with Rend(over_memcached("127.0.0.1:1"), workers=1) as rend, rend.client() as c:
        for question in (b"get k\r\n", b"set k 0 0 1\r\nx\r\n", b"delete k\r\n", b"append k 0 0 1\r\nx\r\n", b"touch k 1\r\n"):
            answer = said(c, question)
            assert answer.startswith(b"SERVER_ERROR"), (question, answer)


if __name__ == "__main__":
    harness.main()
